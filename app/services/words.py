"""The department's own words for the checks: read, and edited as new versions."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.department_words import DepartmentWords, WordsVersion
from app.domain.errors import Conflict
from app.services.permission import permit
from app.store.engine import Store

MOST_VERSIONS = 20


def words_versions(store: Store, actor: Actor, *, now: datetime) -> tuple[WordsVersion, ...]:
    """Return the latest versions of the department's words, the one in force first.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.MANAGE_WORDS, now=now)
    with store.begin() as tx:
        return tx.words.versions(limit=MOST_VERSIONS)


def save_words(
    store: Store, actor: Actor, content: DepartmentWords, *, version: int, now: datetime
) -> WordsVersion:
    """Keep a new version of the department's words; the next check of any report reads with it.

    Parameters
    ----------
    version
        The version that was edited; 0 when there was none.

    Raises
    ------
    NotAuthorised
    Rejected
        Naming every mistake in it, a line each.
    Conflict
        If somebody else has edited them meanwhile, or nothing is changed.
    """
    permit(store, actor, Action.MANAGE_WORDS, now=now)
    content = content.tidied()
    with store.begin() as tx:
        tx.words.lock()
        before = tx.words.in_force()
        if before is not None and before.version != version:
            raise Conflict(f"{before.username} has edited the words meanwhile: open version {before.version}")
        if (DepartmentWords() if before is None else before.content) == content:
            raise Conflict("nothing is changed")
        number = 1 if before is None else before.version + 1
        kept = tx.words.add(content, version=number, username=actor.username, now=now)
        detail = {"version": number, **content.counts()}
        tx.audit.append(AuditFact(event=AuditEvent.WORDS_CHANGED, actor=actor, at=now, detail=detail))
        return kept
