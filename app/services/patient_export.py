"""Export of one patient's data: what the database has of them, for whoever writes it down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.patient_data import PatientKey
from app.services.erasure import require_known
from app.services.permission import permit
from app.store.engine import Store


def begin_export(store: Store, actor: Actor, patient: PatientKey, *, now: datetime) -> None:
    """Record the export, committed before anything is read: nobody takes data out without a trace.

    Raises
    ------
    NotAuthorised, NotFound
    """
    permit(store, actor, Action.EXPORT_PATIENT, now=now)
    with store.begin() as tx:
        require_known(tx, patient)
        studies = tx.patient_data.studies(patient, now=now)
        tx.audit.append(
            AuditFact(
                event=AuditEvent.PATIENT_EXPORTED,
                actor=actor,
                at=now,
                patient_ref=tx.audit.patient_ref(patient.patient_id, patient.issuer),
                detail={"studies": len(studies)},
            )
        )


def exported_rows(store: Store, patient: PatientKey) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each table with its rows of the patient, all of one moment.

    Entries of the audit log are found by the keyed hashes of every identifier of the patient.
    """
    with store.begin(snapshot=True) as tx:
        keys = tx.patient_data.identifiers(patient)
        references = [tx.audit.patient_ref(key.patient_id, key.issuer) for key in keys]
        yield from tx.patient_data.rows(patient, references)
