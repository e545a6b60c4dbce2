"""The tables of second factors, and of tokens that count once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class SecondFactorRow(Base):
    """The secret of an account's one-time passwords, sealed, and the last time step that was used."""

    __tablename__ = "second_factors"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    secret: Mapped[str]
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class RecoveryCodeRow(Base):
    """A recovery code that was not used yet, as a keyed hash."""

    __tablename__ = "recovery_codes"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)


class UsedTokenRow(Base):
    """What a provider's token was known by (nonce, jti), so that it counts once."""

    __tablename__ = "used_tokens"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime]
