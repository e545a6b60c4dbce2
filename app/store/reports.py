"""Reports with their sentences; beside them drafts, leases, signatures, amendments, who has opened what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.audit import AuditEvent
from app.domain.errors import NotFound
from app.domain.report import Decision, Origin, Region, Report, ReportState, Section, Sentence
from app.domain.review import ReportSummary
from app.store.amendments import Amendments
from app.store.attestations import Attestations
from app.store.drafts import Drafts
from app.store.leases import Leases
from app.store.signing_keys import SealingKey
from app.store.tables import AuditRow, ReportRow, SentenceRow


class Reports:
    """Reports as part of one unit of work; a change begins with `lock`, so that no writer undoes another."""

    def __init__(self, session: Session, key: SealingKey) -> None:
        self._session, self._key = session, key

    @cached_property
    def drafts(self) -> Drafts:
        """What the model wrote."""
        return Drafts(self._session)

    @cached_property
    def leases(self) -> Leases:
        """Who edits which report."""
        return Leases(self._session)

    @cached_property
    def attestations(self) -> Attestations:
        """Signatures."""
        return Attestations(self._session, self._key)

    @cached_property
    def amendments(self) -> Amendments:
        """Addenda and corrections."""
        return Amendments(self._session, self.attestations)

    def get(self, report_id: int) -> Report:
        """Return the report, or raise `NotFound`."""
        return self._one(select(ReportRow).where(ReportRow.id == report_id), report_id)

    def lock(self, report_id: int) -> Report:
        """Return the report and hold its row until the transaction ends, or raise `NotFound`."""
        return self._one(_locked(select(ReportRow).where(ReportRow.id == report_id)), report_id)

    def try_lock(self, report_id: int) -> bool:
        """Hold the row of a report unless another transaction holds it; never waits."""
        wanted = select(ReportRow.id).where(ReportRow.id == report_id)
        return self._session.scalar(wanted.with_for_update(skip_locked=True)) is not None

    def of_revision(self, study_uid: str, revision: int) -> Report | None:
        """Return the report of a study revision; None when there is none."""
        wanted = select(ReportRow).where(ReportRow.study_uid == study_uid, ReportRow.revision == revision)
        row = self._session.scalars(wanted).one_or_none()
        return self._as_report(row) if row is not None else None

    def lock_revision(self, study_uid: str, revision: int) -> Report | None:
        """Return and hold the report of a study revision; None when there is none."""
        wanted = select(ReportRow).where(ReportRow.study_uid == study_uid, ReportRow.revision == revision)
        row = self._session.scalars(_locked(wanted)).one_or_none()
        return self._as_report(row) if row is not None else None

    def summaries(self, study_uid: str) -> tuple[ReportSummary, ...]:
        """Return the study's reports without their text, oldest revision first."""
        wanted = select(ReportRow.id, ReportRow.revision, ReportRow.state, ReportRow.updated_at)
        own = wanted.where(ReportRow.study_uid == study_uid).order_by(ReportRow.revision)
        return tuple(
            ReportSummary(report_id, revision, ReportState(state), updated_at)
            for report_id, revision, state, updated_at in self._session.execute(own)
        )

    def add(
        self,
        study_uid: str,
        revision: int,
        *,
        draft_id: int | None,
        ai_model: str,
        sentences: Sequence[Sentence],
        now: datetime,
    ) -> Report:
        """Add the report of a study revision, in state DRAFTED, and return it."""
        row = ReportRow(
            study_uid=study_uid,
            revision=revision,
            draft_id=draft_id,
            ai_model=ai_model,
            state=ReportState.DRAFTED.value,
            version=1,
            updated_at=now,
        )
        self._session.add(row)
        self._session.flush()
        self._write(row.id, sentences)
        return self._as_report(row)

    def save(self, report: Report, *changed: Sentence) -> None:
        """Write the report's state and version, and the sentences that changed."""
        row = self._session.get(ReportRow, report.report_id)
        if row is None:
            raise NotFound(f"there is no report {report.report_id}")
        self._write(report.report_id, changed)
        row.state, row.version, row.updated_at = report.state.value, report.version, report.updated_at
        row.draft_id, row.ai_model = report.draft_id, report.ai_model
        self._session.flush()

    def last_opened(self, username: str, study_uid: str) -> tuple[bool, int | None]:
        """Return whether this person has opened the study, and which report was shown the last time.

        A second review shows neither draft nor signature: opening for it alone is none.
        """
        opened = _openings(username, study_uid).order_by(AuditRow.seq.desc()).limit(1)
        detail = self._session.scalars(opened).one_or_none()
        return (False, None) if detail is None else (True, detail.get("report_id"))

    def was_on_screen(self, username: str, study_uid: str) -> bool:
        """Tell whether this person has opened the study, or has had it beside another as a prior."""
        shown = select(AuditRow.seq).where(
            AuditRow.event.in_((AuditEvent.STUDY_OPENED.value, AuditEvent.PRIOR_VIEWED.value)),
            AuditRow.username == username,
            AuditRow.study_uid == study_uid,
        )
        return self._session.scalar(shown.limit(1)) is not None

    def was_opened(self, username: str, report: Report) -> bool:
        """Tell whether this person has had the report on the screen, with the images of its revision."""
        shown = AuditRow.detail["report_id"].as_integer() == report.report_id
        opened = _openings(username, report.study_uid).where(shown).limit(1)
        return self._session.scalars(opened).one_or_none() is not None

    def _one(self, wanted: Select[ReportRow], report_id: int) -> Report:
        row = self._session.scalars(wanted).one_or_none()
        if row is None:
            raise NotFound(f"there is no report {report_id}")
        return self._as_report(row)

    def _as_report(self, row: ReportRow) -> Report:
        written = select(SentenceRow).where(SentenceRow.report_id == row.id)
        ordered = written.order_by(SentenceRow.section, SentenceRow.position, SentenceRow.key)
        return Report(
            report_id=row.id,
            study_uid=row.study_uid,
            revision=row.revision,
            state=ReportState(row.state),
            version=row.version,
            draft_id=row.draft_id,
            ai_model=row.ai_model,
            sentences=tuple(
                sentence_of(sentence)
                for sentence in self._session.scalars(ordered.execution_options(populate_existing=True))
            ),
            updated_at=row.updated_at,
        )

    def _write(self, report_id: int, sentences: Sequence[Sentence]) -> None:
        for sentence in sentences:
            values = _sentence_values(sentence)
            written = insert(SentenceRow).values(report_id=report_id, key=sentence.key, **values)
            self._session.execute(
                written.on_conflict_do_update(
                    index_elements=[SentenceRow.report_id, SentenceRow.key], set_=values
                )
            )


def _locked(wanted: Select[ReportRow]) -> Select[ReportRow]:
    # FOR NO KEY UPDATE: rows that refer to the report may be added elsewhere meanwhile
    return wanted.with_for_update(key_share=True).execution_options(populate_existing=True)


def _openings(username: str, study_uid: str) -> Select[dict[str, Any]]:
    return select(AuditRow.detail).where(
        AuditRow.event == AuditEvent.STUDY_OPENED.value,
        AuditRow.username == username,
        AuditRow.study_uid == study_uid,
        ~AuditRow.detail.has_key("second_review_id"),
    )


def _sentence_values(sentence: Sentence) -> dict[str, Any]:
    region = sentence.region
    return {
        "section": sentence.section.value,
        "position": sentence.position,
        "text": sentence.text,
        "ai_text": sentence.ai_text,
        "origin": sentence.origin.value,
        "decision": sentence.decision.value,
        "findings": list(sentence.findings),
        "confidence": sentence.confidence,
        "region": None
        if region is None
        else {"sop_uid": region.sop_uid, "box": list(region.box), "score": region.score},
    }


def sentence_of(row: SentenceRow) -> Sentence:
    """Return a stored sentence."""
    region = row.region
    return Sentence(
        key=row.key,
        section=Section(row.section),
        position=row.position,
        text=row.text,
        ai_text=row.ai_text,
        origin=Origin(row.origin),
        decision=Decision(row.decision),
        findings=tuple(row.findings),
        confidence=row.confidence,
        region=None if region is None else Region(region["sop_uid"], tuple(region["box"]), region["score"]),
    )
