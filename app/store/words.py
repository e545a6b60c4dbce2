"""The department's own words for the checks: every version stays, the latest is in force."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.department_words import DepartmentWords, WordsVersion
from app.store.tables_templates import DepartmentWordsRow

_LOCK = func.pg_advisory_xact_lock(func.hashtext("department words"))


class Words:
    """The department's words as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock(self) -> None:
        """Let one writer at a time decide what the next version is."""
        self._session.execute(select(_LOCK))

    def in_force(self) -> WordsVersion | None:
        """Return the latest version; None when there was never one."""
        latest = select(DepartmentWordsRow).order_by(DepartmentWordsRow.version.desc()).limit(1)
        row = self._session.scalars(latest).one_or_none()
        return None if row is None else _as_version(row)

    def versions(self, *, limit: int) -> tuple[WordsVersion, ...]:
        """Return the latest versions, the newest first."""
        newest = select(DepartmentWordsRow).order_by(DepartmentWordsRow.version.desc()).limit(limit)
        return tuple(_as_version(row) for row in self._session.scalars(newest))

    def add(self, content: DepartmentWords, *, version: int, username: str, now: datetime) -> WordsVersion:
        """Add a version under its number, which no other one has."""
        row = DepartmentWordsRow(version=version, content=content.to_json(), username=username, at=now)
        self._session.add(row)
        self._session.flush()
        return _as_version(row)


def _as_version(row: DepartmentWordsRow) -> WordsVersion:
    return WordsVersion(row.version, DepartmentWords.of_json(row.content), row.username, row.at)
