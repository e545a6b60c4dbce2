"""Which studies a reader may open: all, but those that are restricted to groups the reader is not in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.access import Action, Actor, may
from app.domain.errors import Rejected
from app.domain.report import clean_text

LONGEST_GROUP = 40


@dataclass(frozen=True)
class Reader:
    """Whom a restriction binds.

    Attributes
    ----------
    user_id
        The account; None for a machine.
    groups
        Of a machine, by its settings; a person's are in the database.
    """

    user_id: int | None
    groups: tuple[str, ...] = ()


def reader_of(actor: Actor) -> Reader | None:
    """Return whom a restriction binds; None for a role that opens no study, and is shown no images."""
    return Reader(actor.user_id, actor.groups) if may(actor.role, Action.OPEN_STUDY) else None


@dataclass(frozen=True)
class StudyGroup:
    """A group, the user names in it, and how many studies are restricted to it."""

    name: str
    members: tuple[str, ...]
    studies: int


@dataclass(frozen=True)
class Restriction:
    """Who may open a study.

    Attributes
    ----------
    groups
        Names of the groups whose members may; empty opens it to every reader.
    by_hand
        Whether a person decided: rules do not change that any more.
    reason
        The person's; empty for a rule.
    """

    groups: frozenset[str]
    by_hand: bool
    reason: str
    username: str
    decided_at: datetime


@dataclass(frozen=True)
class MaskedStudy:
    """A restricted study as a reader outside of its groups finds it: what to choose it by, nobody's name."""

    study_uid: str
    study_date: str
    modality: str


def name_group(text: str) -> str:
    """Return the name of a group in lower case.

    Raises
    ------
    Rejected
        If it is empty, too long, or no plain line.
    """
    name = clean_text(text).lower()
    if not name or len(name) > LONGEST_GROUP or not name.isprintable():
        raise Rejected(f"a group has a name of 1 to {LONGEST_GROUP} characters")
    return name
