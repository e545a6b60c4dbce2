"""What sections of reports take, by model: medians over reports, without readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from app.domain.reading_time import SectionEffort
from app.domain.report import Section

FEWEST_REPORTS = 5
"""Fewer reports make no line: it would tell how one of them was read."""


@dataclass(frozen=True)
class SectionMedians:
    """One section of the reports of one model.

    Attributes
    ----------
    model
        Empty for reports without a draft.
    reports
        How many had a reader at this section.
    seconds, edits
        Medians over these reports, each with all of its readers together.
    """

    model: str
    section: Section
    reports: int
    seconds: float
    edits: float


def sum_sections(efforts: Iterable[SectionEffort]) -> tuple[SectionMedians, ...]:
    """Return the medians by model, and by section in reading order; groups of few reports are left out."""
    groups: dict[tuple[str, Section], list[SectionEffort]] = {}
    for effort in efforts:
        groups.setdefault((effort.ai_model, effort.section), []).append(effort)
    order = {section: number for number, section in enumerate(Section)}
    ordered = sorted(groups.items(), key=lambda group: (group[0][0], order[group[0][1]]))
    return tuple(
        SectionMedians(
            model, section, len(own), median(one.seconds for one in own), median(one.edits for one in own)
        )
        for (model, section), own in ordered
        if len(own) >= FEWEST_REPORTS
    )
