"""The next case of the list that a reader works through: nobody else has it, and nobody gets it twice."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from app.domain.access import Action, Actor, may
from app.domain.report import ReportState
from app.domain.review import LEASE, Review
from app.domain.study import Instance
from app.domain.study_access import reader_of
from app.domain.worklist import WorklistQuery
from app.services.permission import permit
from app.services.reading import open_in
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_AT_ONCE = 20


def next_study(
    store: Store,
    actor: Actor,
    query: WorklistQuery,
    *,
    after: str = "",
    passed: Collection[str] = (),
    lease: timedelta = LEASE,
    now: datetime,
) -> Review | None:
    """Open the next study of a list that waits for its report, and take its pen; None when there is none.

    A list sorted by priority is followed from its top, so that what has become urgent meanwhile comes next;
    any other list from where the reader is, and then from its top. Studies that somebody else edits, and
    those that another reader is just about to open, are left out; what one has begun oneself comes again.

    Parameters
    ----------
    after
        The study that the reader comes from.
    passed
        Studies that this reader has already had from this list.

    Raises
    ------
    NotAuthorised
        If the role may not open studies.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    tried = {*passed, *([after] if after else [])}
    while True:
        with store.begin() as tx:
            wanted = tx.studies.candidates(
                query,
                reader=reader_of(actor),
                states=unread_by(actor),
                passed=tried,
                after=after,
                limit=_AT_ONCE,
                now=now,
            )
        if not wanted:
            return None
        for study_uid in wanted:
            with store.begin() as tx:
                if _is_free(tx, actor, study_uid, now=now):
                    return open_in(tx, actor, study_uid, lease=lease, now=now)
        tried.update(wanted)


def expected_images(
    store: Store,
    actor: Actor,
    query: WorklistQuery,
    *,
    after: str,
    passed: Collection[str] = (),
    now: datetime,
) -> tuple[Instance, ...]:
    """Return the images of the study that `next_study` would open if it were asked now; nothing is opened.

    Raises
    ------
    NotAuthorised
        If the role may not open studies.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    with store.begin() as tx:
        wanted = tx.studies.candidates(
            query,
            reader=reader_of(actor),
            states=unread_by(actor),
            passed={*passed, after},
            after=after,
            limit=1,
            now=now,
        )
        return tuple(
            image
            for study_uid in wanted
            for image in tx.studies.instances(study_uid, up_to_revision=tx.studies.get(study_uid).revision)
        )


def _is_free(tx: UnitOfWork, actor: Actor, study_uid: str, *, now: datetime) -> bool:
    """Hold the newest report of a study if it still waits for a reader; never wait for who else holds it."""
    reader = reader_of(actor)
    if reader is None or tx.access.closed_to(reader, [study_uid], now=now):
        return False
    if tx.second_reviews.blind_review_of(actor.user_id, actor.username, study_uid) is not None:
        return False  # opening it would end the blindness: by hand, after a question, not by a key
    summaries = tx.reports.summaries(study_uid)
    if not summaries or not tx.reports.try_lock(summaries[-1].report_id):
        return False
    report = tx.reports.get(summaries[-1].report_id)
    lock = tx.reports.leases.get(report.report_id)
    return report.state in unread_by(actor) and (
        lock is None or not lock.is_held(now=now) or lock.is_held_by(actor.user_id, now=now)
    )


def unread_by(actor: Actor) -> frozenset[ReportState]:
    """Return the states of reports that wait for this person: preliminary ones wait for an attending."""
    waiting = {ReportState.DRAFTED, ReportState.IN_REVIEW}
    return frozenset(waiting | ({ReportState.PRELIMINARY} if may(actor.role, Action.SIGN_FINAL) else set()))
