"""Second factors: sealed secrets, time steps that count once, recovery codes; and tokens that count once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.access import Role
from app.domain.account import User
from app.store.tables import SessionRow, UserRow
from app.store.tables_login import RecoveryCodeRow, SecondFactorRow, UsedTokenRow
from app.store.users import as_user
from app.store.vault import Vault

_SECRET, _RECOVERY = "one-time password of account {}", "recovery code of account {}"
_REMEMBERED = timedelta(days=1)


@dataclass(frozen=True)
class SecondFactor:
    """What an account's one-time passwords are computed with.

    Attributes
    ----------
    secret
        Base32; None when the key in the keys folder does not open it.
    last_step
        Time step of the last password that was used (RFC 6238 5.2): this and earlier ones do not count.
    """

    user_id: int
    secret: str | None = field(repr=False)
    last_step: int


class SecondFactors:
    """Second factors, as part of one unit of work."""

    def __init__(self, session: Session, vault: Vault) -> None:
        self._session = session
        self._vault = vault

    def of(self, user_id: int) -> SecondFactor | None:
        """Return the second factor of an account, or None."""
        row = self._session.scalar(
            select(SecondFactorRow)
            .where(SecondFactorRow.user_id == user_id)
            .execution_options(populate_existing=True)
        )
        if row is None:
            return None
        return SecondFactor(
            user_id, self._vault.unseal(row.secret, _SECRET.format(user_id)), last_step=row.last_step
        )

    def holders(self) -> frozenset[int]:
        """Return the numbers of the accounts that have one."""
        return frozenset(self._session.scalars(select(SecondFactorRow.user_id)))

    def add(
        self, user_id: int, secret: str, recovery_codes: Sequence[str], *, step: int, now: datetime
    ) -> None:
        """Give an account its second factor; `step` is that of the password that proved it."""
        self._session.add(
            SecondFactorRow(
                user_id=user_id,
                secret=self._vault.seal(secret, _SECRET.format(user_id)),
                last_step=step,
                created_at=now,
            )
        )
        for code in recovery_codes:
            self._session.add(RecoveryCodeRow(user_id=user_id, digest=self._digest(user_id, code)))
        self._session.flush()

    def use_step(self, user_id: int, step: int) -> None:
        """Note that the password of this time step was used."""
        self._session.execute(
            update(SecondFactorRow).where(SecondFactorRow.user_id == user_id).values(last_step=step)
        )

    def use_recovery_code(self, user_id: int, code: str) -> bool:
        """Use up a recovery code; return whether it was one."""
        used = self._session.execute(
            delete(RecoveryCodeRow)
            .where(RecoveryCodeRow.user_id == user_id, RecoveryCodeRow.digest == self._digest(user_id, code))
            .returning(RecoveryCodeRow.digest)
        )
        return used.first() is not None

    def count_recovery_codes(self, user_id: int) -> int:
        """Return how many recovery codes are left."""
        digests = select(RecoveryCodeRow.digest).where(RecoveryCodeRow.user_id == user_id)
        return len(self._session.scalars(digests).all())

    def remove(self, user_id: int) -> bool:
        """Take the second factor and its recovery codes away; return whether there was one."""
        self._session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.user_id == user_id))
        removed = self._session.execute(
            delete(SecondFactorRow)
            .where(SecondFactorRow.user_id == user_id)
            .returning(SecondFactorRow.user_id)
        )
        return removed.first() is not None

    def missing(self, roles: Collection[Role]) -> tuple[User, ...]:
        """Return the accounts with a password and an open session in these roles that have none."""
        wanted = (
            select(UserRow)
            .where(UserRow.role.in_([role.value for role in roles]), UserRow.issuer == "")
            .where(~select(SecondFactorRow).where(SecondFactorRow.user_id == UserRow.id).exists())
            .where(
                select(SessionRow)
                .where(SessionRow.user_id == UserRow.id, SessionRow.ended_at.is_(None))
                .exists()
            )
        )
        return tuple(as_user(row) for row in self._session.scalars(wanted.order_by(UserRow.id)))

    def use_token(self, name: str, *, now: datetime) -> bool:
        """Note that a provider's token was used, known by `name`; return False when it was used before."""
        self._session.execute(delete(UsedTokenRow).where(UsedTokenRow.used_at < now - _REMEMBERED))
        digest = hashlib.sha256(name.encode()).hexdigest()
        added = self._session.execute(
            insert(UsedTokenRow)
            .values(digest=digest, used_at=now)
            .on_conflict_do_nothing()
            .returning(UsedTokenRow.digest)
        )
        return added.first() is not None

    def _digest(self, user_id: int, code: str) -> str:
        return self._vault.hash(code, _RECOVERY.format(user_id))
