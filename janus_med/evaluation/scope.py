"""What the frontal check leaves undrafted: adults' films (wrongly), children's films, other pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.bootstrap import Figure, proportion
from janus_med.evaluation.sections import Section
from janus_med.evaluation.tables import figures_table
from janus_med.training.data import OUT_OF_POPULATION
from janus_med.training.nonchest import KINDS, draw_other
from janus_med.training.samples import to_pixels

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam
    from janus_med.model import MedicalJanus
    from janus_med.training.data import Case

STEP = 32

_TEXT = """The frontal check leaves an image undrafted; its threshold lets through all but 2 % of
calibration films. Children are outside the intended use, but the check was not taught to tell them: what is
refused of them is chance, not a safeguard. Other pictures are drawn ({kinds}); no real film of another body
part was at hand. The counts in brackets are refusals. A check that lets everything through refuses 0.
"""


def examine_scope(exam: Exam) -> Section:
    """Count refusals of validation films, adults and children apart, and of drawn other pictures."""
    rng = exam.rng("scope")
    threshold = float(exam.model.calibration.frontal_threshold[0])
    groups = {"adult films refused": _is_adult, "children's films refused": _is_child}
    figures: dict[str, Figure] = {}
    adults: list[np.ndarray] = []
    for name, chosen in groups.items():
        indices = np.array(exam.store.indices(chosen), dtype=int)
        picked = rng.permutation(indices)[: exam.effort.scope]
        films = [exam.store.grey(int(index)) for index in picked]
        adults = adults or films
        if films:
            figures[name] = proportion(frontal_logits(exam.model, films) < threshold, rng)
    others = [draw_other(adults[int(rng.integers(len(adults)))], rng) for _ in range(exam.effort.scope)]
    figures["drawn other pictures refused"] = proportion(frontal_logits(exam.model, others) < threshold, rng)
    table = figures_table({"share (refusals)": figures})
    counts = ", ".join(f"{one.count} {name.removesuffix(' refused')}" for name, one in figures.items())
    text = "\n\n".join([_TEXT.format(kinds=", ".join(sorted(set(KINDS)))), table, f"Films: {counts}."])
    return Section("scope", "Scope: what is left undrafted", text, {"scope": figures}, (), table)


def _is_adult(case: Case) -> bool:
    return case.part == "val" and case.source not in OUT_OF_POPULATION


def _is_child(case: Case) -> bool:
    return case.part == "val" and case.source in OUT_OF_POPULATION


@torch.no_grad()
def frontal_logits(model: MedicalJanus, films: list[np.ndarray]) -> np.ndarray:
    """Return the frontal logits (M,) of (S, S) films."""
    parts = [to_pixels(np.stack(films[start : start + STEP])) for start in range(0, len(films), STEP)]
    return np.concatenate([model.perceive(pixels).understanding.frontal.numpy() for pixels in parts])
