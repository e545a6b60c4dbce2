"""Corrections and merges of the hospital's patient records, and the studies that follow them.

One transaction each: records, studies and audit entries. The entries name patients by reference only. No
report and no image is touched: what was signed keeps its text, what leaves as DICOM matches the images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.domain.access import Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.intake import clean_value
from app.domain.order import LONGEST_VALUE
from app.domain.patient import PatientMerge, correct, is_believable, may_share_issuer
from app.domain.study import Patient, Study
from app.services.facts import fact_about
from app.services.orders import Receipt, begin_message, meet_orders
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

__all__ = ["correct_patient", "current_patient", "merge_patients"]


def current_patient(study: Study) -> Patient:
    """Return the patient by the hospital's records, for HL7 and FHIR; DICOM takes what the images say."""
    return study.current_patient


def correct_patient(
    store: Store, actor: Actor, patient: Patient, *, source: str, receipt: Receipt, now: datetime
) -> bool:
    """Take a correction of name, birth date or sex (ADT^A08, ADT^A31).

    A study that names no authority, and differs in name and birth date, may be of somebody else with the same
    number: it keeps its patient, and the audit entry counts it.

    Returns
    -------
    bool
        False when the same message had its effect before.
    """
    patient = _cleaned(patient)
    with store.begin() as tx:
        if not begin_message(tx, source, receipt, now):
            return False
        studies = _current_studies(tx, patient.patient_id, patient.issuer)
        tx.patients.correct_identity(patient, now=now)
        believed = [study for study in studies if is_believable(study.current_patient, patient)]
        facts = [
            fact
            for study in believed
            for fact in _follow(tx, actor, study, patient, AuditEvent.PATIENT_CORRECTED, now)
        ]
        detail = {"studies": len(believed), "held_back": len(studies) - len(believed)}
        facts.append(_about(tx, actor, patient, AuditEvent.PATIENT_CORRECTED, detail, now))
        for fact in facts:
            tx.audit.append(fact)
        return True


def merge_patients(
    store: Store,
    actor: Actor,
    merges: Sequence[PatientMerge],
    *,
    source: str,
    receipt: Receipt,
    now: datetime,
) -> bool:
    """Take merges (ADT^A18, ADT^A40): studies of the former identifier belong to the surviving one.

    The former identifier still finds them, and images that come under it later follow too.

    Returns
    -------
    bool
        False when the same message had its effect before.
    """
    with store.begin() as tx:
        if not begin_message(tx, source, receipt, now):
            return False
        facts = [fact for merge in merges for fact in _merge(tx, actor, merge, now)]
        for fact in facts:
            tx.audit.append(fact)
        return True


def _merge(tx: UnitOfWork, actor: Actor, merge: PatientMerge, now: datetime) -> list[AuditFact]:
    surviving = _cleaned(merge.surviving)
    former_id, former_issuer = clean_value(merge.former_id), clean_value(merge.former_issuer)
    studies = _current_studies(tx, former_id, former_issuer)
    known = tx.patients.recorded(surviving.patient_id, surviving.issuer)
    surviving = surviving if known is None else correct(known, surviving)
    tx.patients.merge_identity(former_id, former_issuer, surviving, now=now)
    facts = [
        fact
        for study in studies
        for fact in _follow(tx, actor, study, surviving, AuditEvent.PATIENT_MERGED, now)
    ]
    detail = {"studies": len(studies), "former": tx.audit.patient_ref(former_id, former_issuer)}
    return [*facts, _about(tx, actor, surviving, AuditEvent.PATIENT_MERGED, detail, now)]


def _current_studies(tx: UnitOfWork, patient_id: str, issuer: str) -> list[Study]:
    """Lock and return the studies that the records give to this identifier now."""
    held = tx.studies.lock_existing(tx.patients.studies_of(patient_id, issuer))
    return [
        study
        for study in held.values()
        if study.current_patient.patient_id == patient_id
        and may_share_issuer(study.current_patient.issuer, issuer)
    ]


def _follow(
    tx: UnitOfWork, actor: Actor, study: Study, patient: Patient, event: AuditEvent, now: datetime
) -> list[AuditFact]:
    after = correct(study.current_patient, patient)
    if after == study.patient:
        tx.patients.clear_of_study(study.study_uid)
    else:
        tx.patients.set_of_study(study.study_uid, after, now=now)
    detail = {"to": tx.audit.patient_ref(after.patient_id, after.issuer)}
    changed = fact_about(tx, study, event, actor, now=now, detail=detail)
    # an order that named the surviving patient may have waited for exactly this
    return [changed, *meet_orders(tx, actor, tx.studies.get(study.study_uid), now=now)[1]]


def _about(
    tx: UnitOfWork,
    actor: Actor,
    patient: Patient,
    event: AuditEvent,
    detail: Mapping[str, object],
    now: datetime,
) -> AuditFact:
    reference = tx.audit.patient_ref(patient.patient_id, patient.issuer)
    return AuditFact(event=event, actor=actor, at=now, patient_ref=reference, detail=detail)


def _cleaned(patient: Patient) -> Patient:
    return Patient(**{name: clean_value(value)[:LONGEST_VALUE] for name, value in vars(patient).items()})
