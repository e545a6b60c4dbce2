"""The versions of the routing rules."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.rule_version import RuleVersion, digest_of
from app.store.tables_rules import RuleVersionRow

_TURN = 0x72756C65


class RuleVersions:
    """Versions of the rules as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def newest(self) -> RuleVersion | None:
        """Return the version in force; None before there was any."""
        found = self.latest(1)
        return found[0] if found else None

    def latest(self, count: int) -> tuple[RuleVersion, ...]:
        """Return the last versions, the newest first."""
        wanted = select(RuleVersionRow).order_by(RuleVersionRow.id.desc()).limit(count)
        return tuple(
            RuleVersion(row.id, row.sha256, bytes(row.content), row.username, row.at)
            for row in self._session.scalars(wanted)
        )

    def take_turn(self) -> None:
        """Wait until no other transaction changes the rules; held until this one ends."""
        self._session.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})

    def add(self, content: bytes, *, username: str, restricts: bool, now: datetime) -> None:
        """Put a version into force.

        Parameters
        ----------
        restricts
            Whether it may restrict a study: until its rules are asked, no reader sees one then.
        """
        self._session.add(
            RuleVersionRow(
                sha256=digest_of(content), content=content, username=username, restricts=restricts, at=now
            )
        )
        self._session.flush()
