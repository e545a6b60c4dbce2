"""Second reviews and draws."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from sqlalchemy import Select, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.attestation import Meaning
from app.domain.audit import AuditEvent
from app.domain.errors import NotFound
from app.domain.report import AMENDABLE
from app.domain.second_review import Draw, Score, SecondReview
from app.store.tables import AuditRow, InstanceRow, ReportRow
from app.store.tables_attestations import AttestationRow
from app.store.tables_second_reviews import SecondReviewDrawRow, SecondReviewRow

_REVIEWS = select(SecondReviewRow, ReportRow.study_uid).join(
    ReportRow, ReportRow.id == SecondReviewRow.report_id
)


class SecondReviews:
    """Second reviews as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def was_drawn(self, week: date) -> bool:
        """Tell whether a week has had its draw."""
        return self._session.get(SecondReviewDrawRow, week) is not None

    def signed_in_week(self, week: date, *, with_draft: bool) -> tuple[int, ...]:
        """Return the reports made final in a week (UTC) that can be read again, by number."""
        begin = func.timezone("UTC", week)
        end = func.timezone("UTC", week + timedelta(days=7))
        wanted = (
            select(ReportRow.id)
            .join(AttestationRow, AttestationRow.report_id == ReportRow.id)
            .where(
                AttestationRow.meaning == Meaning.FINAL.value,
                AttestationRow.signed_at >= begin,
                AttestationRow.signed_at < end,
                ReportRow.state.in_([state.value for state in AMENDABLE]),
                (ReportRow.ai_model != "") if with_draft else (ReportRow.ai_model == ""),
                exists().where(InstanceRow.study_uid == ReportRow.study_uid),
                ~exists().where(SecondReviewRow.report_id == ReportRow.id),
            )
            .distinct()
            .order_by(ReportRow.id)
        )
        return tuple(self._session.scalars(wanted))

    def add_draw(self, draw: Draw, with_draft: Collection[int], *, now: datetime) -> bool:
        """Keep a draw and what it drew; False when the week has one already."""
        kept = insert(SecondReviewDrawRow).values(
            week=draw.week,
            seed=draw.seed,
            percent=draw.percent,
            signed_with_draft=draw.with_draft,
            signed_without_draft=draw.without_draft,
            drawn=len(draw.drawn),
            drawn_at=now,
        )
        if self._session.scalar(kept.on_conflict_do_nothing().returning(SecondReviewDrawRow.week)) is None:
            return False
        for report_id in draw.drawn:
            is_ai = report_id in with_draft
            self._session.add(
                SecondReviewRow(report_id=report_id, week=draw.week, with_draft=is_ai, drawn_at=now)
            )
        self._session.flush()
        return True

    def lock(self, review_id: int) -> SecondReview:
        """Return an entry and hold it until the transaction ends; `NotFound` when there is none."""
        wanted = _REVIEWS.where(SecondReviewRow.id == review_id).with_for_update(of=SecondReviewRow)
        found = self._read(wanted.execution_options(populate_existing=True))
        if not found:
            raise NotFound(f"there is no second review {review_id}")
        return found[0]

    def save(self, review: SecondReview) -> None:
        """Write who has it and how it was scored; the rest stays."""
        row = self._session.get_one(SecondReviewRow, review.review_id)
        row.reviewer_id, row.taken_at = review.reviewer_id, review.taken_at
        row.score = None if review.score is None else review.score.value
        row.comment, row.was_blind, row.scored_at = review.comment, review.was_blind, review.scored_at
        self._session.flush()

    def add_correction(self, review: SecondReview) -> SecondReview:
        """Add an entry that replaces another, and return it with its number."""
        row = SecondReviewRow(
            report_id=review.report_id,
            week=review.week,
            with_draft=review.with_draft,
            drawn_at=review.drawn_at,
            reviewer_id=review.reviewer_id,
            taken_at=review.taken_at,
            score=None if review.score is None else review.score.value,
            comment=review.comment,
            was_blind=review.was_blind,
            scored_at=review.scored_at,
            corrects=review.corrects,
        )
        self._session.add(row)
        self._session.flush()
        return _as_review(row, review.study_uid)

    def is_corrected(self, review_id: int) -> bool:
        """Tell whether another entry replaces this one."""
        wanted = select(SecondReviewRow.id).where(SecondReviewRow.corrects == review_id)
        return self._session.scalars(wanted).one_or_none() is not None

    def waiting(self, user_id: int | None) -> tuple[SecondReview, ...]:
        """Return what is not scored and was not signed by this person, the oldest first."""
        own = exists().where(
            AttestationRow.report_id == SecondReviewRow.report_id, AttestationRow.user_id == user_id
        )
        wanted = _REVIEWS.where(SecondReviewRow.score.is_(None), ~own).order_by(SecondReviewRow.id)
        return self._read(wanted)

    def scored(self, *, since: datetime | None = None) -> tuple[SecondReview, ...]:
        """Return every scored entry from a time on, the newest first; a correction counts by its own time."""
        wanted = _REVIEWS.where(SecondReviewRow.score.is_not(None)).order_by(SecondReviewRow.id.desc())
        return self._read(wanted if since is None else wanted.where(SecondReviewRow.scored_at >= since))

    def scored_of_signer(self, user_id: int, *, since: datetime) -> tuple[SecondReview, ...]:
        """Return the scored entries about reports that this person made final, the newest first."""
        own = exists().where(
            AttestationRow.report_id == SecondReviewRow.report_id,
            AttestationRow.user_id == user_id,
            AttestationRow.meaning == Meaning.FINAL.value,
        )
        wanted = _REVIEWS.where(own, SecondReviewRow.scored_at >= since)
        return self._read(wanted.order_by(SecondReviewRow.id.desc()))

    def signed_by(self, report_id: int, user_id: int | None) -> bool:
        """Tell whether this person's signature stands under the report or an amendment of it."""
        wanted = select(AttestationRow.id).where(
            AttestationRow.report_id == report_id, AttestationRow.user_id == user_id
        )
        return self._session.scalars(wanted.limit(1)).one_or_none() is not None

    def blind_review_of(self, user_id: int | None, username: str, study_uid: str) -> int | None:
        """Return the review of a study that this person has not handed in and still reads blind, if any."""
        wanted = _REVIEWS.where(
            SecondReviewRow.score.is_(None),
            SecondReviewRow.reviewer_id == user_id,
            ReportRow.study_uid == study_uid,
        )
        held = self._read(wanted.order_by(SecondReviewRow.id).limit(1))
        if not held or self.was_opened_otherwise(username, study_uid):
            return None
        return held[0].review_id

    def was_opened_otherwise(self, username: str, study_uid: str) -> bool:
        """Tell whether this person has opened the study other than for its second review."""
        wanted = select(AuditRow.seq).where(
            AuditRow.event == AuditEvent.STUDY_OPENED.value,
            AuditRow.username == username,
            AuditRow.study_uid == study_uid,
            ~AuditRow.detail.has_key("second_review_id"),
        )
        return self._session.scalars(wanted.limit(1)).one_or_none() is not None

    def _read(self, wanted: Select[SecondReviewRow, str]) -> tuple[SecondReview, ...]:
        return tuple(_as_review(row, study_uid) for row, study_uid in self._session.execute(wanted))


def _as_review(row: SecondReviewRow, study_uid: str) -> SecondReview:
    return SecondReview(
        review_id=row.id,
        report_id=row.report_id,
        study_uid=study_uid,
        week=row.week,
        with_draft=row.with_draft,
        drawn_at=row.drawn_at,
        reviewer_id=row.reviewer_id,
        taken_at=row.taken_at,
        score=None if row.score is None else Score(row.score),
        comment=row.comment,
        was_blind=row.was_blind,
        scored_at=row.scored_at,
        corrects=row.corrects,
    )
