"""Text generation: prompt and image tokens in, sentences with token probabilities out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from janus_med.errors import ModelFault
from janus_med.expert import write_prompt
from janus_med.facts import label_sentence
from janus_med.plan_check import find_disagreements
from janus_med.report_spans import find_sentences
from janus_med.rewording import AvoidChoices
from janus_med.text_answers import Prompt
from janus_med.text_decoder import TextDecoder
from janus_med.tokenizer import ForbidComparison, chat_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    from janus_med.expert import ExpertPlan
    from janus_med.facts import Fact
    from janus_med.model import MedicalJanus
    from janus_med.plan_check import Disagreement
    from janus_med.reading import FindingReading, Polarity, Section, SentenceReading
    from janus_med.report_spans import Span
    from janus_med.text_answers import Answer

MAX_NEW_TOKENS = 256
REPEATS = 3
REWORDINGS = 8
"""How often a report is written again before the sentences that disagree with its plan are withheld."""


@dataclass(frozen=True, eq=False)
class Written:
    """Generated text, and for each character the probability of the token it came from.

    Attributes
    ----------
    tokens
        For each character the index of its token; empty when not known.
    attention
        (T, N) float32 of each token over the image tokens; None unless captured.
    ids
        The tokens themselves; empty when not known.
    withheld
        Sentences that say otherwise than the plan whatever was forbidden; `read_sentences` leaves them out.
    plan
        What the prompt said; None when it is not known.
    """

    text: str
    probabilities: tuple[float, ...]
    tokens: tuple[int, ...] = ()
    attention: Tensor | None = None
    withheld: tuple[Disagreement, ...] = ()
    ids: tuple[int, ...] = ()
    plan: ExpertPlan | None = None

    def shown_spans(self) -> list[Span]:
        """Return where the sentences stand that are not withheld; ModelFault when a section is missing."""
        withheld = {one.sentence for one in self.withheld}
        return [span for number, span in enumerate(find_sentences(self.text)) if number not in withheld]


class Writer:
    """Turns plans into texts with one model; the merged weights and the ban's verdicts are kept.

    Parameters
    ----------
    model, tokenizer
        Of one folder, frozen.
    decoder
        Of the same model; made with its defaults when None.
    """

    def __init__(
        self, model: MedicalJanus, tokenizer: PreTrainedTokenizerFast, decoder: TextDecoder | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._image_tokens = model.preset.image_tokens
        self._decoder = decoder or TextDecoder(model)
        self._no_comparison = ForbidComparison(tokenizer, 0)

    def write(
        self, plans: Sequence[ExpertPlan], images: Tensor, *, capture: bool = False
    ) -> list[Written | ModelFault]:
        """Write the reports of several plans at once, greedily; each as it would be alone.

        Each is read back. When a sentence says otherwise than its plan, the choice that led there is
        forbidden and the report written again, a few times; what still disagrees is withheld.

        Parameters
        ----------
        plans
            What each prompt says; comparison words are impossible unless a plan has a prior.
        images
            (B, N, D) aligned image tokens, a row a plan.
        capture
            Whether to return how the text looked at the image.

        Returns
        -------
        list of Written or ModelFault
            In the order of the plans; a fault (no end, a probability of NaN) is that row's alone.
        """
        prompts = [self.prompt(plan, image) for plan, image in zip(plans, images, strict=True)]
        written = self._decode(prompts, capture)
        found = _compare(written, plans)
        for _ in range(REWORDINGS):
            wrong = {row: disagreements for row, disagreements in enumerate(found) if disagreements}
            if not wrong:
                break
            for row, disagreements in wrong.items():
                prompts[row] = _avoid(prompts[row], written[row], disagreements[0])
            for row, again in zip(wrong, self._decode([prompts[row] for row in wrong], capture), strict=True):
                if not isinstance(
                    again, ModelFault
                ):  # what cannot be worded otherwise stays, and is withheld
                    written[row] = again
            found = _compare(written, plans)
        return [_close(*row) for row in zip(written, found, plans, strict=True)]

    def _decode(self, prompts: Sequence[Prompt], capture: bool) -> list[Written | ModelFault]:
        answers = self._decoder.decode(prompts, self._tokenizer.eos_token_id, MAX_NEW_TOKENS, capture=capture)
        return [self._read(answer) for answer in answers]

    def _read(self, answer: Answer) -> Written | ModelFault:
        try:
            return _read_answer(self._tokenizer, answer)
        except ModelFault as fault:
            return fault

    def prompt(self, plan: ExpertPlan, image: Tensor) -> Prompt:
        """Return what the decoder is asked for a plan and its (N, D) aligned image tokens."""
        ids = self._tokenizer(chat_prompt(write_prompt(plan), self._image_tokens)).input_ids
        return Prompt(ids, image, None if plan.prior else self._no_comparison)


def _avoid(prompt: Prompt, written: Written | ModelFault, found: Disagreement) -> Prompt:
    """Return a prompt whose answer is another one than what was written."""
    assert isinstance(written, Written)
    ban = prompt.ban if isinstance(prompt.ban, AvoidChoices) else AvoidChoices(prompt.ban)
    ban.add(written, found.culprit)
    return replace(prompt, ban=ban)


def _compare(
    written: Sequence[Written | ModelFault], plans: Sequence[ExpertPlan]
) -> list[tuple[Disagreement, ...]]:
    return [_disagreements(one, plan) for one, plan in zip(written, plans, strict=True)]


def _disagreements(written: Written | ModelFault, plan: ExpertPlan) -> tuple[Disagreement, ...]:
    """What disagrees in one text; nothing in one that is at fault as a whole, which `read_sentences` says."""
    try:
        return () if isinstance(written, ModelFault) else find_disagreements(written.text, plan)
    except ModelFault:
        return ()


def _close(
    written: Written | ModelFault, found: tuple[Disagreement, ...], plan: ExpertPlan
) -> Written | ModelFault:
    return written if isinstance(written, ModelFault) else replace(written, withheld=found, plan=plan)


def write_text(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    plan: ExpertPlan,
    images: dict[str, BaseModelOutputWithPooling],
) -> Written:
    """Generate the report of a plan, greedily; to write many with one model, keep a `Writer`.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    plan
        What the prompt says.
    images
        ``mm_encoder_outputs`` of one image.

    Raises
    ------
    ModelFault
        When the text does not end, or a probability is not a number.
    """
    written = Writer(model, tokenizer).write([plan], images["image"].pooler_output)[0]
    if isinstance(written, ModelFault):
        raise written
    return written


def _read_answer(tokenizer: PreTrainedTokenizerFast, answer: Answer) -> Written:
    if any(math.isnan(probability) for probability in answer.probabilities):
        raise ModelFault("the language model returned NaN")
    if answer.tokens[-1] != tokenizer.eos_token_id:
        raise ModelFault(f"the text did not end within {MAX_NEW_TOKENS} tokens")
    tokens, spread, owners = answer.tokens[:-1], list[float](), list[int]()
    for index, probability in enumerate(answer.probabilities[:-1]):
        grown = len(tokenizer.decode(tokens[: index + 1])) - len(spread)
        spread += [probability] * grown
        owners += [index] * grown
    return Written(
        tokenizer.decode(tokens), tuple(spread), tuple(owners), answer.attention, ids=tuple(tokens)
    )


def read_sentences(written: Written, findings: tuple[FindingReading, ...]) -> tuple[SentenceReading, ...]:
    """Split generated text into sentences, each linked to the findings it speaks of.

    Parameters
    ----------
    written
        ``FINDINGS: ... IMPRESSION: ...``.
    findings
        Whose calibrated probabilities enter the confidence.

    Raises
    ------
    ModelFault
        When a section is missing or empty, or sentences repeat without end.
    """
    probabilities = {finding.name: finding.probability for finding in findings}
    found = [
        _sentence(
            span.section,
            written.text[span.start : span.end].strip(),
            _mean_probability(written.probabilities, span.start, span.end),
            probabilities,
        )
        for span in written.shown_spans()
    ]
    _refuse_repeats(found)
    return tuple(found)


def _mean_probability(probabilities: tuple[float, ...], start: int, end: int) -> float:
    """Geometric mean over the characters of a sentence."""
    values = torch.tensor(probabilities[start:end]).clamp(min=1e-6)
    return float(values.log().mean().exp()) if len(values) else 0.0


def _sentence(
    section: Section, text: str, token_share: float, probabilities: dict[str, float]
) -> SentenceReading:
    from janus_med.reading import SentenceReading

    facts = label_sentence(text)
    polarity = _polarity(facts)
    named = tuple(name for name, fact in facts.items() if _matches(name, fact.polarity, polarity))
    supports = [1 - probabilities[name] if polarity == "negative" else probabilities[name] for name in named]
    confidence = token_share * min(supports, default=0.5)
    return SentenceReading(section, text, named, polarity, float(min(max(confidence, 0.0), 1.0)))


def _polarity(facts: dict[str, Fact]) -> Polarity:
    polarities = {fact.polarity for name, fact in facts.items() if name != "No Finding"}
    if "positive" in polarities:
        return "positive"
    if "uncertain" in polarities:
        return "uncertain"
    if "No Finding" in facts:
        return "normal"
    return "negative" if polarities else "uncertain"


def _matches(name: str, stated: str, polarity: Polarity) -> bool:
    return name == "No Finding" if polarity == "normal" else name != "No Finding" and stated == polarity


def _refuse_repeats(sentences: list[SentenceReading]) -> None:
    texts = [(sentence.section, sentence.text) for sentence in sentences]
    if not texts:
        raise ModelFault("the text has no sentence")
    if max(texts.count(text) for text in texts) >= REPEATS:
        raise ModelFault("the text repeats itself")
