"""The difference between the model's draft and a report, for whoever has the study open."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.difference import Difference, difference_of
from app.domain.errors import NotAuthorised
from app.services.permission import permit, record_denial
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store


def read_difference(store: Store, actor: Actor, report_id: int, *, now: datetime) -> Difference:
    """Return what became of the draft of a report, signed or not.

    Raises
    ------
    NotAuthorised, NotFound
        If the reader may not open it, or never did, or there is no such report.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        report = tx.reports.get(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        was_opened, _ = tx.reports.last_opened(actor.username, report.study_uid)
        if was_opened:
            signed = tx.reports.amendments.signed_text(report_id) if report.is_final else None
            in_force = None if signed is None or signed.correction is None else signed.sections
            return difference_of(report.sentences, in_force)
    record_denial(
        store,
        actor,
        "see the difference of a report that was not opened",
        now=now,
        study_uid=report.study_uid,
    )
    raise NotAuthorised("open the study first")
