"""The table of AI models that were loaded here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class ModelRow(Base):
    """One version of a model: its id with the digests of weights and adapters."""

    __tablename__ = "ai_models"
    __table_args__ = (
        UniqueConstraint("model_id", "weights_sha256", "adapters_sha256", name="uq_ai_models_identity"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[str]
    weights_sha256: Mapped[str]
    adapters_sha256: Mapped[str]
    preset: Mapped[str]
    card: Mapped[str]
    first_loaded_at: Mapped[datetime]
    last_loaded_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[str] = mapped_column(default="")
    stop_reason: Mapped[str] = mapped_column(default="")
