"""Expressions of routing rules: what they may say, what they cannot reach, what absent values do.

Covered: the check at loading, evaluation, absent values, hostile expressions.
Not covered: rules and files (`test_decisions`, `test_rules_file`), studies (`tests/unit/services`).
"""

from __future__ import annotations

import ast
import string
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.rule_check import BadExpression
from app.domain.rule_expression import EvaluationFailed, Expression, Reading, load_expression
from app.domain.rule_functions import FUNCTIONS, METHODS
from app.domain.rule_names import OWN_NAMES, Kind, kind_of

CHEST: dict[str, Any] = {
    "Modality": "CR",
    "BodyPartExamined": "Chest",
    "ImageType": ("DERIVED", "PRIMARY"),
    "PixelSpacing": (0.2, 0.3),
    "StudyDate": "20261122",
    "KVP": 120,
    "called_ae": "STAT_IN",
    "age": 12,
}


def reading(values: dict[str, Any] | None = None, problem: str = "") -> Reading:
    return Reading(CHEST if values is None else values, problem=problem, own=frozenset(OWN_NAMES))


def holds(text: str, values: dict[str, Any] | None = None) -> bool:
    return load_expression(text).holds(reading(values))


@pytest.mark.parametrize(
    "text",
    [
        'Modality == "CR" and "CHEST" in BodyPartExamined.upper()',
        'called_ae == "STAT_IN" and age < 18',
        '"PRIMARY" in ImageType and ImageType[0] == "DERIVED"',
        'Modality in ("CR", "DX") and Modality not in ["CT"]',
        "0.1 < PixelSpacing[0] <= 0.2 and PixelSpacing[-1] == 0.3",
        'StudyDate >= "20260101" and StudyDate[:4] == "2026"',
        'contains(BodyPartExamined, "CHE") and contains(ImageType, "primary")',
        'matches(BodyPartExamined, "ch*t") and not matches(Modality, "C?T")',
        'number("1.5") + KVP / 2 - 1 == 60.5 and -age < 0 and age * 2 == 24',
        "len(ImageType) == 2 and len(Modality) == 2",
        'Modality.lower().startswith("c") and Modality.strip().endswith("R")',
        '(Modality ==\n  "CR"  # a remark\n and age != None)',
    ],
)
def test_expression_that_is_true_fires(text: str) -> None:
    assert holds(text)
    assert not holds(f"not ({text}\n)")


@pytest.mark.parametrize(
    "text",
    [
        'Modality == "CR"',
        "age < 18",
        "age > 0",
        "age - 1 < 18",
        'StudyDate < "20260101"',
        '"P" in ImageType',
        'Modality in "CR DX"',
        'Modality in ("CR", "DX")',
        "PixelSpacing[0] < 1",
        'ImageType[3] in "X"',
        'contains(StudyDescription, "")',
        'matches(StudyDescription, "*")',
        "KVP == 120",
    ],
)
def test_absent_value_fires_nothing(text: str) -> None:
    assert not holds(text, {})


@pytest.mark.parametrize(
    "text", ['Modality == ""', "age == None", "len(ImageType) == 0", 'StudyDate != "20260101"', "KVP != 1"]
)
def test_rule_may_ask_for_what_is_absent(text: str) -> None:
    assert holds(text, {})


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ('Modality == "CR" and Modalty == "DX"', 22, "did you mean Modality"),
        ("age <", 6, "not an expression"),
        ("(age < 18", 1, "never closed"),
        ("Modality", 1, "the whole is text, not true or false"),
        ("age + 1", 1, "the whole is a number"),
        ('age < "18"', 7, "cannot be compared"),
        ("Modality == None", 13, 'absent text is ""'),
        ('ImageType == "PRIMARY"', 14, "use in"),
        ('Modality and age < 18', 1, "true or false"),
        ("PixelData == 1", 1, "neither text nor a number"),
        ("ReferencedStudySequence == 1", 1, "SQ"),
        ('TransferSyntaxUID == "1"', 1, "not part of the data set"),
        ('Modality.replace("C", "D") == ""', 1, "unknown function replace"),
        ('Modality.upper == ""', 1, "an attribute"),
        ("len(Modality, 1) == 2", 1, "takes 1 arguments"),
        ("contains(age, 'x')", 10, "contains takes"),
        ("age ** 2 > 1", 1, "power"),
        ('"%9d" % 1 == ""', 1, "%"),
        ('"a" * 9 == ""', 1, "arithmetic takes numbers"),
        ("[x for x in ImageType] == 1", 1, "a comprehension"),
        ("(lambda: 1)() == 1", 1, "cannot be called"),
        ("age is None", 1, "write =="),
        ("f'{age}' == ''", 1, "an f-string"),
        ("(age < 1) if age < 2 else (age < 3)", 1, "if ... else"),
        ("(x := 1) == 1", 2, ":="),
        ("age < 1e99", 7, "at most"),
        ("ImageType[age] == ''", 1, "a place is a whole number"),
        ("", 1, "empty"),
        (" or ".join(["age < 1"] * 150), 1, "larger than"),
        ("not " * 60 + "True", 1, "deeper than"),
        ("age < 1" + " " * 3000, 2001, "longer than"),
        ("(" * 900 + "True" + ")" * 900, None, "not an expression"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_loading_with_its_column(
    text: str, column: int | None, problem: str
) -> None:
    with pytest.raises(BadExpression) as refused:
        load_expression(text)
    assert problem in refused.value.problem
    assert column in {None, refused.value.column}


def test_column_counts_in_the_line_of_the_mistake() -> None:
    with pytest.raises(BadExpression) as refused:
        load_expression('age < 18\n  and Modalty == "CR"')
    assert (refused.value.line, refused.value.column) == (2, 7)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("1 / (age - age) > 0", "division by zero"), ("1 / number(Modality[:0] ) > 0", None)],
)
def test_error_at_evaluation_is_told_without_values(text: str, problem: str | None) -> None:
    if problem is None:
        assert not holds(text)
        return
    with pytest.raises(EvaluationFailed, match=problem):
        holds(text)


def test_header_that_cannot_be_read_fails_only_rules_that_need_it() -> None:
    unread = reading(problem="the header cannot be read")
    assert load_expression('called_ae == "STAT_IN"').holds(unread)
    with pytest.raises(EvaluationFailed, match="header cannot be read"):
        load_expression('Modality == "CR"').holds(unread)


def test_reading_keeps_what_was_really_read() -> None:
    read = reading()
    assert not load_expression('Modality == "CT" and age < 18').holds(read)
    assert dict(read) == {"Modality": "CR"}


def test_kinds_come_from_the_dictionary() -> None:
    kinds = [kind_of(name) for name in ("Modality", "ImageType", "Rows", "PixelSpacing", "PatientAge")]
    assert kinds == [Kind.TEXT, Kind.TEXTS, Kind.NUMBER, Kind.NUMBERS, Kind.NUMBER]


_NAMES = st.sampled_from(
    [*CHEST, "PatientName", "x", "__builtins__", "__import__", "open", "eval", "getattr", "globals", "self"]
)
_ATTRIBUTES = st.sampled_from(
    [
        "__class__",
        "__globals__",
        "__subclasses__",
        "format",
        "join",
        "replace",
        "ljust",
        "func_globals",
        *METHODS,
    ]
)
_ATOMS = st.one_of(
    _NAMES,
    st.integers(-(10**18), 10**18).map(str),
    st.text(string.printable, max_size=8).map(repr),
    st.sampled_from(["None", "True", "...", "b'x'", "9**9**9**9", "'a'*10**9", "[0]*10**9"]),
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(
        ["+", "-", "*", "/", "//", "%", "**", "<<", "==", "<", "in", "is", "and", "or", "if 1 else", ":="]
    )
    function = st.one_of(_NAMES, st.sampled_from([*FUNCTIONS]))
    return st.one_of(
        st.tuples(inner, operator, inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, _ATTRIBUTES).map(lambda p: f"({p[0]}).{p[1]}"),
        st.tuples(inner, _ATTRIBUTES, inner).map(lambda p: f"({p[0]}).{p[1]}({p[2]})"),
        st.tuples(function, inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(function, inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"{p[0]}[{p[1]}]"),
        inner.map(lambda p: f"[y for y in {p} for z in {p}]"),
        inner.map(lambda p: f"not {p}"),
        inner.map(lambda p: f"f'{{{p}}}'"),
        st.lists(inner, max_size=3).map(lambda parts: f"({', '.join(parts)},)"),
    )


_ALLOWED = (
    ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Call, ast.Constant, ast.Name, ast.Tuple, ast.List,
    ast.Subscript, ast.Slice, ast.Attribute, ast.Load, ast.boolop, ast.unaryop, ast.operator, ast.cmpop,
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.one_of(st.recursive(_ATOMS, _grown, max_leaves=12), st.text(max_size=60)))
@example("().__class__.__base__.__subclasses__() == 1")
@example("__import__('os').system('id') == 0")
@example("Modality.__class__.mro() == ''")
@example("'{0.__class__}'.format(Modality) == ''")
@example("9**9**9**9 > 1")
@example("'a' * 10**10 == ''")
@example("[1 for a in ImageType for b in ImageType for c in ImageType] == 1")
def test_no_expression_reads_anything_else_or_raises_anything_else(text: str) -> None:
    """Whatever is written: refused with a place, or true, or false, from the names it shows and no others."""
    try:
        expression = load_expression(text)
    except BadExpression as refused:
        place = (refused.line, refused.column)
        assert min(place) >= 1, place
        return
    assert all(isinstance(node, _ALLOWED) for node in ast.walk(expression.tree))
    read = reading()
    with suppress(EvaluationFailed):
        assert expression.holds(read) in {True, False}
    assert set(read) <= expression.names
    assert all(kind_of(name) for name in expression.names)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "Modality.__class__", "Modality.format(1)", "9**9**9", "'a' % 1", "lambda: 1",
        "[a for a in ImageType]", "f'{Modality}'", "1 if True else 2", "open('/etc/passwd')", "{1: 2}",
        "age is 1",
    ],
)  # fmt: skip
def test_second_wall_holds_without_the_first(text: str) -> None:
    """The evaluator itself has none of the parts, should the check ever let one pass."""
    tree = ast.parse(text, mode="eval").body
    with pytest.raises(EvaluationFailed):
        Expression(text, tree, frozenset()).holds(reading())


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300), st.text("ab*?[]!-", max_size=40))
def test_patterns_end_on_any_text(value: str, pattern: str) -> None:
    values = {"StudyDescription": value * 30}
    assert holds(f"matches(StudyDescription, {pattern!r})", values) in {True, False}
