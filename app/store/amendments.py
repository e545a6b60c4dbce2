"""Addenda and corrections: added once with their signature, never changed."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.amendment import Amendment, AmendmentKind, AmendmentText
from app.domain.attestation import Attestation, Meaning
from app.domain.errors import Conflict
from app.domain.signed_text import SignedText
from app.store.attestations import Attestations
from app.store.tables_amendments import AmendmentRow


class Amendments:
    """Addenda and corrections as part of one unit of work."""

    def __init__(self, session: Session, attestations: Attestations) -> None:
        self._session, self._attestations = session, attestations

    def add(self, number: int, content: AmendmentText, attestation: Attestation) -> Amendment:
        """Add what was signed under its number; the caller holds the report's row."""
        row = AmendmentRow(
            report_id=attestation.report_id,
            number=number,
            kind=content.kind.value,
            text=content.text,
            sections=None if content.sections is None else dict(content.sections),
            reason=content.reason,
            attestation_id=attestation.attestation_id,
        )
        self._session.add(row)
        self._session.flush()
        return Amendment(attestation.report_id, number, content, attestation)

    def of_report(self, report_id: int) -> tuple[Amendment, ...]:
        """Return the addenda and corrections of a report, in order.

        Raises
        ------
        Conflict
            If one of them does not belong to a signature under this report.
        """
        wanted = select(AmendmentRow).where(AmendmentRow.report_id == report_id).order_by(AmendmentRow.number)
        rows = self._session.scalars(wanted).all()
        # after the rows: what is signed between the two looks has its signature here and no row yet
        signatures = {a.attestation_id: a for a in self._attestations.of_report(report_id)}
        for row in rows:
            if row.attestation_id not in signatures:
                raise Conflict(f"amendment {row.number} of report {report_id} has another report's signature")
        return tuple(
            Amendment(row.report_id, row.number, _content(row), signatures[row.attestation_id])
            for row in rows
        )

    def signed_text(self, report_id: int) -> SignedText | None:
        """Return a report with everything that was added to it; None when no attending has signed it."""
        signatures = self._attestations.of_report(report_id)
        final = [signature for signature in signatures if signature.meaning is Meaning.FINAL]
        return SignedText(final[-1], self.of_report(report_id)) if final else None


def _content(row: AmendmentRow) -> AmendmentText:
    return AmendmentText(AmendmentKind(row.kind), row.text, row.sections, row.reason)
