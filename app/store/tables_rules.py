"""The table of the routing rules that were in force."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class RuleVersionRow(Base):
    """One content of the rules file; never changed, never deleted, the newest is in force."""

    __tablename__ = "rule_versions"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes]
    username: Mapped[str]
    at: Mapped[datetime]
    # whether a study waits for its rules before readers see it
    restricts: Mapped[bool] = mapped_column(default=False, server_default=false())
