"""Drafts: what the model made of a study revision, kept as it came."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.draft import Draft, DraftContent
from app.store.tables import DraftRow


class Drafts:
    """Drafts as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, study_uid: str, revision: int, content: DraftContent, *, now: datetime) -> int:
        """Keep what was made of a study revision and return its number.

        There is one of each status: the newer reason for having no draft takes the place of the older.
        """
        values = {
            "reason": content.reason,
            "model": dict(content.model),
            "findings": [dict(finding) for finding in content.findings],
            "sentences": [dict(sentence) for sentence in content.sentences],
            "report": dict(content.report),
            "issues": [dict(issue) for issue in content.issues],
            "timings": dict(content.timings),
            "provenance": dict(content.provenance),
            "created_at": now,
        }
        key = {"study_uid": study_uid, "revision": revision, "status": content.status}
        kept = insert(DraftRow).values(**key, **values)
        replaced = kept.on_conflict_do_update(index_elements=list(key), set_=values)
        return self._session.scalars(replaced.returning(DraftRow.id)).one()

    def get(self, draft_id: int | None) -> Draft | None:
        """Return the draft; None for None."""
        row = self._session.get(DraftRow, draft_id) if draft_id is not None else None
        return _as_draft(row) if row is not None else None

    def of_revision(self, study_uid: str, revision: int) -> tuple[Draft, ...]:
        """Return what was recorded for a study revision, oldest first."""
        wanted = select(DraftRow).where(DraftRow.study_uid == study_uid, DraftRow.revision == revision)
        return tuple(_as_draft(row) for row in self._session.scalars(wanted.order_by(DraftRow.id)))

    def supersede(self, study_uid: str, revision: int, *, now: datetime) -> None:
        """Mark the drafts of a study revision as superseded."""
        self._session.execute(
            update(DraftRow)
            .where(
                DraftRow.study_uid == study_uid,
                DraftRow.revision == revision,
                DraftRow.superseded_at.is_(None),
            )
            .values(superseded_at=now)
        )


def _as_draft(row: DraftRow) -> Draft:
    return Draft(
        draft_id=row.id,
        study_uid=row.study_uid,
        revision=row.revision,
        content=DraftContent(
            status=row.status,
            reason=row.reason,
            model=row.model,
            findings=tuple(row.findings),
            sentences=tuple(row.sentences),
            report=row.report,
            issues=tuple(row.issues),
            timings=row.timings,
            provenance=row.provenance,
        ),
        created_at=row.created_at,
        superseded_at=row.superseded_at,
    )
