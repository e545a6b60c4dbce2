"""How far a compressed model still says what the whole one says: facts of drafts, findings, and the time."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import torch

from janus_med.errors import ModelFault
from janus_med.facts import label_report
from janus_med.plain_generate import generate_plainly
from janus_med.planning import plan_report
from janus_med.speed import interleave, medians_ms, paired_ratio
from janus_med.text_decoder import TextDecoder
from janus_med.training.corpus import random_plan
from janus_med.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from janus_med.engine import JanusMed
    from janus_med.expert import ExpertPlan
    from janus_med.reading import Reading

TOKENS = 48
"""Of a timed answer: about a report of three findings."""

NO_END = -1
"""A token id that no answer contains."""

Facts = dict[str, str]
"""Polarity by finding."""


@dataclass
class FactCount:
    """Agreement of (finding, polarity) pairs, summed over drafts."""

    hits: int = 0
    meant: int = 0
    said: int = 0
    faults: int = 0

    def add(self, meant: Facts, said: Facts | None) -> None:
        """Count one draft; None for one that was not written."""
        self.faults += said is None
        self.meant += len(meant)
        self.said += len(said or {})
        self.hits += len(meant.items() & (said or {}).items())

    @property
    def f1(self) -> float:
        """Micro-averaged F1; 1 when nothing was meant and nothing said."""
        return 2 * self.hits / (self.meant + self.said) if self.meant + self.said else 1.0


@dataclass
class Agreement:
    """What was counted over films and random plans, whole and compressed."""

    own: dict[str, FactCount] = field(
        default_factory=lambda: {"whole": FactCount(), "compressed": FactCount()}
    )
    plans: dict[str, FactCount] = field(
        default_factory=lambda: {"whole": FactCount(), "compressed": FactCount()}
    )
    cross: FactCount = field(default_factory=FactCount)
    texts: list[bool] = field(default_factory=list)


def measure_agreement(
    whole: JanusMed, compressed: JanusMed, pixels: Sequence[Tensor], plans: int = 100
) -> dict[str, Any]:
    """Compare two models on films and on random plans.

    Parameters
    ----------
    whole, compressed
        Loaded engines of one image size.
    pixels
        (1, 3, S, S) films.
    plans
        Random plans, written with the image tokens of the films in turn: this measures the language model
        alone.

    Returns
    -------
    dict
        Fact-F1 of each model's drafts against its own plan, of the compressed drafts against the whole
        model's plan, of both on the random plans; differences of the finding logits; equal decisions,
        opposite ones (present for absent or the reverse), equal texts.
    """
    result = Agreement()
    for film in pixels:
        _compare(result, whole, compressed, film)
    for name, engine in (("whole", whole), ("compressed", compressed)):
        _write_plans(result.plans[name], engine, pixels, plans)
    logits = [torch.cat([_logits(engine, film) for film in pixels]) for engine in (whole, compressed)]
    gap = (logits[0] - logits[1]).abs()
    return {
        "films": len(pixels),
        "fact_f1": {
            "whole, own plan": _shown(result.own["whole"]),
            "compressed, own plan": _shown(result.own["compressed"]),
            "compressed, plan of whole": _shown(result.cross),
            "whole, random plans": _shown(result.plans["whole"]),
            "compressed, random plans": _shown(result.plans["compressed"]),
        },
        "finding_logits": {
            "mean_difference": round(float(gap.mean()), 4),
            "largest_difference": round(float(gap.max()), 4),
            "deviation_of_whole": round(float(logits[0].std(dim=0, correction=0).mean()), 4),
        },
        "decisions": _compare_decisions(whole, compressed, logits),
        "texts": {"compared": len(result.texts), "equal": sum(result.texts)},
    }


def measure_latency(
    whole: JanusMed, compressed: JanusMed, pixels: Sequence[Tensor], rounds: int = 20
) -> dict[str, Any]:
    """Time the same work of both models, film by film in turn: encoder, a fixed plan's prompt, TOKENS tokens.

    `JanusMed.read` itself would compare texts of different lengths, since each model writes its own plan.
    Beside them stands the whole model with Hugging Face's ``generate``.
    """
    works = {"whole": _Work(whole, pixels), "compressed": _Work(compressed, pixels)}
    sides = {name: work.run for name, work in works.items()} | {"whole, generate": works["whole"].run_plainly}
    times = interleave(sides, rounds)
    seen = interleave({name: work.encode for name, work in works.items()}, rounds)
    return {
        "rounds": rounds,
        "tokens": TOKENS,
        "median_ms": medians_ms(times),
        "compressed / whole": paired_ratio(times, "compressed", "whole"),
        "compressed / whole with generate": paired_ratio(times, "compressed", "whole, generate"),
        "encoder, compressed / whole": paired_ratio(seen, "compressed", "whole"),
        "load_average": os.getloadavg()[0],
    }


class _Work:
    """One reading's work with a fixed plan and a fixed number of tokens."""

    def __init__(self, engine: JanusMed, pixels: Sequence[Tensor]) -> None:
        self._engine, self._pixels = engine, pixels
        self._plan = random_plan(Random(0))  # noqa: S311 - wording, not secrets
        self._decoder = TextDecoder(engine.model)
        self._writer = Writer(engine.model, engine.tokenizer, self._decoder)

    def encode(self, round_: int) -> Tensor:
        return _image(self._engine, self._pixels[round_ % len(self._pixels)])

    def run(self, round_: int) -> None:
        prompt = self._writer.prompt(self._plan, self.encode(round_)[0])
        self._decoder.decode([prompt], NO_END, TOKENS)

    def run_plainly(self, round_: int) -> None:
        model, tokenizer = self._engine.model, self._engine.tokenizer
        image = self.encode(round_)[0]
        generate_plainly(model, tokenizer, self._plan, image, TOKENS, min_new_tokens=TOKENS)


def _compare(result: Agreement, whole: JanusMed, compressed: JanusMed, film: Tensor) -> None:
    first, second = _read(whole, film), _read(compressed, film)
    for name, reading in (("whole", first), ("compressed", second)):
        if reading is not None:
            result.own[name].add(_meant(plan_report(reading.findings)), _said(reading))
        else:
            result.own[name].faults += 1
    if first is None:
        return
    result.cross.add(_meant(plan_report(first.findings)), None if second is None else _said(second))
    if second is not None:
        result.texts.append(_text(first) == _text(second))


def _compare_decisions(whole: JanusMed, compressed: JanusMed, logits: list[Tensor]) -> dict[str, int]:
    """Count decisions of both models on (M, K) logits each."""
    first, second = (
        [
            decision
            for row in engine.model.calibration.probabilities(rows)
            for decision in engine.model.calibration.decide(row)
        ]
        for engine, rows in zip((whole, compressed), logits, strict=True)
    )
    pairs = list(zip(first, second, strict=True))
    return {
        "compared": len(pairs),
        "equal": sum(a == b for a, b in pairs),
        "opposite": sum({a, b} == {"present", "absent"} for a, b in pairs),
    }


def _write_plans(count: FactCount, engine: JanusMed, pixels: Sequence[Tensor], plans: int) -> None:
    writer = Writer(engine.model, engine.tokenizer)
    for number in range(plans):
        plan = random_plan(Random(number))  # noqa: S311 - wording, not secrets
        written = writer.write([plan], _image(engine, pixels[number % len(pixels)]))[0]
        count.add(_meant(plan), None if isinstance(written, ModelFault) else _label(written.text))


@torch.no_grad()
def _image(engine: JanusMed, film: Tensor) -> Tensor:
    cross = engine.model.perceive(film).cross
    tokens: Tensor = engine.model.image_embeddings(cross)["image"].pooler_output
    return tokens


@torch.no_grad()
def _logits(engine: JanusMed, film: Tensor) -> Tensor:
    return engine.model.perceive(film).understanding.logits


def _read(engine: JanusMed, film: Tensor) -> Reading | None:
    try:
        return engine.read(film)
    except ModelFault:
        return None


def _meant(plan: ExpertPlan) -> Facts:
    stated = {fact.finding: "positive" if fact.certain else "uncertain" for fact in plan.facts}
    return stated | dict.fromkeys(plan.absent, "negative")


def _said(reading: Reading) -> Facts:
    return _label(_text(reading))


def _text(reading: Reading) -> str:
    return " ".join(sentence.text for sentence in reading.sentences)


def _label(text: str) -> Facts:
    return {name: fact.polarity for name, fact in label_report(text).items() if name != "No Finding"}


def _shown(count: FactCount) -> dict[str, Any]:
    return {"f1": round(count.f1, 4), "facts": count.meant, "faults": count.faults}
