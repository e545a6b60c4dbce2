"""Seconds and edits per section, as a reader's browser tells them: kept beside the report, not audited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.reading_time import read_times
from app.services.permission import permit
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store


def add_times(
    store: Store, actor: Actor, report_id: int, told: Mapping[str, object], *, now: datetime
) -> None:
    """Add what a reader spent at the sections of a report that they have opened.

    Raises
    ------
    NotAuthorised, NotFound
    Rejected
        If it is not what a reader can have spent; nothing was kept.
    """
    permit(store, actor, Action.EDIT_REPORT, now=now)
    times = read_times(told)
    with begin_on_study(store, actor, Action.EDIT_REPORT, now=now) as tx:
        report = tx.reports.get(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        if actor.user_id is not None and tx.reports.was_opened(actor.username, report):
            tx.reading_times.add(report_id, actor.user_id, times, now=now)
