"""Routing rules: which of them fire for a study, what they decide together, and why.

Rules are asked in the order of the file and several may fire; for each thing (draft, model, exclusion,
priority, destinations, restriction) the first one that says something about it decides, then the default. A
rule that cannot be evaluated does not fire: an exclusion that fails excludes nothing, and the study goes to
its readers. Its restriction alone counts all the same: whom the study was to be kept from does not see it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from app.domain.priority import ROUTINE, STAT, Priority
from app.domain.routing import Routing
from app.domain.rule_expression import EvaluationFailed, Expression, Reading
from app.domain.rule_names import OWN_NAMES, Value

DEFAULT = "default"
_RANKS = {"stat": STAT, "routine": ROUTINE}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_Said = TypeVar("_Said")


@dataclass(frozen=True)
class Actions:
    """What a rule decides; None says nothing about it.

    Attributes
    ----------
    reason
        Shown for `draft` and `priority`; empty shows the rule's name.
    exclude
        The reason; empty text keeps the study in the worklist, whatever later rules say.
    priority
        ``stat`` or ``routine``.
    restrict_to
        Groups whose members may open the study; empty opens it to every reader, whatever later rules say.
    """

    draft: bool | None = None
    reason: str = ""
    model: str | None = None
    exclude: str | None = None
    priority: str | None = None
    destinations: Mapping[str, tuple[str, ...]] | None = None
    restrict_to: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Rule:
    """A rule of the file.

    Attributes
    ----------
    for_ae
        AE titles of ours that it is for; empty means all.
    """

    name: str
    when: Expression
    actions: Actions
    for_ae: tuple[str, ...] = ()


@dataclass(frozen=True)
class RuleSet:
    """The rules of a file; without rules nothing is decided.

    Attributes
    ----------
    sha256
        Of the file's bytes.
    """

    rules: tuple[Rule, ...] = ()
    default: Actions = field(default_factory=Actions)
    time_zone: str = "UTC"
    sha256: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it decides nothing at all."""
        return not self.rules and self.default == Actions()

    @property
    def may_restrict(self) -> bool:
        """Whether it may restrict a study."""
        return any(actions.restrict_to for actions in (self.default, *(rule.actions for rule in self.rules)))

    @property
    def keywords(self) -> frozenset[str]:
        """DICOM keywords whose values the rules may ask for."""
        return frozenset(name for rule in self.rules for name in rule.when.names) - OWN_NAMES.keys()


@dataclass(frozen=True)
class StudyFacts:
    """What the system itself knows of a study, beside the header of its first image."""

    calling_ae: str = ""
    called_ae: str = ""
    received_at: datetime | None = None
    modalities: tuple[str, ...] = ()
    instance_count: int = 1
    series_count: int = 1


@dataclass(frozen=True)
class HeaderValues:
    """What the header of the first image says.

    Attributes
    ----------
    values
        By DICOM keyword; what is absent there is absent here.
    age
        Years; None when neither PatientAge nor PatientBirthDate and StudyDate say it.
    problem
        Why the header could not be read; empty when it was.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    age: float | None = None
    problem: str = ""


class Answer(StrEnum):
    """What a rule said to a study."""

    FIRED = "fired"
    NOT_FIRED = "did not fire"
    OTHER_AE = "is for another AE title"
    FAILED = "could not be evaluated"


@dataclass(frozen=True)
class Verdict:
    """One rule and one study.

    Attributes
    ----------
    read
        The values that the expression read; they belong to the patient and never go into logs.
    problem
        Why it could not be evaluated.
    decided
        What of its actions counts, because no earlier rule had decided it.
    """

    rule: Rule
    answer: Answer
    read: Mapping[str, Value] = field(default_factory=dict)
    problem: str = ""
    decided: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ruling:
    """The decision and how it came about."""

    routing: Routing
    verdicts: tuple[Verdict, ...]


def decide(rules: RuleSet, facts: StudyFacts, header: HeaderValues) -> Ruling:
    """Ask every rule about a study and return what they decide together."""
    values = _own_values(facts, header, rules.time_zone) | dict(header.values)
    own = frozenset(OWN_NAMES if header.age is not None else OWN_NAMES.keys() - {"age"})
    decided: dict[str, str] = {}
    verdicts = []
    for rule in rules.rules:
        reading = Reading(values, problem=header.problem, own=own)
        answer, problem = _ask(rule, facts, reading)
        new = _said(rule, answer) - decided.keys()
        decided |= dict.fromkeys(new, rule.name)
        verdicts.append(Verdict(rule, answer, dict(reading), problem, tuple(sorted(new))))
    return Ruling(_routing(rules, tuple(verdicts)), tuple(verdicts))


def _ask(rule: Rule, facts: StudyFacts, reading: Reading) -> tuple[Answer, str]:
    if rule.for_ae and facts.called_ae not in rule.for_ae:
        return Answer.OTHER_AE, ""
    try:
        return (Answer.FIRED if rule.when.holds(reading) else Answer.NOT_FIRED), ""
    except EvaluationFailed as error:
        return Answer.FAILED, str(error)


def _said(rule: Rule, answer: Answer) -> set[str]:
    """Name what counts of a rule: all of one that fired, the restriction of one that failed."""
    if answer is Answer.FIRED:
        return _things(rule.actions)
    return {"restrict_to"} if answer is Answer.FAILED and rule.actions.restrict_to else set()


def _things(actions: Actions) -> set[str]:
    """Name what a rule says something about."""
    names = ("draft", "model", "exclude", "priority", "destinations", "restrict_to")
    return {name for name in names if getattr(actions, name) is not None}


def _routing(rules: RuleSet, verdicts: tuple[Verdict, ...]) -> Routing:
    fired = [verdict.rule for verdict in verdicts if verdict.answer is Answer.FIRED]
    sayings = [(rule.name, rule.actions) for rule in fired] + [(DEFAULT, rules.default)]

    def first(said: Callable[[Actions], _Said | None]) -> tuple[str, _Said] | None:
        for name, actions in sayings:
            if (saying := said(actions)) is not None:
                return actions.reason or f"rule: {name}", saying
        return None

    draft = first(lambda actions: actions.draft)
    model = first(lambda actions: actions.model)
    excluded = first(lambda actions: actions.exclude)
    priority = first(lambda actions: actions.priority)
    destinations = first(lambda actions: actions.destinations)
    restricting = (v.rule.actions.restrict_to for v in verdicts if "restrict_to" in v.decided)
    restrict_to = next(restricting, rules.default.restrict_to)
    return Routing(
        fired=tuple(rule.name for rule in fired),
        failed=tuple(verdict.rule.name for verdict in verdicts if verdict.answer is Answer.FAILED),
        draft=draft is None or draft[1],
        draft_reason=draft[0] if draft is not None and not draft[1] else "",
        model=model[1] if model else "",
        excluded=excluded[1] if excluded else "",
        priority=Priority(_RANKS[priority[1]], priority[0]) if priority else None,
        destinations=destinations[1] if destinations else None,
        restrict_to=restrict_to or (),
        rules_sha256=rules.sha256,
    )


def _own_values(facts: StudyFacts, header: HeaderValues, time_zone: str) -> dict[str, Value]:
    at = facts.received_at.astimezone(ZoneInfo(time_zone)) if facts.received_at else None
    return {
        "calling_ae": facts.calling_ae,
        "called_ae": facts.called_ae,
        "age": header.age,
        "modalities": facts.modalities,
        "instance_count": facts.instance_count,
        "series_count": facts.series_count,
        "hour": at.hour if at else None,
        "weekday": _WEEKDAYS[at.weekday()] if at else "",
    }
