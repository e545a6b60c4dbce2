"""What a part of the evaluation hands over: text with tables, figures by name, the bars it was held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janus_med.evaluation.bootstrap import Estimate, Figure


@dataclass(frozen=True)
class Bar:
    """A figure and what was asked of it, fixed before it was measured.

    Attributes
    ----------
    name
        What is measured, on what.
    figure
        Value and interval.
    least, most
        The bounds; None where there is none.
    baselines
        The rivals' figures by name, as text.
    strict
        Whether the bound itself misses.
    """

    name: str
    figure: Figure
    least: float | None = None
    most: float | None = None
    baselines: str = "-"
    strict: bool = False

    @property
    def asked(self) -> str:
        """The bounds in words."""
        sign = ("> ", "< ") if self.strict else (">= ", "<= ")
        bounds = [
            f"{mark}{bound:g}"
            for mark, bound in zip(sign, (self.least, self.most), strict=True)
            if bound is not None
        ]
        return " and ".join(bounds)

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or ``not measured``, and whether the interval leaves it open."""
        if np.isnan(self.figure.value):
            return "not measured"
        met = self._holds(self.figure.value)
        ends = [end for end in (self.figure.low, self.figure.high) if not np.isnan(end)]
        certain = all(self._holds(end) == met for end in ends)
        return ("met" if met else "missed") + ("" if certain else ", interval crosses the bar")

    def _holds(self, value: float) -> bool:
        if self.strict:
            return (self.least is None or value > self.least) and (self.most is None or value < self.most)
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def beside(rivals: Mapping[str, Estimate | float]) -> str:
    """Write the figures of the rivals for `Bar.baselines`."""
    shown = {name: one if isinstance(one, (int, float)) else one.value for name, one in rivals.items()}
    return "; ".join(f"{name} {value:.3f}".removesuffix(".000") for name, value in shown.items())


@dataclass(frozen=True, eq=False)
class Section:
    """One chapter of the document; ``figures`` nests `Figure` objects in dictionaries and goes into the
    JSON file, ``summary`` is the one table that the model card shows of it, empty for none.
    """

    key: str
    title: str
    text: str
    figures: dict[str, Any]
    bars: tuple[Bar, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class Effort:
    """How many images each part looks at.

    Attributes
    ----------
    inserted
        Films with or without inserted lesions, for each brush.
    levels
        Calibration films on which the level of the overlays is chosen.
    decoys
        Films free of findings, with decoys.
    drafts
        Texts written.
    pairs
        Films with and without the same lesion.
    deleted
        Films whose patches are deleted step by step.
    maps
        Films for the weight randomisation and the decoder's attention, per brush.
    rival
        Training films with inserted lesions for the HOG baseline.
    mixture
        Films of the calibration mixture.
    scope
        Films of each kind that the frontal check judges.
    reports
        Human reports that drafts of the same facts are compared with.
    """

    inserted: int = 450
    levels: int = 162
    decoys: int = 200
    drafts: int = 150
    pairs: int = 162
    deleted: int = 54
    maps: int = 100
    rival: int = 450
    mixture: int = 450
    scope: int = 300
    reports: int = 300


QUICK = Effort(
    inserted=36,
    levels=18,
    decoys=8,
    drafts=4,
    pairs=9,
    deleted=6,
    maps=9,
    rival=27,
    mixture=32,
    scope=16,
    reports=4,
)
"""For a test of the evaluation itself: intervals are meaningless."""
