"""What the understanding side tells the language model: the facts of the finding-conditioned prompt.

The same words are used in training (from known facts) and in reading (from decisions and attention maps).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

Side = Literal["", "left", "right", "bilateral"]
Zone = Literal["", "upper", "mid", "lower"]
Count = Literal["", "single", "multiple"]

SIDED = frozenset(
    {
        "Lung Opacity",
        "Lung Lesion",
        "Consolidation",
        "Pneumonia",
        "Atelectasis",
        "Pneumothorax",
        "Pleural Effusion",
        "Pleural Other",
        "Fracture",
    }
)
ZONED = frozenset({"Lung Opacity", "Lung Lesion", "Consolidation", "Pneumonia"})

BILATERAL_SHARE = 0.3
PEAK_LEVEL = 0.5
MASK_POWER, MAP_POWER = 2.0, 16.0


@dataclass(frozen=True)
class ExpertFact:
    """One finding that the text shall speak of, with where it is as far as that is known."""

    finding: str
    certain: bool = True
    side: Side = ""
    zone: Zone = ""
    count: Count = ""


@dataclass(frozen=True)
class ExpertPlan:
    """All that the prompt says about one image.

    Attributes
    ----------
    facts
        Findings to state (certain) or to raise (uncertain).
    absent
        Findings the text may deny. A finding that is neither here nor in ``facts`` is not spoken of.
    normal
        Whether the whole film may be called normal.
    prior
        Whether an earlier film is at hand; without it no comparison may be written.
    untold
        Findings that are absent too, beyond those that the prompt lists: a text that denies one is right.
    """

    facts: tuple[ExpertFact, ...]
    absent: tuple[str, ...] = ()
    normal: bool = False
    prior: bool = False
    untold: tuple[str, ...] = ()


def write_prompt(plan: ExpertPlan) -> str:
    """Write the plan as the text of the user's turn."""
    lines = [
        f"Expert analysis. {list_facts('Present', plan.facts, certain=True)}",
        list_facts("Uncertain", plan.facts, certain=False),
        f"Absent: {', '.join(plan.absent) or 'none'}.",
        f"Film: {'normal' if plan.normal else 'not cleared'}.",
        f"Prior: {'available' if plan.prior else 'none'}.",
        "Write findings and impression.",
    ]
    return "\n".join(lines)


def list_facts(heading: str, facts: tuple[ExpertFact, ...], *, certain: bool) -> str:
    """Write the line of a prompt that names the certain, or the uncertain, of some facts."""
    named = "; ".join(_phrase(fact) for fact in facts if fact.certain == certain)
    return f"{heading}: {named or 'none'}."


def _phrase(fact: ExpertFact) -> str:
    return " ".join(part for part in (fact.finding, fact.side, fact.zone, fact.count) if part)


def describe_map(finding: str, attention: np.ndarray) -> ExpertFact:
    """Put the map of a finding into words, by its hottest patches.

    Notes
    -----
    A map is wide, and its faint parts lie on both sides. With the power 16 the side was right for 76 of 100
    lesions of one side, and 35 of 46 on both sides were called so (240 calibration films); with 2 it was 45
    and 44 of 46, with 32 78 and 31.
    """
    return describe_location(finding, attention, MAP_POWER)


def describe_location(finding: str, attention: np.ndarray, power: float = MASK_POWER) -> ExpertFact:
    """Put a mask or a map into words.

    Parameters
    ----------
    finding
        Its kind decides which words make sense (a heart has no side).
    attention
        (h, w) float32 in [0, 1] on the patch grid. The left of the image is the patient's right.
    power
        To which the values are raised before they are weighed.

    Returns
    -------
    ExpertFact
        Certain; side, zone and count where they apply.
    """
    if finding not in SIDED:
        return ExpertFact(finding)
    mass = attention.astype(np.float64) ** power
    total = float(mass.sum())
    if total <= 0:
        return ExpertFact(finding)
    half = attention.shape[1] // 2
    left_share = float(mass[:, -half:].sum()) / total
    side: Side = (
        "left"
        if left_share > 1 - BILATERAL_SHARE
        else "right"
        if left_share < BILATERAL_SHARE
        else "bilateral"
    )
    zone: Zone = _zone(mass) if finding in ZONED and side != "bilateral" else ""
    count: Count = ""
    if finding == "Lung Lesion":
        count = "multiple" if count_peaks(attention) > 1 else "single"
    return ExpertFact(finding, True, side, zone, count)


def _zone(mass: np.ndarray) -> Zone:
    rows = np.arange(mass.shape[0]) + 0.5
    centre = float((mass.sum(axis=1) * rows).sum() / mass.sum()) / mass.shape[0]
    return "upper" if centre < 0.38 else "mid" if centre < 0.58 else "lower"


def count_peaks(attention: np.ndarray) -> int:
    """Count separate groups of patches above half of the maximum (8-neighbourhood)."""
    hot = attention >= PEAK_LEVEL * float(attention.max())
    seen = np.zeros_like(hot)
    groups = 0
    for start in zip(*np.nonzero(hot), strict=True):
        if seen[start]:
            continue
        groups += 1
        _flood(hot, seen, [(int(start[0]), int(start[1]))])
    return groups


def _flood(hot: np.ndarray, seen: np.ndarray, stack: list[tuple[int, int]]) -> None:
    while stack:
        row, column = stack.pop()
        if (
            not (0 <= row < hot.shape[0] and 0 <= column < hot.shape[1])
            or seen[row, column]
            or not hot[row, column]
        ):
            continue
        seen[row, column] = True
        stack.extend((row + dr, column + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1))


def order_findings(names: Iterable[str]) -> tuple[str, ...]:
    """Sort finding names into the published order of the fourteen."""
    from janus_med.reading import FINDINGS

    return tuple(sorted(names, key=FINDINGS.index))
