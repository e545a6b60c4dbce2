"""What an administrator decides about access: groups, who is in them, and which studies they guard."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import Conflict, NotFound
from app.domain.reason import give_reason
from app.domain.study import Study
from app.domain.study_access import Restriction, StudyGroup, name_group
from app.services.facts import fact_about
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def list_groups(store: Store, actor: Actor, *, now: datetime) -> tuple[StudyGroup, ...]:
    """Return every group, by name.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now)
    with store.begin() as tx:
        return tx.access.groups()


def add_group(store: Store, actor: Actor, name: str, *, now: datetime) -> str:
    """Add a group without members; return its name.

    Raises
    ------
    NotAuthorised, Rejected, Conflict
        If the role may not, the name is none, or taken.
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now)
    name = name_group(name)
    with store.begin() as tx:
        if not tx.access.add_group(name, now=now):
            raise Conflict(f"there is a group {name} already")
        _record(tx, AuditEvent.GROUP_ADDED, actor, {"group": name}, now)
    return name


def remove_group(store: Store, actor: Actor, name: str, *, now: datetime) -> None:
    """Remove a group that guards no study.

    Raises
    ------
    NotAuthorised, NotFound, Conflict
        If the role may not, there is no such group, or studies are restricted to it.
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now)
    name = name_group(name)
    with store.begin() as tx:
        tx.access.remove_group(name)
        _record(tx, AuditEvent.GROUP_REMOVED, actor, {"group": name}, now)


def change_member(
    store: Store, actor: Actor, name: str, username: str, *, is_member: bool, now: datetime
) -> bool:
    """Put an account into a group or take it out, from the next act on; False when it stands so already.

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not, or there is no such group or account.
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now)
    name = name_group(name)
    with store.begin() as tx:
        user = tx.users.by_username(username)
        if user is None:
            raise NotFound(f"there is no user {username[:40]!r}")
        change = tx.access.add_member if is_member else tx.access.remove_member
        if not change(name, user.user_id):
            return False
        detail = {"group": name, "added" if is_member else "removed": user.username}
        _record(tx, AuditEvent.GROUP_CHANGED, actor, detail, now)
        return True


def restrict_study(
    store: Store, actor: Actor, study_uid: str, groups: Collection[str], reason: str, *, now: datetime
) -> Restriction:
    """Restrict a study to groups by hand, or with none open it to every reader; rules leave it alone then.

    Raises
    ------
    NotAuthorised, NotFound, Rejected
        If the role may not, there is no such study or group, or the reason is missing.
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now, study_uid=study_uid)
    reason = give_reason(reason, "a restriction")
    names = frozenset(name_group(name) for name in groups)
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        decided = Restriction(names, True, reason, actor.username, now)
        tx.audit.append(_decide(tx, actor, study, decided))
        return decided


def restriction_of(store: Store, actor: Actor, study_uid: str, *, now: datetime) -> Restriction | None:
    """Return what was decided about a study; None when nothing was.

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not, or there is no such study.
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now, study_uid=study_uid)
    with store.begin() as tx:
        return tx.access.restriction(tx.studies.get(study_uid).study_uid)


def name_study(store: Store, actor: Actor, text: str, *, now: datetime) -> str:
    """Return the UID of the one study with this accession number or StudyInstanceUID.

    Raises
    ------
    NotAuthorised, NotFound, Conflict
        If the role may not, there is none, or several have that accession number.
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now)
    text = text.strip()
    with store.begin() as tx:
        found = tx.studies.of_accession(text) if text else ()
        if len(found) > 1:
            raise Conflict(f"{len(found)} studies have this accession number: name the StudyInstanceUID")
        return found[0] if found else tx.studies.get(text).study_uid


def restrict_by_rule(
    tx: UnitOfWork, actor: Actor, study: Study, groups: Collection[str], *, now: datetime
) -> list[AuditFact]:
    """Restrict a study with the caller's transaction, as the routing rules say; return what to record.

    What was decided once stays, by whomever: a late image opens nothing and closes nothing. A group that
    nobody has made yet is made, without members: nobody sees the study until an administrator says who may.
    """
    before = tx.access.restriction(study.study_uid)
    if not groups or before is not None:
        return []
    made = [name for name in groups if tx.access.add_group(name, now=now)]
    decided = Restriction(frozenset(groups), False, "", actor.username, now)
    restricted = _decide(tx, actor, study, decided)
    return [*(_fact(AuditEvent.GROUP_ADDED, actor, {"group": name}, now) for name in made), restricted]


def _decide(tx: UnitOfWork, actor: Actor, study: Study, decided: Restriction) -> AuditFact:
    tx.access.restrict(study.study_uid, decided)
    event = AuditEvent.STUDY_RESTRICTED if decided.groups else AuditEvent.STUDY_UNRESTRICTED
    detail = {"groups": sorted(decided.groups), "by": "hand" if decided.by_hand else "rule"}
    return fact_about(tx, study, event, actor, now=decided.decided_at, detail=detail)


def _record(
    tx: UnitOfWork, event: AuditEvent, actor: Actor, detail: Mapping[str, str], now: datetime
) -> None:
    tx.audit.append(_fact(event, actor, detail, now))


def _fact(event: AuditEvent, actor: Actor, detail: Mapping[str, str], now: datetime) -> AuditFact:
    return AuditFact(event=event, actor=actor, at=now, detail=detail)
