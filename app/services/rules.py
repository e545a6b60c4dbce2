"""What an administrator does with the routing rules: see, check, save and try them, take a study back in."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import InvalidTransition, Rejected, RulesBroken, StaleVersion
from app.domain.routing import Targets
from app.domain.rule_version import RuleVersion, digest_of
from app.domain.rules import HeaderValues, RuleSet, Ruling, StudyFacts, decide
from app.domain.rules_toml import read_rules
from app.domain.study import Study, StudyState
from app.services.drafting import order_draft
from app.services.facts import fact_about
from app.services.permission import permit
from app.services.routing import ReadHeader, rule_on
from app.services.rules_file import read_file, write_file
from app.services.rules_in_force import put_into_force
from app.store.engine import Store

_VERSIONS = 20


@dataclass(frozen=True)
class RulesFile:
    """The file as it lies there, and what was in force.

    Attributes
    ----------
    problem
        Why the file is not in force; empty when it is.
    versions
        What was in force, the newest first.
    """

    content: bytes
    problem: str
    versions: tuple[RuleVersion, ...]

    @property
    def text(self) -> str:
        """The content for the screen."""
        return self.content.decode("utf-8", "replace")

    @property
    def sha256(self) -> str:
        """Digest of the content."""
        return digest_of(self.content)


def view_rules(store: Store, actor: Actor, path: Path, targets: Targets, *, now: datetime) -> RulesFile:
    """Return the file of the rules and what is wrong with it."""
    permit(store, actor, Action.MANAGE_RULES, now=now)
    with store.begin() as tx:
        versions = tx.rules.latest(_VERSIONS)
    try:
        content = read_file(path)
    except RulesBroken as error:
        return RulesFile(b"", str(error), versions)
    return RulesFile(content, problem_of(content, targets), versions)


def rules_problem(path: Path, targets: Targets) -> str:
    """Return why the file of the rules is not in force; empty when it is, or when there is none."""
    try:
        return problem_of(read_file(path), targets)
    except RulesBroken as error:
        return str(error)


def problem_of(content: bytes, targets: Targets) -> str:
    """Return what is wrong with a content; empty when nothing is."""
    try:
        read_rules(content, targets=targets)
    except RulesBroken as error:
        return str(error)
    return ""


def difference(old: str, new: str) -> str:
    """Return the lines that differ, as a unified diff."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "in the file", "edited", lineterm="")
    return "\n".join(lines)


def save_rules(
    store: Store,
    actor: Actor,
    path: Path,
    content: bytes,
    *,
    read_sha256: str,
    targets: Targets,
    now: datetime,
) -> bool:
    """Write the file of the rules; listeners take it up within a second.

    The record is written first and the file last: if the transaction fails after that, the listener finds
    the new file and records it as changed by hand.

    Parameters
    ----------
    read_sha256
        Digest of the content that the person began with.

    Returns
    -------
    bool
        False when the content is in force already.

    Raises
    ------
    NotAuthorised
        If the role may not.
    RulesBroken
        Naming every mistake; nothing was written.
    StaleVersion
        If somebody else has changed the file meanwhile.
    """
    permit(store, actor, Action.MANAGE_RULES, now=now)
    read_rules(content, targets=targets)
    with store.begin() as tx:
        tx.rules.take_turn()
        if digest_of(_present(path)) != read_sha256:
            raise StaleVersion("the file was changed since you opened it: open it again")
        is_new = put_into_force(tx, actor, content, origin="reading room", now=now)
        try:
            write_file(path, content)
        except OSError as error:
            raise Rejected(f"the file cannot be written: {error.strerror}") from error
        return is_new


def _present(path: Path) -> bytes:
    try:
        return read_file(path)
    except RulesBroken:
        return b""


def try_rules(
    store: Store, actor: Actor, rules: RuleSet, study_uid: str, read_header: ReadHeader, *, now: datetime
) -> Ruling:
    """Return what the rules would decide for a study of the worklist, with the values that they read.

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not, or there is no such study.
    """
    permit(store, actor, Action.MANAGE_RULES, now=now, study_uid=study_uid)
    with store.begin() as tx:
        study = tx.studies.get(study_uid)
        instances = tx.studies.instances(study_uid, up_to_revision=study.revision)
        detail = {"rules_sha256": rules.sha256}
        # the values shown are the patient's
        tx.audit.append(fact_about(tx, study, AuditEvent.RULES_TESTED, actor, now=now, detail=detail))
    return rule_on(rules, study, instances, read_header)


def try_rules_on_file(
    store: Store, actor: Actor, rules: RuleSet, facts: StudyFacts, header: HeaderValues, *, now: datetime
) -> Ruling:
    """Return what the rules would decide for a file that the person has brought along."""
    permit(store, actor, Action.MANAGE_RULES, now=now)
    with store.begin() as tx:
        detail = {"rules_sha256": rules.sha256}
        tx.audit.append(AuditFact(event=AuditEvent.RULES_TESTED, actor=actor, at=now, detail=detail))
    return decide(rules, facts, header)


def include_study(store: Store, actor: Actor, study_uid: str, *, now: datetime) -> Study:
    """Take an excluded study into the worklist after all, and order its draft.

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not, or there is no such study.
    InvalidTransition
        If it is not excluded.
    """
    permit(store, actor, Action.MANAGE_RULES, now=now, study_uid=study_uid)
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        if study.state is not StudyState.EXCLUDED:
            raise InvalidTransition(f"the study is {study.state.value.lower()}, not excluded")
        routing = None if study.routing is None else replace(study.routing, excluded="")
        included = study.route(routing).include(now=now)
        tx.studies.save(included)
        detail = {"revision": study.revision}
        tx.audit.append(fact_about(tx, included, AuditEvent.STUDY_INCLUDED, actor, now=now, detail=detail))
        order_draft(tx, included, now=now)
        return included
