"""The gate in front of a single study: every act that shows or changes one passes it, in its transaction.

Access can be withdrawn and an emergency access ends by itself, so it is asked at each act, not once at
opening.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.emergency import EmergencyAccess
from app.domain.errors import StudyRestricted
from app.domain.study_access import reader_of
from app.services.permission import record_denial
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


@contextmanager
def begin_on_study(store: Store, actor: Actor, action: Action, *, now: datetime) -> Iterator[UnitOfWork]:
    """Begin the transaction of an act on a study.

    Raises
    ------
    StudyRestricted
        When `require_access` in it says so; the attempt stands in the audit log, committed on its own.
    """
    try:
        with store.begin() as tx:
            yield tx
    except StudyRestricted as refusal:
        record_denial(store, actor, action.value, now=now, study_uid=refusal.study_uid)
        raise


def require_access(tx: UnitOfWork, actor: Actor, study_uid: str, *, now: datetime) -> EmergencyAccess | None:
    """Let the actor pass who may open the study at this moment.

    Returns
    -------
    EmergencyAccess or None
        The emergency access that lets the actor in; None when none is needed.

    Raises
    ------
    StudyRestricted
        If the study is restricted to groups that the actor is not in.
    """
    reader = reader_of(actor)
    if reader is None or tx.access.is_open_to(reader, study_uid):
        return None
    emergency = None if reader.user_id is None else tx.emergencies.running(study_uid, reader.user_id)
    if emergency is None or not emergency.opens(now=now):
        raise StudyRestricted(study_uid)
    return emergency


def closed_among(tx: UnitOfWork, actor: Actor, study_uids: Sequence[str], *, now: datetime) -> frozenset[str]:
    """Return those of the studies that the actor may not open at this moment."""
    reader = reader_of(actor)
    return frozenset() if reader is None else tx.access.closed_to(reader, study_uids, now=now)
