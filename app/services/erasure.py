"""Erasure of one patient, and the holds that forbid it (T40).

The words go, what was done stays: the audit log keeps every entry under the patient's keyed hash, signatures
keep who signed which digest and when. The bytes of the images leave the spool after the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import NotFound, Rejected
from app.domain.patient_data import (
    Erasure,
    PatientHold,
    PatientKey,
    StudyOfPatient,
    require_erasable,
    require_patient_id,
)
from app.services.permission import permit
from app.services.retention import require_reason
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def erase_patient(
    store: Store,
    actor: Actor,
    patient: PatientKey,
    reason: str,
    *,
    quarantined: Sequence[int] = (),
    now: datetime,
) -> Erasure:
    """Erase everything that the database says of a patient, in one transaction with its audit entry.

    Parameters
    ----------
    reason
        Why; it stays on record and must not name the patient.
    quarantined
        Numbers of instances in quarantine whose headers name the patient; the caller removes their bytes.

    Raises
    ------
    NotAuthorised, NotFound
    Rejected
        While the patient or a study is held, being processed, read or delivered, or belongs to another
        patient by the records; without a reason.
    """
    permit(store, actor, Action.ERASE_PATIENT, now=now)
    reason = _silent_reason(reason, patient)
    with store.begin() as tx:
        require_known(tx, patient)
        for study in tx.patient_data.studies(patient, now=now):
            tx.studies.lock(study.study_uid)
        studies = tx.patient_data.studies(patient, now=now)
        require_erasable(studies, tx.patient_data.holds(patient))
        counts = _counts(studies)
        _record(
            tx, actor, AuditEvent.PATIENT_ERASED, patient, now, counts | {"quarantined": len(quarantined)}
        )
        number = tx.patient_data.erase(
            patient,
            reference=tx.audit.patient_ref(patient.patient_id, patient.issuer),
            quarantined=quarantined,
            username=actor.username,
            reason=reason,
            now=now,
        )
        return Erasure(number, **counts)


def preview_erasure(
    store: Store, actor: Actor, patient: PatientKey, *, now: datetime
) -> tuple[tuple[PatientKey, ...], tuple[StudyOfPatient, ...]]:
    """Return which identifiers and studies an erasure would reach, and refuse what it would refuse."""
    permit(store, actor, Action.ERASE_PATIENT, now=now)
    with store.begin() as tx:
        require_known(tx, patient)
        studies = tx.patient_data.studies(patient, now=now)
        require_erasable(studies, tx.patient_data.holds(patient))
        return tx.patient_data.identifiers(patient), studies


def identifiers_of(
    store: Store, actor: Actor, patient: PatientKey, *, now: datetime
) -> tuple[PatientKey, ...]:
    """Return the identifier, and those that the records have merged with it."""
    permit(store, actor, Action.ERASE_PATIENT, now=now)
    with store.begin() as tx:
        require_known(tx, patient)
        return tx.patient_data.identifiers(patient)


def hold_patient(store: Store, actor: Actor, patient: PatientKey, reason: str, *, now: datetime) -> None:
    """Keep everything of a patient, whatever the policy says, and refuse erasure.

    Raises
    ------
    NotAuthorised, NotFound, Conflict
    Rejected
        Without a reason.
    """
    permit(store, actor, Action.HOLD_PATIENT, now=now)
    reason = _silent_reason(reason, patient)
    with store.begin() as tx:
        require_known(tx, patient)
        tx.patient_data.hold(patient, reason=reason, username=actor.username, now=now)
        _record(tx, actor, AuditEvent.PATIENT_HELD, patient, now, {})


def end_patient_hold(store: Store, actor: Actor, patient: PatientKey, *, now: datetime) -> None:
    """End a hold on a patient.

    Raises
    ------
    NotAuthorised, NotFound
    """
    permit(store, actor, Action.HOLD_PATIENT, now=now)
    with store.begin() as tx:
        tx.patient_data.release(patient)
        _record(tx, actor, AuditEvent.PATIENT_HOLD_ENDED, patient, now, {})


def list_patient_holds(store: Store, actor: Actor, *, now: datetime) -> tuple[PatientHold, ...]:
    """Return the holds on patients, oldest first.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.HOLD_PATIENT, now=now)
    with store.begin() as tx:
        return tx.patient_data.every_hold()


def require_known(tx: UnitOfWork, patient: PatientKey) -> None:
    """Raise `NotFound` unless images, records or orders name this patient; it says which authorities do."""
    require_patient_id(patient.patient_id)
    known = tx.patient_data.issuers_of(patient.patient_id)
    if patient.issuer in known:
        return
    if not known:
        raise NotFound("nothing here names this PatientID")
    named = ", ".join(repr(issuer) for issuer in known)
    raise NotFound(f"this PatientID is known, but with other issuers ({named}): name the one you mean")


def _counts(studies: Sequence[StudyOfPatient]) -> dict[str, int]:
    return {
        "studies": len(studies),
        "signed": sum(study.is_signed for study in studies),
        "instances": sum(study.instances for study in studies),
    }


def _silent_reason(reason: str, patient: PatientKey) -> str:
    require_patient_id(patient.patient_id)
    reason = require_reason(reason)
    if patient.patient_id.casefold() in reason.casefold():
        raise Rejected("the reason stays on record: it must not name the patient")
    return reason


def _record(
    tx: UnitOfWork,
    actor: Actor,
    event: AuditEvent,
    patient: PatientKey,
    now: datetime,
    detail: Mapping[str, Any],
) -> None:
    reference = tx.audit.patient_ref(patient.patient_id, patient.issuer)
    tx.audit.append(AuditFact(event=event, actor=actor, at=now, patient_ref=reference, detail=detail))
