"""Orders of the RIS: what they change when they come, and what a study finds of them when it comes.

An order and a study meet by accession number and patient, whichever comes first. Nothing of an order of
another patient is used; the study's readers are warned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.access import Actor
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.order import ClinicalContext, Order, OrderUpdate, context_of
from app.domain.patient import correct, is_believable
from app.domain.priority import requested_priority
from app.domain.study import Patient, Study, StudyState
from app.domain.work import draft_lock
from app.services.facts import fact_about
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Receipt:
    """Which message brings something; the same one again has no effect.

    Attributes
    ----------
    sender
        Application and facility.
    sha256
        Hex digest of the message.
    """

    sender: str
    control_id: str
    sha256: str


@dataclass(frozen=True)
class _Match:
    """The orders of a study's accession number."""

    own: tuple[Order, ...]
    strangers: tuple[Order, ...]

    @property
    def urgency(self) -> str:
        """The most urgent priority that an order in force asks for."""
        asked = [order.content.priority for order in self.own if not order.is_cancelled]
        return max(asked, key=lambda text: requested_priority(text).rank, default="")


def take_orders(
    store: Store,
    actor: Actor,
    updates: Sequence[OrderUpdate],
    *,
    source: str,
    receipt: Receipt | None = None,
    now: datetime,
) -> bool:
    """Take what a message or an answer says about orders, in one transaction.

    An urgent order raises the priority of the study that it belongs to, and of the draft that waits for it.

    Parameters
    ----------
    source
        Within it an order's number is unique.
    receipt
        The message; None for an answer that we asked for.

    Returns
    -------
    bool
        False when the same message had its effect before: nothing has changed then.
    """
    with store.begin() as tx:
        if not begin_message(tx, source, receipt, now):
            return False
        taken = [tx.orders.put(source, update.cleaned(), now=now) for update in updates]
        studies = _lock_studies(tx, taken)
        facts = [
            _received(tx, actor, order, update, now) for order, update in zip(taken, updates, strict=True)
        ]
        for study in studies:
            facts += meet_orders(tx, actor, study, now=now)[1]
        for fact in facts:
            tx.audit.append(fact)
        return True


def begin_message(tx: UnitOfWork, source: str, receipt: Receipt | None, now: datetime) -> bool:
    """Wait for the sender's turn and note the message; False when it had its effect before."""
    tx.orders.take_turn(source)
    return receipt is None or tx.orders.note_message(**vars(receipt), now=now)


def settle_study(
    tx: UnitOfWork, actor: Actor, study: Study, *, now: datetime
) -> tuple[Study, list[AuditFact]]:
    """Give a study that has just been completed what came before it: its patient's record and its orders.

    Parameters
    ----------
    study
        Locked by the caller, who also appends the facts, last of all.
    """
    recorded = tx.patients.recorded(study.patient.patient_id, study.patient.issuer)
    if recorded is not None and study.corrected is None:
        study = _corrected(tx, study, recorded, now)
    return meet_orders(tx, actor, study, now=now)


def meet_orders(
    tx: UnitOfWork, actor: Actor, study: Study, *, now: datetime
) -> tuple[Study, list[AuditFact]]:
    """Let the orders of a locked study raise its priority; return the study and what is to be recorded."""
    match = _match(tx, study)
    facts: list[AuditFact] = []
    if match.strangers:
        detail = {"orders": len(match.strangers)}
        facts.append(
            fact_about(
                tx, study, AuditEvent.ORDER_MISMATCH, actor, now=now, outcome=Outcome.FAILURE, detail=detail
            )
        )
    raised = study.raise_priority(requested_priority(match.urgency))
    if raised != study:
        tx.studies.save(raised)
        tx.work.raise_priority(draft_lock(study.study_uid, study.revision), raised.priority)
    if match.own:
        detail = {"orders": len(match.own), "priority": raised.priority}
        facts.append(fact_about(tx, raised, AuditEvent.ORDER_ATTACHED, actor, now=now, detail=detail))
    return raised, facts


def clinical_context(tx: UnitOfWork, study: Study) -> ClinicalContext:
    """Return what the orders say about why a study was made."""
    match = _match(tx, study)
    return context_of(match.own, match.strangers)


def accession_to_ask(store: Store, study_uid: str) -> str:
    """Return the accession number whose order is to be asked for; empty when there is none.

    Raises
    ------
    NotFound
        If there is no such study.
    """
    with store.begin() as tx:
        return tx.studies.get(study_uid).accession_number


def _match(tx: UnitOfWork, study: Study) -> _Match:
    orders = tx.orders.of_accession(study.accession_number)
    own = tuple(order for order in orders if _is_of(tx, order.content.patient, study))
    return _Match(own, tuple(order for order in orders if order not in own))


def _is_of(tx: UnitOfWork, patient: Patient, study: Study) -> bool:
    """Tell whether an order is of the study's patient, under any identifier that the records join."""
    people = [study.patient, study.current_patient]
    if any(patient.is_same_person(one) for one in people):
        return True
    recorded = tx.patients.recorded(patient.patient_id, patient.issuer)
    return recorded is not None and any(recorded.is_same_person(one) for one in people)


def _corrected(tx: UnitOfWork, study: Study, recorded: Patient, now: datetime) -> Study:
    is_merged = recorded.patient_id != study.patient.patient_id
    if not is_merged and not is_believable(study.patient, recorded):
        return study
    corrected = correct(study.patient, recorded)
    if corrected == study.patient:
        return study
    tx.patients.set_of_study(study.study_uid, corrected, now=now)
    return replace(study, corrected=corrected)


def _lock_studies(tx: UnitOfWork, orders: Sequence[Order]) -> list[Study]:
    uids = {
        uid
        for order in orders
        if order.content.accession_number
        for uid in tx.studies.of_accession(order.content.accession_number)
    }
    held = tx.studies.lock_existing(sorted(uids))
    return [study for study in held.values() if study.state is not StudyState.QUARANTINED]


def _received(tx: UnitOfWork, actor: Actor, order: Order, update: OrderUpdate, now: datetime) -> AuditFact:
    patient = order.content.patient
    return AuditFact(
        event=AuditEvent.ORDER_RECEIVED,
        actor=actor,
        at=now,
        patient_ref=tx.audit.patient_ref(patient.patient_id, patient.issuer),
        detail={"order": order.order_id, "command": update.command.value, "state": order.state.value},
    )
