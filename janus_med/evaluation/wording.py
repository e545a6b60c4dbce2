"""How well the language model words an answer that was decided."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.answer_check import check_answer
from janus_med.answering import write_question_prompt
from janus_med.errors import ModelFault
from janus_med.evaluation.bootstrap import proportion
from janus_med.proposals import propose_texts
from janus_med.questions import parse_question
from janus_med.training.questions import question_turn, random_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast

    from janus_med.answering import AnswerPlan
    from janus_med.evaluation.bootstrap import Figure
    from janus_med.model import MedicalJanus

WORDED = 60
"""Phrasings kept back, or questions, that the language model is asked to word."""


@torch.no_grad()
def worded_figures(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    count: int,
    rng: np.random.Generator,
) -> dict[str, Figure]:
    """Let the language model answer phrasings that no training saw.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    seed
        Of questions and facts.
    count
        How many.
    rng
        Of the bootstrap.

    Returns
    -------
    dict
        How often the parse is right, the first proposal and any proposal say the plan; of the closed
        questions, how often the written reply is right, beside always "no" and the most frequent reply.
    """
    words = Random(seed)  # noqa: S311 - wording, not secrets
    turns = [question_turn(random_evidence(words), words, "unseen") for _ in range(count)]
    writer = _Writer(model, tokenizer)
    texts = [writer.propose(turn.plan, turn.asked) for turn in turns]
    closed = [index for index, turn in enumerate(turns) if turn.plan.reply]
    truth = np.array([turns[index].plan.reply for index in closed])
    written = np.array([_reply(texts[index][-1]) for index in closed])
    frequent = Counter(truth.tolist()).most_common(1)[0][0]
    rows = {
        "understood": [parse_question(turn.asked) == turn.plan.question for turn in turns],
        "first proposal says the facts": [
            _says(text[0], turn.plan) for text, turn in zip(texts, turns, strict=True)
        ],
        "answer says the facts": [
            _says(text[-1], turn.plan) for text, turn in zip(texts, turns, strict=True)
        ],
        "closed: right reply": written == truth,
        "closed: always no": truth == "no",
        "closed: most frequent reply": truth == frequent,
    }
    return {name: proportion(np.array(hits), rng) for name, hits in rows.items()}


class _Writer:
    """Words plans in front of a blank image: what is seen is in the plan."""

    def __init__(self, model: MedicalJanus, tokenizer: PreTrainedTokenizerFast) -> None:
        blank = torch.zeros(1, 3, model.preset.image_size, model.preset.image_size)
        self._images = model.image_embeddings(model.perceive(blank.to(model.janus.device)).cross)
        self._model, self._tokenizer = model, tokenizer

    def propose(self, plan: AnswerPlan, asked: str) -> list[str]:
        """The proposals up to the first that says the plan; the last one is the answer."""
        texts = []
        prompt = write_question_prompt(plan, asked)
        for text in propose_texts(self._model, self._tokenizer, prompt, self._images):
            texts.append(text)
            if _says(text, plan):
                break
        return texts or [""]


def _says(text: str, plan: AnswerPlan) -> bool:
    try:
        check_answer(text, plan)
    except ModelFault:
        return False
    return True


@torch.no_grad()
def worded_share(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    asked: Sequence[tuple[str, AnswerPlan]],
    rng: np.random.Generator,
) -> Figure:
    """Return how often the language model words the answers to (question, plan) as they were decided."""
    writer = _Writer(model, tokenizer)
    chosen = [asked[index] for index in rng.permutation(len(asked))[:WORDED]]
    hits = [_says(writer.propose(plan, question)[-1], plan) for question, plan in chosen]
    return proportion(np.array(hits), rng)


def _reply(text: str) -> str:
    lead = re.match(r"(yes|no),", text, re.IGNORECASE)
    if lead:
        return lead.group(1).lower()
    return "undecided" if re.search(r"cannot be decided|not told apart", text) else ""
