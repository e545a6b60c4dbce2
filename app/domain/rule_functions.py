"""The operators and functions of routing rules: total, quick on any value, blind to everything else.

An absent value is neither less nor greater than anything, and is in nothing: a rule does not fire because a
sender left something out, unless it asks for exactly that (``BodyPartExamined == ""``, ``age == None``).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from app.domain.rule_names import Kind

_MOST_DIGITS = 64


@dataclass(frozen=True)
class Signature:
    """A function or method as the check at loading knows it.

    Attributes
    ----------
    takes
        For each argument the kinds that it may have.
    """

    call: Callable[..., Any]
    takes: tuple[frozenset[Kind], ...]
    gives: Kind
    meaning: str


def contains(value: str | tuple[str, ...], part: str) -> bool:
    """Tell whether `part` stands in the text, or in one of the texts; case does not matter."""
    return any(part.upper() in text.upper() for text in _texts(value)) if part else False


def matches(value: str | tuple[str, ...], pattern: str) -> bool:
    """Tell whether the text, or one of them, is as the pattern: ``*`` any part, ``?`` any character."""
    upper = pattern.upper().replace("[", "[[]")
    return any(fnmatchcase(text.upper(), upper) for text in _texts(value) if text)


def number(text: str) -> float | None:
    """Return the number that the text is, or None."""
    try:
        return float(text) if len(text) <= _MOST_DIGITS else None
    except ValueError:
        return None


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


_TEXT, _ANY_TEXT = frozenset({Kind.TEXT}), frozenset({Kind.TEXT, Kind.TEXTS})
FUNCTIONS: Mapping[str, Signature] = {
    "contains": Signature(
        contains, (_ANY_TEXT, _TEXT), Kind.TRUTH,
        "the text, or one of several, has that part; upper and lower case are the same",
    ),
    "matches": Signature(
        matches, (_ANY_TEXT, _TEXT), Kind.TRUTH,
        "the text, or one of several, is like the pattern: `*` any part, `?` one character, any case",
    ),
    "number": Signature(number, (_TEXT,), Kind.NUMBER, "the number that a text is, or None"),
    "len": Signature(
        len, (_ANY_TEXT | {Kind.NUMBERS},), Kind.NUMBER, "length of a text, or how many values there are"
    ),
}  # fmt: skip
METHODS: Mapping[str, Signature] = {
    "upper": Signature(str.upper, (), Kind.TEXT, "in upper case"),
    "lower": Signature(str.lower, (), Kind.TEXT, "in lower case"),
    "strip": Signature(str.strip, (), Kind.TEXT, "without spaces at both ends"),
    "startswith": Signature(str.startswith, (_TEXT,), Kind.TRUTH, "begins with that text"),
    "endswith": Signature(str.endswith, (_TEXT,), Kind.TRUTH, "ends with that text"),
}


def _is_absent(value: object) -> bool:
    return value is None or value == ""


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compared(left: Any, right: Any) -> bool:
        return not (_is_absent(left) or _is_absent(right)) and compare(left, right)

    return compared


def _is_in(part: Any, whole: Any) -> bool:
    return not _is_absent(part) and part in whole


def _computed(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def computed(left: Any, right: Any) -> Any:
        return None if left is None or right is None else compute(left, right)

    return computed


def _negated(value: Any) -> Any:
    return None if value is None else -value


COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.In: _is_in,
    ast.NotIn: lambda part, whole: not _is_in(part, whole),
}
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _computed(operator.add),
    ast.Sub: _computed(operator.sub),
    ast.Mult: _computed(operator.mul),
    ast.Div: _computed(operator.truediv),
}
UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.Not: operator.not_, ast.USub: _negated}
