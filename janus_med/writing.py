"""Text generation: prompt and image tokens in, sentences with token probabilities out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutputWithPooling

from janus_med.errors import ModelFault
from janus_med.expert import write_prompt
from janus_med.facts import label_sentence
from janus_med.tokenizer import ForbidComparison, chat_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerFast

    from janus_med.expert import ExpertPlan
    from janus_med.facts import Fact
    from janus_med.model import MedicalJanus
    from janus_med.reading import FindingReading, Polarity, Section, SentenceReading

MAX_NEW_TOKENS = 256
MAX_ANSWER_TOKENS = 96
BEAMS = 4
REPEATS = 3
_SECTION = re.compile(r"(FINDINGS|IMPRESSION):\s*")


@dataclass(frozen=True, eq=False)
class Written:
    """Generated text, and for each character the probability of the token it came from."""

    text: str
    probabilities: tuple[float, ...]


@torch.no_grad()
def write_text(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    plan: ExpertPlan,
    images: dict[str, BaseModelOutputWithPooling],
) -> Written:
    """Generate the report of a plan, greedily.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    plan
        What the prompt says; comparison words are impossible unless it has a prior.
    images
        ``mm_encoder_outputs`` of one image.

    Raises
    ------
    ModelFault
        When the text does not end, or a probability is not a number.
    """
    prompt = tokenizer(chat_prompt(write_prompt(plan), model.preset.image_tokens), return_tensors="pt").to(
        model.janus.device
    )
    length = prompt["input_ids"].shape[1]
    processors = LogitsProcessorList([] if plan.prior else [ForbidComparison(tokenizer, length)])
    # Janus' own generate drops `logits_processor` in text mode (transformers 5.23): ask the mixin below it
    output = GenerationMixin.generate(
        model.janus,
        **prompt,
        mm_encoder_outputs=images,
        logits_processor=processors,
        generation_config=_generation_config(tokenizer),
    )
    answer = output.sequences[0, length:]
    if int(answer[-1]) != tokenizer.eos_token_id:
        raise ModelFault(f"the text did not end within {MAX_NEW_TOKENS} tokens")
    return _align_probabilities(tokenizer, answer[:-1], output.logits)


@torch.no_grad()
def propose_texts(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    asked: str,
    images: dict[str, BaseModelOutputWithPooling],
) -> Iterator[str]:
    """Propose answers to one turn: the greedy one, then, when it is refused, those of a beam search.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    asked
        The text of the user's turn; comparison words are impossible in what is written.
    images
        ``mm_encoder_outputs`` of one image.

    Yields
    ------
    str
        Finished texts, the most probable first.
    """
    prompt = tokenizer(chat_prompt(asked, model.preset.image_tokens), return_tensors="pt").to(
        model.janus.device
    )
    length = prompt["input_ids"].shape[1]
    for beams in (1, BEAMS):
        # generate repeats the prompt for each beam, but not what stands for the image
        repeated = {name: _repeat(output, beams) for name, output in images.items()}
        settings = _generation_config(tokenizer)
        settings.update(
            num_beams=beams, num_return_sequences=beams, max_new_tokens=MAX_ANSWER_TOKENS, output_logits=False
        )
        output = GenerationMixin.generate(
            model.janus,
            **prompt,
            mm_encoder_outputs=repeated,
            logits_processor=LogitsProcessorList([ForbidComparison(tokenizer, length)]),
            generation_config=settings,
        )
        for row in output.sequences[:, length:]:
            if tokenizer.eos_token_id in row.tolist():
                yield tokenizer.decode(row, skip_special_tokens=True).strip()


def _repeat(output: BaseModelOutputWithPooling, times: int) -> BaseModelOutputWithPooling:
    return BaseModelOutputWithPooling(pooler_output=output.pooler_output.repeat_interleave(times, dim=0))


def _generation_config(tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    return GenerationConfig(
        max_new_tokens=MAX_NEW_TOKENS,
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _align_probabilities(
    tokenizer: PreTrainedTokenizerFast, answer: torch.Tensor, logits: tuple[torch.Tensor, ...]
) -> Written:
    spread: list[float] = []
    for index, token in enumerate(answer.tolist()):
        probability = float(logits[index][0].float().softmax(-1)[token])
        if math.isnan(probability):
            raise ModelFault("the language model returned NaN")
        written = len(tokenizer.decode(answer[: index + 1]))
        spread += [probability] * (written - len(spread))
    return Written(tokenizer.decode(answer), tuple(spread))


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
    parts = _SECTION.split(written.text)  # ["", "FINDINGS", text, "IMPRESSION", text]
    if parts[1::2] != ["FINDINGS", "IMPRESSION"] or not all(part.strip() for part in parts[2::2]):
        raise ModelFault("the text lacks a section")
    found: list[SentenceReading] = []
    probabilities = {finding.name: finding.probability for finding in findings}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        section: Section = "findings" if name == "FINDINGS" else "impression"
        offset = written.text.index(text)
        for match in re.finditer(r"[^.!?]+[.!?]+", text):
            token_share = _mean_probability(
                written.probabilities, offset + match.start(), offset + match.end()
            )
            found.append(_sentence(section, match.group().strip(), token_share, probabilities))
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
