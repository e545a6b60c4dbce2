"""What became of AI text in signed reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.attestation import Meaning
from app.domain.audit import AuditEvent
from app.domain.quality import SignedReading, read_sentence
from app.domain.report import Origin
from app.store.reports import sentence_of
from app.store.tables import AuditRow, ReportRow, SentenceRow, StudyRow
from app.store.tables_attestations import AttestationRow

_OPENED_AT = (
    select(func.min(AuditRow.at))
    .where(
        AuditRow.study_uid == ReportRow.study_uid,
        AuditRow.event == AuditEvent.STUDY_OPENED.value,
        AuditRow.username == AttestationRow.username,
        AuditRow.at <= AttestationRow.signed_at,
    )
    .correlate(ReportRow, AttestationRow)
    .scalar_subquery()
)
_SIGNED = (
    select(
        ReportRow.id, ReportRow.ai_model, AttestationRow.signed_at, _OPENED_AT, StudyRow.modality, SentenceRow
    )
    .join(AttestationRow, AttestationRow.report_id == ReportRow.id)
    .join(StudyRow, StudyRow.study_uid == ReportRow.study_uid)
    .join(SentenceRow, SentenceRow.report_id == ReportRow.id)
    .where(
        ReportRow.ai_model != "",
        AttestationRow.meaning == Meaning.FINAL.value,
        SentenceRow.origin == Origin.AI.value,
    )
    .order_by(ReportRow.id, AttestationRow.id, SentenceRow.key)
)


class Quality:
    """Signed readings as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def signed(
        self, *, since: datetime | None, until: datetime, signer: str | None = None
    ) -> Iterator[SignedReading]:
        """Yield the reports that began as a draft and were made final in a span of time.

        Parameters
        ----------
        since
            None: from the beginning.
        signer
            Only what this person made final; None: everybody.
        """
        within = _SIGNED.where(AttestationRow.signed_at < until)
        if since is not None:
            within = within.where(AttestationRow.signed_at >= since)
        if signer is not None:
            within = within.where(AttestationRow.username == signer)
        found = self._session.execute(within.execution_options(yield_per=500))
        for (_, signed_at), rows in groupby(found, key=lambda row: (row[0], row[2])):
            report = list(rows)
            _, model, _, opened_at, modality, _ = report[0]
            read = (read_sentence(sentence_of(row)) for *_, row in report)
            yield SignedReading(
                model=model,
                day=signed_at.date(),
                seconds=None if opened_at is None else (signed_at - opened_at).total_seconds(),
                sentences=tuple(one for one in read if one is not None),
                modality=modality,
            )
