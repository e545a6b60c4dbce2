"""Storage commitment for what was delivered: ask, take the answer, ask again, give up in the open.

A delivery is COMMITTED when its receiver says that it keeps all its objects. When it says of one that it does
not, the same objects are sent again. When it says nothing, it is asked again; after the last request the job
ends as a dead letter and the delivery stays SENT.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.access import Actor
from app.domain.audit import AuditEvent, Outcome
from app.domain.commitment import Commitment, CommitmentCommand, CommitmentState, SentObjects
from app.domain.delivery import Delivery, DeliveryState
from app.domain.errors import Rejected
from app.domain.identifiers import new_uid, part_uids
from app.domain.intake import clean_value
from app.domain.work import ASK_COMMITMENT, DELIVER_QUEUE, DELIVER_REPORT
from app.services.facts import delivery_detail, fact_about
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

MOST_LOSSES = 3
_S = CommitmentState
_BATCH = 100


@dataclass(frozen=True)
class CommitmentOrder:
    """What is needed to ask."""

    delivery: Delivery
    commitment: Commitment


def defer_asking(tx: UnitOfWork, delivery: Delivery, objects: SentObjects) -> None:
    """Put the job that asks for a delivery into the queue, with the transaction that calls it."""
    tx.work.defer(
        ASK_COMMITMENT,
        queue=DELIVER_QUEUE,
        priority=0,
        queueing_lock=f"commitment:{delivery.delivery_id}",
        arguments={
            "delivery_id": delivery.delivery_id,
            "sop_class_uid": objects.sop_class_uid,
            "objects": objects.count,
        },
    )


def begin_asking(
    store: Store, delivery_id: int, objects: SentObjects, *, requests: int, now: datetime
) -> CommitmentOrder | None:
    """Store the request that is to be sent, under a transaction of its own each time.

    Parameters
    ----------
    requests
        How often a receiver that says nothing is asked.

    Returns
    -------
    CommitmentOrder or None
        None when there is nothing to ask: committed, being sent again, or asked already.

    Raises
    ------
    NotFound
    Rejected
        If the receiver has been silent to all its requests.
    """
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        if delivery.state is not DeliveryState.SENT or _since_sent(tx, delivery, _S.ASKED):
            return None
        silent = _since_sent(tx, delivery, _S.UNANSWERED)
        if len(silent) >= requests:
            raise Rejected(
                f"{delivery.destination} took the objects, and has not said that it keeps them in "
                f"{len(silent)} storage commitment requests"
            )
        made = tx.commitments.add(delivery_id, new_uid(), objects, now=now)
        return CommitmentOrder(delivery, made)


def record_asked(store: Store, actor: Actor, order: CommitmentOrder, *, now: datetime) -> None:
    """Note that the receiver took the request; its answer may have been faster."""
    with store.begin() as tx:
        delivery = tx.deliveries.lock(order.delivery.delivery_id)
        [commitment] = [c for c in tx.commitments.of_delivery(delivery.delivery_id) if _is(c, order)]
        if commitment.state is _S.PENDING:
            tx.commitments.save(commitment.accept(now=now))
        _note(tx, actor, delivery, AuditEvent.COMMITMENT_ASKED, Outcome.SUCCESS, now)


def record_not_asked(store: Store, actor: Actor, delivery_id: int, reason: str, *, now: datetime) -> None:
    """Close the round of requests without an answer; the delivery stays as it is."""
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        for commitment in tx.commitments.in_state(delivery_id, {_S.PENDING, _S.UNANSWERED}):
            closed = commitment.advance(CommitmentCommand.ABANDON, reason=clean_value(reason)[:500])
            tx.commitments.save(closed)
        _note(tx, actor, delivery, AuditEvent.COMMITMENT_FAILED, Outcome.FAILURE, now)


def record_answer(
    store: Store, actor: Actor, transaction_uid: str, failures: dict[str, str], *, now: datetime
) -> bool:
    """Take a receiver's report; the same report again changes nothing.

    Parameters
    ----------
    failures
        Why the receiver does not keep an object, by SOP Instance UID; an object that is not in it is kept.

    Returns
    -------
    bool
        False when no request has this transaction.
    """
    with store.begin() as tx:
        delivery_id = tx.commitments.delivery_of(transaction_uid)
        if delivery_id is None:
            return False
        delivery = tx.deliveries.lock(delivery_id)
        requests = tx.commitments.of_delivery(delivery_id)
        [commitment] = [one for one in requests if one.transaction_uid == transaction_uid]
        if commitment.answered_at is None:
            _answer(tx, actor, delivery, commitment, _failure_of(delivery, commitment, failures), now)
        return True


def ask_again(store: Store, *, waiting: timedelta, now: datetime) -> list[int]:
    """Close requests that were not answered in time and put the next ones into the queue.

    Returns
    -------
    list of int
        The deliveries whose receivers are asked again.
    """
    with store.begin() as tx:
        overdue = tx.commitments.overdue(asked_before=now - waiting, limit=_BATCH)
    return [delivery_id for delivery_id in overdue if _time_out(store, delivery_id, now - waiting)]


def require_trust(store: Store, delivery_id: int) -> None:
    """Refuse to send again to a receiver that has lost the object too often.

    Raises
    ------
    Rejected
        If it acknowledged the object and then said that it does not have it, `MOST_LOSSES` times.
    """
    with store.begin() as tx:
        losses = tx.commitments.in_state(delivery_id, {_S.LOST})
    if len(losses) >= MOST_LOSSES:
        raise Rejected(
            f"the receiver acknowledged the object {len(losses)} times and then said that it does not keep "
            f"it: {losses[-1].reason}"
        )


def forget_losses(store: Store, delivery_id: int) -> None:
    """Count losses anew, because a person will have to retry the delivery."""
    with store.begin() as tx:
        for commitment in tx.commitments.in_state(delivery_id, {_S.LOST}):
            tx.commitments.save(commitment.advance(CommitmentCommand.ABANDON))


def _failure_of(delivery: Delivery, commitment: Commitment, failures: dict[str, str]) -> str:
    """Return why the receiver does not keep all that it was asked for; empty when it does."""
    uids = part_uids(delivery.sop_uid, commitment.objects.count)
    return next((failures[uid] for uid in uids if uid in failures), "")


def _answer(
    tx: UnitOfWork, actor: Actor, delivery: Delivery, commitment: Commitment, failure: str, now: datetime
) -> None:
    failure = clean_value(failure)[:300]
    tx.commitments.save(commitment.answer(failure, now=now))
    if delivery.state is not DeliveryState.SENT:
        return
    if not failure:
        committed = delivery.commit()
        tx.deliveries.save(committed)
        _note(tx, actor, committed, AuditEvent.DELIVERY_COMMITTED, Outcome.SUCCESS, now)
    elif _is_since_sent(commitment, delivery):
        # an older denial is about a time before the object was sent again
        _send_again(tx, actor, delivery, failure, now)


def _send_again(tx: UnitOfWork, actor: Actor, delivery: Delivery, failure: str, now: datetime) -> None:
    lost = delivery.lose(f"the receiver says that it does not keep the object: {failure}")
    tx.work.defer(
        DELIVER_REPORT,
        queue=DELIVER_QUEUE,
        priority=tx.studies.get(delivery.study_uid).priority,
        queueing_lock=f"deliver:{delivery.delivery_id}",
        arguments={"delivery_id": delivery.delivery_id},
    )
    tx.deliveries.save(lost)
    _note(tx, actor, lost, AuditEvent.COMMITMENT_FAILED, Outcome.FAILURE, now)


def _time_out(store: Store, delivery_id: int, asked_before: datetime) -> bool:
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        late = [
            one
            for one in tx.commitments.in_state(delivery_id, {_S.ASKED})
            if one.asked_at is not None and one.asked_at < asked_before
        ]
        for commitment in late:
            tx.commitments.save(commitment.advance(CommitmentCommand.TIME_OUT, reason="not answered in time"))
        if not late or delivery.state is not DeliveryState.SENT:
            return False
        defer_asking(tx, delivery, late[-1].objects)
        return True


def _since_sent(tx: UnitOfWork, delivery: Delivery, state: CommitmentState) -> list[Commitment]:
    """Return the requests in a state that are about the last time the object was sent."""
    found = tx.commitments.in_state(delivery.delivery_id, {state})
    return [commitment for commitment in found if _is_since_sent(commitment, delivery)]


def _is_since_sent(commitment: Commitment, delivery: Delivery) -> bool:
    return delivery.sent_at is None or commitment.made_at >= delivery.sent_at


def _is(commitment: Commitment, order: CommitmentOrder) -> bool:
    return commitment.commitment_id == order.commitment.commitment_id


def _note(
    tx: UnitOfWork, actor: Actor, delivery: Delivery, event: AuditEvent, outcome: Outcome, now: datetime
) -> None:
    study = tx.studies.get(delivery.study_uid)
    tx.audit.append(
        fact_about(tx, study, event, actor, now=now, outcome=outcome, detail=delivery_detail(delivery))
    )
