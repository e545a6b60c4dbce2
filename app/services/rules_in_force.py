"""The rules that are in force: those of the file, or the last good ones while the file is broken.

The file is the source. A version that was in force is kept in the database, whoever changed the file; so a
broken file, also at start, leaves the rules as they were. Without any version there are no rules: every study
is drafted and goes to the worklist.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.domain.access import Actor, service_actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import RulesBroken
from app.domain.routing import Targets
from app.domain.rule_version import NO_RULES, digest_of
from app.domain.rules import RuleSet
from app.domain.rules_toml import read_rules
from app.services.rules_file import State, read_file, state_of
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


@dataclass
class RulesInForce:
    """The rules of one process, looked at again whenever the file changes.

    Attributes
    ----------
    problem
        Why the file is not in force; empty when it is.
    """

    path: Path
    targets: Targets
    problem: str = field(default="", init=False)
    _rules: RuleSet | None = field(default=None, init=False)
    _seen: State = field(default=None, init=False)

    def refresh(self, store: Store, *, now: datetime) -> RuleSet:
        """Return the rules in force; a change made by hand is put on record first.

        Raises
        ------
        DatabaseUnavailable
            Nothing has changed then: ask again.
        """
        state = state_of(self.path)
        if self._rules is None or state != self._seen:
            self._rules, self.problem = self._load(store, now)
            self._seen = state
        return self._rules

    def _load(self, store: Store, now: datetime) -> tuple[RuleSet, str]:
        try:
            content = read_file(self.path)
            rules = read_rules(content, targets=self.targets)
        except RulesBroken as error:
            return (self._rules or last_good(store)), str(error)
        with store.begin() as tx:
            put_into_force(tx, service_actor("listener"), content, origin="file", now=now)
        return rules, ""


def last_good(store: Store) -> RuleSet:
    """Return the rules of the newest version; its destinations may be gone from the settings by now."""
    with store.begin() as tx:
        version = tx.rules.newest()
    try:
        return read_rules(version.content) if version is not None else RuleSet()
    except RulesBroken:  # written by a release with other names or functions
        return RuleSet()


def put_into_force(tx: UnitOfWork, actor: Actor, content: bytes, *, origin: str, now: datetime) -> bool:
    """Record a content of the file as the version in force; False when it is that already.

    Parameters
    ----------
    origin
        ``file`` for a change by hand, ``reading room`` for one that was saved there.
    """
    tx.rules.take_turn()
    newest = tx.rules.newest()
    old, new = NO_RULES if newest is None else newest.sha256, digest_of(content)
    if old == new:
        return False
    restricts = read_rules(content).may_restrict
    tx.rules.add(content, username=actor.username, restricts=restricts, now=now)
    detail = {"old_sha256": old, "new_sha256": new, "bytes": len(content), "origin": origin}
    tx.audit.append(AuditFact(event=AuditEvent.RULES_CHANGED, actor=actor, at=now, detail=detail))
    return True
