"""Who may act on a second review, and what would end its blindness."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Actor
from app.domain.errors import NotAuthorised, NotBlind
from app.services.permission import record_denial
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def require_stranger(store: Store, actor: Actor, review_id: int, *, now: datetime) -> None:
    """Turn away who has signed the report: nobody scores their own, and the attempt is recorded."""
    with store.begin() as tx:
        review = tx.second_reviews.lock(review_id)
        signed = tx.second_reviews.signed_by(review.report_id, actor.user_id)
    if signed:
        record_denial(store, actor, "review one's own report", now=now, study_uid=review.study_uid)
        raise NotAuthorised("nobody reviews what they have signed")


def end_blindness(tx: UnitOfWork, actor: Actor, study_uid: str, *, is_accepted: bool) -> int | None:
    """Return which second review of a study stops being blind when this person opens the study now.

    Parameters
    ----------
    is_accepted
        Whether they have been told and want to open it nevertheless.

    Returns
    -------
    int or None
        None when there is no such review: none is taken, it is handed in, or it was not blind before.

    Raises
    ------
    NotBlind
        If there is one and nobody has accepted that.
    """
    review_id = tx.second_reviews.blind_review_of(actor.user_id, actor.username, study_uid)
    if review_id is not None and not is_accepted:
        raise NotBlind("you have a second review of this study that is not handed in: it would not be blind")
    return review_id
