"""What sections of reports take, by model: medians over reports; no line names or shows one reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from app.domain.reading_time import SectionEffort
from app.domain.report import Section

FEWEST_REPORTS = 5
"""Fewer reports make no line: it would tell how one of them was read."""

FEWEST_READERS = 3
"""Fewer readers make no line: each of two could work out the other's."""

MOST_OF_ONE = 0.5
"""A reader with a larger share of the reports makes no line: the median would be theirs."""


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


@dataclass(frozen=True)
class SectionBoard:
    """The lines that can be shown.

    Attributes
    ----------
    left_out
        How many groups (a section of a model) would tell of one report or one reader.
    """

    lines: tuple[SectionMedians, ...] = ()
    left_out: int = 0


def sum_sections(efforts: Iterable[SectionEffort]) -> SectionBoard:
    """Return the medians by model, and by section in reading order."""
    groups: dict[tuple[str, Section], list[SectionEffort]] = {}
    for effort in efforts:
        groups.setdefault((effort.ai_model, effort.section), []).append(effort)
    order = {section: number for number, section in enumerate(Section)}
    ordered = sorted(groups.items(), key=lambda group: (group[0][0], order[group[0][1]]))
    lines = tuple(
        SectionMedians(
            model, section, len(own), median(one.seconds for one in own), median(one.edits for one in own)
        )
        for (model, section), own in ordered
        if _tells_of_nobody(own)
    )
    return SectionBoard(lines, len(groups) - len(lines))


def _tells_of_nobody(efforts: Sequence[SectionEffort]) -> bool:
    shares = Counter(reader for effort in efforts for reader in effort.readers)
    return (
        len(efforts) >= FEWEST_REPORTS
        and len(shares) >= FEWEST_READERS
        and max(shares.values()) <= MOST_OF_ONE * len(efforts)
    )
