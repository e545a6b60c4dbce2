"""Reads the rules from their TOML file; every mistake is told with its rule, line and column."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.errors import Rejected, RulesBroken
from app.domain.routing import Targets
from app.domain.rule_check import BadExpression
from app.domain.rule_expression import Expression, load_expression
from app.domain.rules import DEFAULT, Actions, Rule, RuleSet
from app.domain.study_access import name_group

LARGEST_FILE = 256 * 1024
MOST_RULES = 200
LONGEST_TEXT = 200
_ACTIONS = frozenset({"draft", "reason", "model", "exclude", "priority", "destinations", "restrict_to"})
_KEYS = _ACTIONS | {"name", "when", "for_ae"}
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEAD = re.compile(r"^[ \t]*\[\[[ \t]*rules[ \t]*\]\]", re.MULTILINE)
_WHEN = re.compile(r"^[ \t]*when[ \t]*=[ \t]*", re.MULTILINE)


class _Mistake(ValueError):
    """Something in one rule or in the default."""


def read_rules(content: bytes, *, targets: Targets | None = None) -> RuleSet:
    """Return the rules of a file.

    Parameters
    ----------
    targets
        Refuses destinations and formats that do not exist; None takes any.

    Raises
    ------
    RulesBroken
        Naming every mistake, one a line.
    """
    document, text = _parse(content)
    mistakes: list[str] = []
    if unknown := sorted(document.keys() - {"rules", "default", "time_zone"}):
        mistakes.append(f"unknown at the top: {', '.join(unknown)}; there are time_zone, default, rules")
    entries = document.get("rules", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RulesBroken("rules are written as tables: [[rules]]")
    if len(entries) > MOST_RULES:
        raise RulesBroken(f"{len(entries)} rules: at most {MOST_RULES} are read")
    places = _places(text, len(entries))
    rules: dict[str, Rule] = {}
    for number, entry in enumerate(entries):
        try:
            rule = _rule(entry, targets, text, places[number])
            _require_free(rule.name, rules)
            rules[rule.name] = rule
        except _Mistake as mistake:
            mistakes.append(f"{_which(entry, number, text, places[number])}: {mistake}")
    default = _default(document.get("default", {}), targets, mistakes)
    zone = _zone(document.get("time_zone", "UTC"), mistakes)
    if mistakes:
        raise RulesBroken("\n".join(mistakes))
    return RuleSet(tuple(rules.values()), default, zone, hashlib.sha256(content).hexdigest())


def _parse(content: bytes) -> tuple[dict[str, Any], str]:
    if len(content) > LARGEST_FILE:
        raise RulesBroken(f"larger than {LARGEST_FILE // 1024} KiB")
    try:
        text = content.decode("utf-8")
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        raise RulesBroken(f"not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise RulesBroken(f"not TOML: {error}") from None
    except RecursionError:
        raise RulesBroken("not TOML that can be read: nested too deeply") from None


def _rule(entry: Mapping[str, Any], targets: Targets | None, text: str, place: int | None) -> Rule:
    name = _text(entry, "name", required=True)
    if unknown := sorted(entry.keys() - _KEYS):
        raise _Mistake(f"unknown key {', '.join(unknown)}")
    when = _text(entry, "when", required=True, longest=LARGEST_FILE)
    actions = _actions(entry, targets)
    if actions == Actions(reason=actions.reason):
        raise _Mistake(
            "decides nothing: give it draft, model, exclude, priority, destinations or restrict_to"
        )
    return Rule(name, _expression(when, text, place), actions, _for_ae(entry.get("for_ae", ())))


def _require_free(name: str, rules: Collection[str]) -> None:
    if name in rules or name == DEFAULT:
        raise _Mistake(f"the name {name!r} is taken")


def _expression(when: str, text: str, place: int | None) -> Expression:
    try:
        return load_expression(when)
    except BadExpression as error:
        raise _Mistake(f"{_where(error, text, place)}: {error.problem}") from None


def _where(error: BadExpression, text: str, place: int | None) -> str:
    """Name the line of the file where it can be found, and always the column in the expression."""
    found = None if place is None else _WHEN.search(text, place)
    line = "" if found is None else f"line {text.count(chr(10), 0, found.start()) + 1}, "
    row = f" of its line {error.line}" if error.line > 1 else ""
    return f"{line}column {error.column} of when{row}"


def _for_ae(value: Any) -> tuple[str, ...]:
    titles = (value,) if isinstance(value, str) else value
    if not isinstance(titles, (list, tuple)) or not all(
        isinstance(title, str) and 1 <= len(title) <= 16 for title in titles
    ):
        raise _Mistake("for_ae is an AE title of 1 to 16 characters, or a list of them")
    return tuple(titles)


def _actions(entry: Mapping[str, Any], targets: Targets | None) -> Actions:
    draft = entry.get("draft")
    if draft is not None and not isinstance(draft, bool):
        raise _Mistake("draft is true or false")
    priority = _text(entry, "priority") if "priority" in entry else None
    if priority not in {None, "stat", "routine"}:
        raise _Mistake('priority is "stat" or "routine"')
    return Actions(
        draft=draft,
        reason=_text(entry, "reason"),
        model=_model(entry) if "model" in entry else None,
        exclude=_exclude(entry) if "exclude" in entry else None,
        priority=priority,
        destinations=_destinations(entry["destinations"], targets) if "destinations" in entry else None,
        restrict_to=_restrict_to(entry["restrict_to"]) if "restrict_to" in entry else None,
    )


def _model(entry: Mapping[str, Any]) -> str:
    model = _text(entry, "model", required=True)
    if not (Path(model).is_absolute() or _MODEL_NAME.fullmatch(model)):
        raise _Mistake("model is a name (letters, digits, . _ -) or the whole path of a folder")
    return model


def _exclude(entry: Mapping[str, Any]) -> str:
    if entry["exclude"] is False:
        return ""
    if not isinstance(entry["exclude"], str):
        raise _Mistake('exclude is the reason, as text: exclude = "..."; false keeps the study')
    return _text(entry, "exclude", required=True)


def _destinations(table: Any, targets: Targets | None) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise _Mistake('destinations is a table: destinations = {PACS = ["report_sr"]}')
    for name, formats in table.items():
        if not isinstance(formats, list) or not all(isinstance(one, str) for one in formats):
            raise _Mistake(f"destinations.{name} is a list of result formats")
        if targets is None:
            continue
        if name not in targets.names:
            raise _Mistake(f"no destination {name}: the settings have {_listed(targets.names)}")
        if wrong := sorted(set(formats) - set(targets.formats)):
            raise _Mistake(f"no result format {', '.join(wrong)}: there are {_listed(targets.formats)}")
    return {name: tuple(formats) for name, formats in table.items()}


def _restrict_to(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _Mistake('restrict_to is a list of groups: restrict_to = ["staff health"]; [] opens the study')
    try:
        return tuple(dict.fromkeys(name_group(name) for name in names))
    except Rejected as error:
        raise _Mistake(f"restrict_to: {error}") from None


def _default(table: Any, targets: Targets | None, mistakes: list[str]) -> Actions:
    if not isinstance(table, dict):
        mistakes.append("default is a table: [default]")
        return Actions()
    if unknown := sorted(table.keys() - _ACTIONS):
        mistakes.append(f"default: unknown key {', '.join(unknown)}")
    try:
        return _actions(table, targets)
    except _Mistake as mistake:
        mistakes.append(f"default: {mistake}")
        return Actions()


def _zone(name: Any, mistakes: list[str]) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, TypeError, OSError):
        mistakes.append(f"time_zone {str(name)[:60]!r} is none: write for example Europe/Berlin")
        return "UTC"


def _text(entry: Mapping[str, Any], key: str, *, required: bool = False, longest: int = LONGEST_TEXT) -> str:
    value = entry.get(key, "")
    if not isinstance(value, str):
        raise _Mistake(f"{key} is text")
    if required and not value.strip():
        raise _Mistake(f"{key} is missing")
    if len(value) > longest or (key != "when" and not value.isprintable()):
        raise _Mistake(f"{key} is one line of at most {longest} characters")
    return value


def _places(text: str, rules: int) -> list[int | None]:
    """Return where each [[rules]] stands; unknown when one may be part of a text."""
    found: list[int | None] = [match.start() for match in _HEAD.finditer(text)]
    return found if len(found) == rules else [None] * rules


def _which(entry: Mapping[str, Any], number: int, text: str, place: int | None) -> str:
    name = entry.get("name")
    called = f' "{name[:80]}"' if isinstance(name, str) and name else ""
    line = "" if place is None else f" (line {text.count(chr(10), 0, place) + 1})"
    return f"rule {number + 1}{called}{line}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
