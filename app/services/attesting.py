"""The record of a signature, as part of the transaction of the act that it is about."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Actor
from app.domain.attestation import Attestation, Meaning, digest_of
from app.domain.errors import NotAuthorised
from app.domain.report import Report
from app.store.unit_of_work import UnitOfWork


def attest(
    tx: UnitOfWork, actor: Actor, report: Report, meaning: Meaning, text: str, *, now: datetime
) -> Attestation:
    """Record that a person has signed a canonical text about a report, and return the signature.

    Raises
    ------
    NotAuthorised
        If the actor is no person.
    """
    if actor.user_id is None:
        raise NotAuthorised(f"{actor.username} is no person and cannot sign")
    unsaved = Attestation(
        attestation_id=0,
        report_id=report.report_id,
        report_version=report.version,
        username=actor.username,
        printed_name=actor.printed_name,
        role=actor.role.value,
        meaning=meaning,
        signed_at=now,
        text=text,
        sha256=digest_of(text),
    )
    return tx.reports.attestations.add(unsaved, user_id=actor.user_id)
