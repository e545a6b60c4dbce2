"""The routing rules in the listener: taken up when the file changes, asked when a study is complete."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

import structlog

from app.domain.routing import Routing, Targets
from app.domain.rules import HeaderValues, RuleSet
from app.domain.study import Instance, Study
from app.header_file import read_file_values
from app.services.assembly import Route
from app.services.routing import rule_on
from app.services.rules_in_force import RulesInForce
from app.store.engine import Store


class StudyRules:
    """Routes studies by the rules in force.

    Parameters
    ----------
    path
        File of the rules.
    targets
        Destinations and formats that rules may name.
    object_path
        Returns where the object of a digest lies.
    """

    def __init__(self, path: Path, targets: Targets, object_path: Callable[[str], Path]) -> None:
        self._in_force = RulesInForce(path, targets)
        self._object_path = object_path
        self._told = ""

    def refresh(self, store: Store, *, now: datetime) -> Route | None:
        """Return what routes a study by the rules as they are now; None without rules.

        Raises
        ------
        DatabaseUnavailable
            Ask again; nothing was decided.
        """
        rules = self._in_force.refresh(store, now=now)
        self._tell(rules)
        if rules.is_empty:
            return None
        return lambda study, instances: self._route(rules, study, instances)

    def _route(self, rules: RuleSet, study: Study, instances: tuple[Instance, ...]) -> Routing:
        routing = rule_on(rules, study, instances, self._read_header).routing
        if routing.failed:
            structlog.get_logger().warning(
                "rules not evaluated", study_uid=study.study_uid, rules=list(routing.failed)
            )
        return routing

    def _read_header(self, instance: Instance, keywords: Collection[str]) -> HeaderValues:
        try:
            path = self._object_path(instance.sha256)
        except Exception as error:  # whatever is wrong with the spool, the study goes on
            return HeaderValues(problem=f"the object is not in the spool ({type(error).__name__})")
        return read_file_values(path, keywords)

    def _tell(self, rules: RuleSet) -> None:
        """Log a change once: the problem of the file, or that it is in force."""
        problem = self._in_force.problem
        said = problem or rules.sha256
        if said == self._told:
            return
        self._told, log = said, structlog.get_logger()
        if problem:
            log.error("rules file broken, the last good rules stay", problem=problem, rules=len(rules.rules))
        else:
            log.info("rules in force", rules=len(rules.rules), sha256=rules.sha256[:12])
