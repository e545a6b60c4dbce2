"""What stands beside a draft: its embedding, and the questions that readers put to the images."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import JSON, Base


class EmbeddingRow(Base):
    """The embedding of a drafted study: float32, little-endian, of length one."""

    __tablename__ = "draft_embeddings"
    __table_args__ = (Index("draft_embeddings_by_space", "space", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id"), unique=True)
    study_uid: Mapped[str] = mapped_column(String(64), ForeignKey("studies.study_uid"), index=True)
    # digest of what makes two embeddings comparable
    space: Mapped[str] = mapped_column(String(64))
    vector: Mapped[bytes]
    made_at: Mapped[datetime]


class QuestionRow(Base):
    """A question to the images of a study, and what the model said to it."""

    __tablename__ = "questions"
    __table_args__ = (
        Index("questions_of_study", "study_uid", "id"),
        Index("questions_by_person", "user_id", "asked_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(64), ForeignKey("studies.study_uid"))
    revision: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    answer: Mapped[JSON]
    model: Mapped[JSON]
    asked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
