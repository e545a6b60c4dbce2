"""The next case: what a reader would take from the top of the worklist, without looking at the worklist."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Action, Actor, may
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.worklist import WorklistQuery, WorklistRow
from app.services.permission import permit
from app.services.reading import refresh_worklist
from app.store.engine import Store

_LOOK_AT = 100


def next_case(store: Store, actor: Actor, *, after: str = "", now: datetime) -> str | None:
    """Return the study to read next: the most urgent that the actor may open, unsigned and in no other hands.

    What a resident has signed waits for an attending, not for a resident.

    Parameters
    ----------
    after
        The study that is on the screen; it is not its own next one.

    Returns
    -------
    str or None
        The StudyInstanceUID; None when nothing is left.

    Raises
    ------
    NotAuthorised
        If the role may not open studies.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    waiting = {ReportState.DRAFTED, ReportState.IN_REVIEW}
    if may(actor.role, Action.SIGN_FINAL):
        waiting.add(ReportState.PRELIMINARY)
    query = WorklistQuery(
        states=(StudyState.DRAFTED, StudyState.UNDRAFTED),
        report_states=tuple(sorted(waiting)),
        limit=_LOOK_AT,
    )
    rows = refresh_worklist(store, actor, query, now=now).rows
    return next((row.study.study_uid for row in rows if _is_free(row, actor, after, now)), None)


def _is_free(row: WorklistRow, actor: Actor, after: str, now: datetime) -> bool:
    is_held = row.locked_until is not None and row.locked_until > now
    return row.study.study_uid != after and (not is_held or row.lock_owner == actor.printed_name)
