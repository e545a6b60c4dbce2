"""Attestations: added once, never changed."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.attestation import Attestation, Meaning
from app.domain.errors import NotFound
from app.store.tables import AttestationRow


class Attestations:
    """Signatures as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, attestation: Attestation, *, user_id: int) -> Attestation:
        """Add a signature and return it with its number."""
        row = AttestationRow(
            report_id=attestation.report_id,
            report_version=attestation.report_version,
            user_id=user_id,
            username=attestation.username,
            printed_name=attestation.printed_name,
            role=attestation.role,
            meaning=attestation.meaning.value,
            signed_at=attestation.signed_at,
            text=attestation.text,
            sha256=attestation.sha256,
        )
        self._session.add(row)
        self._session.flush()
        return replace(attestation, attestation_id=row.id)

    def get(self, attestation_id: int) -> Attestation:
        """Return the signature, or raise `NotFound`."""
        row = self._session.get(AttestationRow, attestation_id)
        if row is None:
            raise NotFound(f"there is no attestation {attestation_id}")
        return _as_attestation(row)

    def of_report(self, report_id: int) -> tuple[Attestation, ...]:
        """Return the signatures under a report, oldest first."""
        wanted = select(AttestationRow).where(AttestationRow.report_id == report_id)
        return tuple(
            _as_attestation(row) for row in self._session.scalars(wanted.order_by(AttestationRow.id))
        )


def _as_attestation(row: AttestationRow) -> Attestation:
    return Attestation(
        attestation_id=row.id,
        report_id=row.report_id,
        report_version=row.report_version,
        username=row.username,
        printed_name=row.printed_name,
        role=row.role,
        meaning=Meaning(row.meaning),
        signed_at=row.signed_at,
        text=row.text,
        sha256=row.sha256,
    )
