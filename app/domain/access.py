"""Who may do what: roles, actions, and the one table that joins them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import NotAuthorised


class Role(StrEnum):
    """A person's role; SERVICE is a process of ours and can never sign."""

    VIEWER = "viewer"
    RESIDENT = "resident"
    ATTENDING = "attending"
    ADMIN = "admin"
    AUDITOR = "auditor"
    SERVICE = "service"


class Action(StrEnum):
    """An act that needs a permission."""

    LIST_STUDIES = "list studies"
    OPEN_STUDY = "open study"
    EDIT_REPORT = "edit report"
    SIGN_PRELIMINARY = "sign preliminary"
    SIGN_FINAL = "sign final"
    TAKE_OVER = "take over"
    ADD_ADDENDUM = "add addendum"
    CORRECT_REPORT = "correct report"
    WITHDRAW_REPORT = "withdraw report"
    HANDLE_CRITICAL = "handle critical result"
    VIEW_QUALITY = "view quality"
    SECOND_REVIEW = "second review"
    VIEW_AUDIT = "view audit"
    EXPORT_AUDIT = "export audit"
    MANAGE_USERS = "manage users"
    VIEW_OPERATIONS = "view operations"
    RETRY_WORK = "retry work"
    MANAGE_RULES = "manage rules"
    STORE_INSTANCES = "store instances"
    MANAGE_QUARANTINE = "manage quarantine"
    HOLD_STUDY = "hold study"
    HOLD_PATIENT = "hold patient"
    EXPORT_PATIENT = "export patient"
    ERASE_PATIENT = "erase patient"
    OWN_ACCOUNT = "own account"
    EMERGENCY_ACCESS = "start emergency access"
    MANAGE_ACCESS = "manage study access"
    VIEW_MODELS = "view AI models"
    STOP_MODEL = "stop AI model"
    RESUME_MODEL = "resume AI model"
    MANAGE_TEMPLATES = "manage templates"
    MANAGE_WORDS = "manage words"
    ASK_MODEL = "ask the AI"
    FIND_SIMILAR = "find similar studies"


_READ = {
    Action.LIST_STUDIES,
    Action.OPEN_STUDY,
    Action.EMERGENCY_ACCESS,
    Action.OWN_ACCOUNT,
    Action.VIEW_MODELS,
}
_WRITE = {
    Action.EDIT_REPORT,
    Action.SIGN_PRELIMINARY,
    Action.TAKE_OVER,
    Action.STORE_INSTANCES,
    Action.HANDLE_CRITICAL,
    Action.ASK_MODEL,
    Action.FIND_SIMILAR,
}
_FINAL = {Action.SIGN_FINAL, Action.ADD_ADDENDUM, Action.CORRECT_REPORT, Action.WITHDRAW_REPORT}
PERMISSIONS: Mapping[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset(_READ),
    Role.RESIDENT: frozenset(_READ | _WRITE),
    Role.ATTENDING: frozenset(
        _READ | _WRITE | _FINAL | {Action.VIEW_QUALITY, Action.SECOND_REVIEW, Action.STOP_MODEL}
    ),
    Role.ADMIN: frozenset(
        {
            Action.LIST_STUDIES,
            Action.VIEW_QUALITY,
            Action.MANAGE_USERS,
            Action.VIEW_OPERATIONS,
            Action.RETRY_WORK,
            Action.MANAGE_RULES,
            Action.STORE_INSTANCES,
            Action.MANAGE_QUARANTINE,
            Action.HOLD_STUDY,
            Action.HOLD_PATIENT,
            Action.EXPORT_PATIENT,
            Action.ERASE_PATIENT,
            Action.OWN_ACCOUNT,
            Action.MANAGE_ACCESS,
            Action.VIEW_MODELS,
            Action.STOP_MODEL,
            Action.RESUME_MODEL,
            Action.MANAGE_TEMPLATES,
            Action.MANAGE_WORDS,
        }
    ),
    Role.AUDITOR: frozenset({Action.VIEW_AUDIT, Action.EXPORT_AUDIT, Action.OWN_ACCOUNT, Action.VIEW_MODELS}),
    Role.SERVICE: frozenset(
        {
            Action.RETRY_WORK,
            Action.EXPORT_AUDIT,
            Action.VIEW_AUDIT,
            Action.MANAGE_USERS,
            Action.VIEW_OPERATIONS,
            Action.HOLD_STUDY,
            Action.HOLD_PATIENT,
            Action.EXPORT_PATIENT,
            Action.ERASE_PATIENT,
            Action.MANAGE_ACCESS,
        }
    ),
}


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where; every use case takes one.

    Attributes
    ----------
    source
        Network address of the browser, or the host and process of a service.
    groups
        Study groups that the settings give a machine; those of a person are in the database.
    """

    username: str
    printed_name: str
    role: Role
    source: str
    user_id: int | None = None
    session_id: int | None = None
    groups: tuple[str, ...] = ()


def service_actor(process: str) -> Actor:
    """Return the actor of one of our own processes, for example ``listener``."""
    return Actor(username=f"janus-med/{process}", printed_name="Janus-Med", role=Role.SERVICE, source=process)


def may(role: Role, action: Action) -> bool:
    """Tell whether the role allows the action."""
    return action in PERMISSIONS[role]


def require(actor: Actor, action: Action) -> None:
    """Raise `NotAuthorised` unless the actor's role allows the action."""
    if not may(actor.role, action):
        raise NotAuthorised(f"the role {actor.role.value} may not {action.value}")
