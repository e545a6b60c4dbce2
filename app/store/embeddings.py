"""Embeddings of drafted studies, and which of them stand under a signed report that a reader may open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.domain.ai_model import ModelIdentity
from app.domain.embedding import StudyEmbedding
from app.domain.patient_data import PatientKey
from app.domain.report import FINAL, ReportState
from app.domain.retention import SELF_TEST_TITLE
from app.domain.similar import SignedNeighbour
from app.domain.study_access import Reader
from app.store.study_access import open_to
from app.store.study_rows import CorrectedPatient, with_patients
from app.store.tables import DraftRow, PatientRow, ReportRow, StudyRow, UserRow
from app.store.tables_context import EmbeddingRow

_PATIENTS = (
    PatientRow.patient_id,
    PatientRow.issuer,
    CorrectedPatient.patient_id,
    CorrectedPatient.issuer,
)
_IN_FORCE = tuple(state.value for state in FINAL if state is not ReportState.WITHDRAWN)


class Embeddings:
    """Embeddings as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, draft_id: int, study_uid: str, embedding: StudyEmbedding, *, now: datetime) -> None:
        """Keep the embedding of a draft under a new number: whoever reads by number sees the change."""
        self._session.execute(delete(EmbeddingRow).where(EmbeddingRow.draft_id == draft_id))
        row = EmbeddingRow(
            draft_id=draft_id,
            study_uid=study_uid,
            space=embedding.space,
            vector=embedding.vector,
            made_at=now,
        )
        self._session.add(row)
        self._session.flush()

    def of_study(self, study_uid: str) -> StudyEmbedding | None:
        """Return the embedding of the newest draft of a study; None when there is none."""
        newest = (
            select(EmbeddingRow.space, EmbeddingRow.vector)
            .where(EmbeddingRow.study_uid == study_uid)
            .order_by(EmbeddingRow.id.desc())
            .limit(1)
        )
        row = self._session.execute(newest).one_or_none()
        return None if row is None else StudyEmbedding(row.space, row.vector)

    def missing(self, identity: ModelIdentity, *, before: int | None, most: int) -> tuple[int, ...]:
        """Return the numbers of a model's newest drafts that have no embedding."""
        model = {
            "id": identity.model_id,
            "weights_sha256": identity.weights_sha256,
            "adapters_sha256": identity.adapters_sha256,
        }
        wanted = select(DraftRow.id).where(
            DraftRow.status == "drafted",
            DraftRow.model.contains(model),
            DraftRow.id.not_in(select(EmbeddingRow.draft_id)),
        )
        if before is not None:
            wanted = wanted.where(DraftRow.id < before)
        return tuple(self._session.scalars(wanted.order_by(DraftRow.id.desc()).limit(most)))

    def version(self, space: str) -> tuple[int, int]:
        """Return how many embeddings a space has and the highest number: equal while nothing has changed."""
        counted = select(func.count(), func.coalesce(func.max(EmbeddingRow.id), 0))
        count, highest = self._session.execute(counted.where(EmbeddingRow.space == space)).one()
        return count, highest

    def block(self, space: str, *, after: int, most: int) -> tuple[tuple[int, bytes], ...]:
        """Return number and vector of the next embeddings of a space, by number."""
        wanted = select(EmbeddingRow.id, EmbeddingRow.vector).where(
            EmbeddingRow.space == space, EmbeddingRow.id > after
        )
        rows = self._session.execute(wanted.order_by(EmbeddingRow.id).limit(most))
        return tuple((number, vector) for number, vector in rows)

    def newest_from(self, space: str, *, most: int) -> int:
        """Return the number after which the newest `most` embeddings of a space begin."""
        wanted = select(EmbeddingRow.id).where(EmbeddingRow.space == space).order_by(EmbeddingRow.id.desc())
        return self._session.scalar(wanted.offset(most).limit(1)) or 0

    def signed_among(
        self, numbers: Sequence[int], *, reader: Reader | None, now: datetime
    ) -> tuple[SignedNeighbour, ...]:
        """Return those of the embeddings that stand under a signed report in force that a reader may open.

        Their order is none.
        """
        wanted = (
            with_patients(
                select(EmbeddingRow.id, EmbeddingRow.study_uid, ReportRow.id, *_PATIENTS).select_from(
                    StudyRow
                )
            )
            .join(EmbeddingRow, EmbeddingRow.study_uid == StudyRow.study_uid)
            .join(DraftRow, DraftRow.id == EmbeddingRow.draft_id)
            .join(
                ReportRow,
                (ReportRow.study_uid == StudyRow.study_uid) & (ReportRow.revision == DraftRow.revision),
            )
            .where(
                EmbeddingRow.id.in_(numbers),
                ReportRow.state.in_(_IN_FORCE),
                StudyRow.calling_ae != SELF_TEST_TITLE,
            )
        )
        if reader is not None:
            wanted = wanted.where(open_to(reader, now=now))
        return tuple(_as_neighbour(*row) for row in self._session.execute(wanted))

    def staff_names(self) -> tuple[str, ...]:
        """Return the printed name of everybody who has, or had, an account."""
        return tuple(self._session.scalars(select(UserRow.printed_name)))


def _as_neighbour(number: int, study_uid: str, report_id: int, *names: str | None) -> SignedNeighbour:
    imaged, recorded = names[:2], names[2:]
    keys = {PatientKey(*pair) for pair in (imaged, recorded) if pair[0]}  # type: ignore[arg-type]
    return SignedNeighbour(number, study_uid, report_id, frozenset(keys))
