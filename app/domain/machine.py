"""One way to walk every state machine of the project: a dict of `(state, command) -> state`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from app.domain.errors import InvalidTransition

State = TypeVar("State", bound=StrEnum)
Command = TypeVar("Command", bound=StrEnum)


def advance(table: Mapping[tuple[State, Command], State], state: State, command: Command) -> State:
    """Return the state that `command` leads to.

    Raises
    ------
    InvalidTransition
        If the table has no arrow for the pair; nothing has changed then.
    """
    try:
        return table[(state, command)]
    except KeyError:
        raise InvalidTransition(
            f"{type(state).__name__} {state.value} does not allow {command.value}"
        ) from None
