"""The quality board: how AI text fares with its readers, by model version, and an alert when that changes.

There is no figure of one reader for another: whoever reads sees their own, nobody sees a colleague's.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TextIO

from app.domain.access import Action, Actor
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent, AuditFact
from app.domain.quality import ModelQuality, Tally, judge_models
from app.domain.quality_band import DayShare, drift
from app.domain.section_times import SectionBoard, SectionMedians, sum_sections
from app.services.alerts import clear_alert, raise_alert
from app.services.permission import permit
from app.store.engine import Store

BOARD_DAYS = 180
"""Days that the alert looks at."""

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_Row = tuple[str | int | float, ...]
_COLUMNS = (
    "model", "by", "name", "sentences", "accepted", "edited", "refused", "discordant", "discordant_low",
    "discordant_high", "changed_share", "changed_words", "reports_timed", "seconds_median", "seconds_p90",
    "edits_median",
)  # fmt: skip


def quality_board(
    store: Store, actor: Actor, *, days: int | None = BOARD_DAYS, now: datetime
) -> tuple[ModelQuality, ...]:
    """Return every model version whose text was signed in the last days, by name.

    Parameters
    ----------
    days
        None: from the beginning.

    Raises
    ------
    NotAuthorised
        If the role may not look at it.
    """
    permit(store, actor, Action.VIEW_QUALITY, now=now)
    return _judge(store, days, now)


def own_quality(
    store: Store, actor: Actor, *, days: int | None = BOARD_DAYS, now: datetime
) -> tuple[ModelQuality, ...]:
    """Return the same of what the actor alone has made final; nobody can ask for another reader.

    Raises
    ------
    NotAuthorised
        If the role may not sign.
    """
    permit(store, actor, Action.SIGN_FINAL, now=now)
    return _judge(store, days, now, signer=actor.username)


def watched_days(store: Store, actor: Actor, *, now: datetime) -> Mapping[str, tuple[DayShare, ...]]:
    """Return the days that the alert looks at, by model version."""
    permit(store, actor, Action.VIEW_QUALITY, now=now)
    return {quality.model: quality.days for quality in _judge(store, BOARD_DAYS, now)}


def section_times(
    store: Store, actor: Actor, *, days: int | None = BOARD_DAYS, now: datetime
) -> SectionBoard:
    """Return what the sections of reports took in the last days, signed or not; no line is one reader's.

    Raises
    ------
    NotAuthorised
        If the role may not look at it.
    """
    permit(store, actor, Action.VIEW_QUALITY, now=now)
    return _sum_sections(store, days, now)


def export_quality(store: Store, actor: Actor, *, days: int | None, out: TextIO, now: datetime) -> int:
    """Write the board as CSV (RFC 4180) and record that it was taken away; return how many lines.

    Raises
    ------
    NotAuthorised
        If the role may not look at it.
    """
    permit(store, actor, Action.VIEW_QUALITY, now=now)
    sections = _sum_sections(store, days, now)
    rows = [row for one in _judge(store, days, now) for row in _rows(one)]
    rows += [_section_row(line) for line in sections.lines]
    if sections.left_out:
        rows.append(("", "sections left out", str(sections.left_out), *[""] * 13))
    with store.begin() as tx:
        detail = {"lines": len(rows), "days": days}
        tx.audit.append(AuditFact(event=AuditEvent.QUALITY_EXPORTED, actor=actor, at=now, detail=detail))
    lines = csv.writer(out)
    lines.writerow(_COLUMNS)
    lines.writerows(rows)
    return len(rows)


def watch_discordance(store: Store, *, now: datetime) -> tuple[str, ...]:
    """Raise an alert for each model version whose discordance has left its band, clear the others.

    Returns
    -------
    tuple of str
        The models that are outside.
    """
    outside = []
    for quality in _judge(store, BOARD_DAYS, now):
        reason = drift(quality.days)
        with store.begin() as tx:
            if reason:
                raise_alert(tx, AlertKind.DISCORDANCE, quality.model, reason, now=now)
                outside.append(quality.model)
            else:
                clear_alert(tx, AlertKind.DISCORDANCE, quality.model, now=now)
    return tuple(outside)


def _sum_sections(store: Store, days: int | None, now: datetime) -> SectionBoard:
    since = _BEGINNING if days is None else now - timedelta(days=days)
    with store.begin() as tx:
        return sum_sections(tx.reading_times.by_section(since, now))


def _judge(
    store: Store, days: int | None, now: datetime, *, signer: str | None = None
) -> tuple[ModelQuality, ...]:
    since = None if days is None else now - timedelta(days=days)
    with store.begin() as tx:
        return judge_models(tx.quality.signed(since=since, until=now, signer=signer))


def _rows(one: ModelQuality) -> Iterator[_Row]:
    """Give the lines of a model: all of it, by finding, by modality, by day, and the times of each month."""
    times: _Row = (0, "", "") if one.times is None else (one.times.reports, one.times.median, one.times.p90)
    model = _cell(one.model)
    yield (model, "all", "", *_counts(one.total), *times, "")
    for by, tallies in (("finding", one.findings), ("modality", one.modalities)):
        for name, counts in tallies.items():
            yield (model, by, _cell(name), *_counts(counts), "", "", "", "")
    for day in one.days:
        yield (model, "day", day.day.isoformat(), day.sentences, "", "", "", day.discordant, *[""] * 8)
    for month, taken in one.months.items():
        yield (model, "month", f"{month:%Y-%m}", *[""] * 9, taken.reports, taken.median, taken.p90, "")


def _section_row(line: SectionMedians) -> _Row:
    name, seconds = line.section.value, round(line.seconds, 1)
    return (_cell(line.model), "section", name, *[""] * 9, line.reports, seconds, "", line.edits)


def _counts(counts: Tally) -> _Row:
    low, high = counts.discordance_interval
    return (
        counts.sentences,
        counts.accepted,
        counts.edited,
        counts.rejected,
        counts.discordant,
        round(low, 4),
        round(high, 4),
        round(counts.changed, 4),
        round(counts.words, 2),
    )


def _cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
