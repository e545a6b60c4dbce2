"""What people have set for themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.store.tables_preferences import PreferenceRow


class Preferences:
    """Preferences as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, user_id: int, name: str) -> Any:
        """Return what a person has set under a name; None when nothing is."""
        wanted = select(PreferenceRow.value).where(
            PreferenceRow.user_id == user_id, PreferenceRow.name == name
        )
        return self._session.scalar(wanted)

    def put(self, user_id: int, name: str, value: Any, *, now: datetime) -> None:
        """Keep a value in place of the one before."""
        kept = insert(PreferenceRow).values(user_id=user_id, name=name, value=value, set_at=now)
        self._session.execute(
            kept.on_conflict_do_update(
                index_elements=["user_id", "name"], set_={"value": value, "set_at": now}
            )
        )
