"""Emergency access ("break-glass"): one reader, one restricted study, a reason, and an end from the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.machine import advance

DEFAULT_DURATION = timedelta(minutes=60)


class EmergencyState(StrEnum):
    """Life of an emergency access."""

    RUNNING = "RUNNING"
    ENDED = "ENDED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class EmergencyCommand(StrEnum):
    """The reader ends it, its time passes, or an administrator takes it away."""

    END = "end"
    EXPIRE = "expire"
    REVOKE = "revoke"


_S, _C = EmergencyState, EmergencyCommand
EMERGENCY_TRANSITIONS: Mapping[tuple[EmergencyState, EmergencyCommand], EmergencyState] = {
    (_S.RUNNING, _C.END): _S.ENDED,
    (_S.RUNNING, _C.EXPIRE): _S.EXPIRED,
    (_S.RUNNING, _C.REVOKE): _S.REVOKED,
}


@dataclass(frozen=True)
class EmergencyAccess:
    """One emergency access.

    Attributes
    ----------
    reason
        What the reader typed; it may name the patient, and goes into no log and no alert.
    ends_at
        From then on it opens nothing, whether or not its end is on record yet.
    ended_at, ended_by
        None and empty while it runs.
    """

    emergency_id: int
    study_uid: str
    user_id: int
    username: str
    reason: str
    state: EmergencyState
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_by: str

    def opens(self, *, now: datetime) -> bool:
        """Tell whether it opens its study at this moment."""
        return self.state is EmergencyState.RUNNING and now < self.ends_at

    def end(self, command: EmergencyCommand, username: str, *, now: datetime) -> EmergencyAccess:
        """Return it as ended; after its time it has expired, whoever ends it.

        Raises
        ------
        InvalidTransition
            If it has ended already.
        """
        if now >= self.ends_at:
            command = EmergencyCommand.EXPIRE
        state = advance(EMERGENCY_TRANSITIONS, self.state, command)
        return replace(self, state=state, ended_at=now, ended_by=username)
