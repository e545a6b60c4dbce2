"""Seconds and edits of readers, by report and section: added to, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.reading_time import SectionEffort, SectionTime
from app.domain.report import Section
from app.store.tables import ReportRow
from app.store.tables_templates import ReadingTimeRow


class ReadingTimes:
    """Reading times as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, report_id: int, user_id: int, times: Sequence[SectionTime], *, now: datetime) -> None:
        """Add what a reader spent at the sections of a report."""
        self._session.add_all(
            ReadingTimeRow(
                report_id=report_id,
                user_id=user_id,
                section=time.section.value,
                seconds=time.seconds,
                edits=time.edits,
                at=now,
            )
            for time in times
        )
        self._session.flush()

    def by_section(self, since: datetime, until: datetime) -> tuple[SectionEffort, ...]:
        """Return what each report took at each section in a span of time; readers as numbers, to be counted.

        Reports in the order of their numbers, sections in reading order. `SectionEffort.ai_model` is empty
        for a report that was written by hand.
        """
        own = ReadingTimeRow
        summed = (
            select(
                ReportRow.id,
                ReportRow.ai_model,
                own.section,
                func.sum(own.seconds),
                func.sum(own.edits),
                func.array_agg(own.user_id.distinct()),
            )
            .join(own, own.report_id == ReportRow.id)
            .where(own.at >= since, own.at < until)
            .group_by(ReportRow.id, ReportRow.ai_model, own.section)
        )
        order = {section.value: number for number, section in enumerate(Section)}
        rows = sorted(self._session.execute(summed).all(), key=lambda row: (row[0], order[row[2]]))
        return tuple(
            SectionEffort(report_id, model, Section(section), float(seconds), int(edits), frozenset(readers))
            for report_id, model, section, seconds, edits, readers in rows
        )
