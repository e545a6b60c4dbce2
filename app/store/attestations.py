"""Attestations: added once, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.attestation import Attestation, Meaning, sealed_bytes
from app.domain.errors import NotFound
from app.store.signing_keys import SealingKey
from app.store.tables_attestations import AttestationRow


class Attestations:
    """Signatures as part of one unit of work."""

    def __init__(self, session: Session, key: SealingKey) -> None:
        self._session, self._key = session, key

    def add(self, attestation: Attestation, *, user_id: int) -> Attestation:
        """Seal a signature, add it, and return it with its number."""
        key_id, seal = self._key.key_id, self._key.seal(sealed_bytes(attestation))
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
            key_id=key_id,
            seal=seal,
        )
        self._session.add(row)
        self._session.flush()
        return replace(attestation, attestation_id=row.id, key_id=key_id, seal=seal, is_sealed=True)

    def get(self, attestation_id: int) -> Attestation:
        """Return the signature, or raise `NotFound`."""
        row = self._session.get(AttestationRow, attestation_id)
        if row is None:
            raise NotFound(f"there is no attestation {attestation_id}")
        return self._checked(row)

    def of_report(self, report_id: int) -> tuple[Attestation, ...]:
        """Return the signatures under a report, oldest first."""
        wanted = select(AttestationRow).where(AttestationRow.report_id == report_id)
        return tuple(self._checked(row) for row in self._session.scalars(wanted.order_by(AttestationRow.id)))

    def every(self) -> Iterator[Attestation]:
        """Give every signature, oldest first, a few in memory at a time."""
        wanted = select(AttestationRow).order_by(AttestationRow.id).execution_options(yield_per=500)
        for row in self._session.scalars(wanted):
            yield self._checked(row)

    def _checked(self, row: AttestationRow) -> Attestation:
        return check_seal(_as_attestation(row), self._key)


def check_seal(stored: Attestation, key: SealingKey) -> Attestation:
    """Return a stored signature with whether its seal is one of a trusted key over these facts."""
    return replace(stored, is_sealed=key.fits(stored.key_id, stored.seal, sealed_bytes(stored)))


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
        key_id=row.key_id or "",
        seal=row.seal or "",
    )
