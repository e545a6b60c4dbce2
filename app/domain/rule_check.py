"""Checks an expression before it is ever evaluated: only listed constructs, known names, fitting kinds.

A tree that passes holds no loop, no power, no attribute but five text methods, no name but those of
`rule_names`, and yields true or false; its cost is bounded by its size and that of the values.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.domain.rule_functions import ARITHMETIC, COMPARISONS, FUNCTIONS, METHODS, UNARY, Signature
from app.domain.rule_names import Kind, UnknownName, kind_of

LONGEST_EXPRESSION = 2000
MOST_NODES = 400
DEEPEST = 40
LARGEST_NUMBER = 10**15
_LISTS: Mapping[Kind, Kind] = {Kind.TEXT: Kind.TEXTS, Kind.NUMBER: Kind.NUMBERS}
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class BadExpression(ValueError):
    """An expression cannot be used.

    Attributes
    ----------
    line, column
        Where in the expression, from 1 on.
    """

    def __init__(self, problem: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(problem)
        self.problem, self.line, self.column = problem, line, column


def parse_expression(text: str) -> ast.expr:
    """Return the tree of an expression that may be evaluated.

    Raises
    ------
    BadExpression
        Naming the place and what is wrong there.
    """
    if not text.strip():
        raise BadExpression("the expression is empty")
    if len(text) > LONGEST_EXPRESSION:
        raise BadExpression(f"longer than {LONGEST_EXPRESSION} characters", column=LONGEST_EXPRESSION + 1)
    tree = _parse(text)
    _require_small(tree)
    kind = _Checker().check(tree)
    if kind is not Kind.TRUTH:
        raise _at(tree, f"the whole is {kind.value}, not true or false: compare it with something")
    return tree


def _parse(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # in brackets, so that an expression may go over several lines
            tree = ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError as error:
        line, column = error.lineno or 1, error.offset or 1
        lines = text.split("\n")
        if line > len(lines):  # the bracket of ours is what was missed
            line, column = len(lines), len(lines[-1]) + 2
        column -= line == 1
        raise BadExpression(f"not an expression: {error.msg}", line=line, column=max(column, 1)) from None
    except (ValueError, RecursionError, MemoryError):
        raise BadExpression("not an expression that can be read") from None
    return tree


def _require_small(tree: ast.expr) -> None:
    """Refuse what is deep or large, without recursion of our own."""
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MOST_NODES or depth > DEEPEST:
            raise _at(tree, f"larger than {MOST_NODES} parts or deeper than {DEEPEST}: make two rules of it")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _at(node: ast.AST, problem: str) -> BadExpression:
    line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    # one less on the first line for the bracket of ours
    return BadExpression(problem, line=line, column=max(offset + (line != 1), 1))


class _Checker:
    """Finds the kind of every part of a tree, from the leaves up."""

    def __init__(self) -> None:
        self._kinds: Mapping[type[ast.expr], Callable[[Any], Kind]] = {
            ast.BoolOp: self._bool_op,
            ast.UnaryOp: self._unary_op,
            ast.BinOp: self._bin_op,
            ast.Compare: self._compare,
            ast.Call: self._call,
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Tuple: self._list,
            ast.List: self._list,
            ast.Subscript: self._subscript,
        }

    def check(self, node: ast.expr) -> Kind:
        """Return what a part yields; raise `BadExpression` when it may not stand there."""
        find = self._kinds.get(type(node))
        if find is None:
            raise _at(node, f"{_word(node)} is not allowed")
        return find(node)

    def _bool_op(self, node: ast.BoolOp) -> Kind:
        for part in node.values:
            self._need(part, {Kind.TRUTH}, "and, or join what is true or false")
        return Kind.TRUTH

    def _unary_op(self, node: ast.UnaryOp) -> Kind:
        if type(node.op) not in UNARY:
            raise _at(node, f"{_word(node.op)} is not allowed")
        if isinstance(node.op, ast.Not):
            self._need(node.operand, {Kind.TRUTH}, "not takes what is true or false")
            return Kind.TRUTH
        return self._need(node.operand, {Kind.NUMBER}, "- takes a number")

    def _bin_op(self, node: ast.BinOp) -> Kind:
        if type(node.op) not in ARITHMETIC:
            raise _at(node, f"{_word(node.op)} is not allowed")
        for part in (node.left, node.right):
            self._need(part, {Kind.NUMBER}, "arithmetic takes numbers")
        return Kind.NUMBER

    def _compare(self, node: ast.Compare) -> Kind:
        left, left_kind = node.left, self.check(node.left)
        for operation, right in zip(node.ops, node.comparators, strict=True):
            right_kind = self.check(right)
            if type(operation) not in COMPARISONS:
                raise _at(left, f"{_word(operation)} is not allowed: write == or !=")
            if not _fits(operation, left_kind, right_kind):
                raise _at(right, _misfit(operation, left_kind, right_kind))
            left, left_kind = right, right_kind
        return Kind.TRUTH

    def _call(self, node: ast.Call) -> Kind:
        if node.keywords:
            raise _at(node, "arguments have no names here")
        if isinstance(node.func, ast.Attribute):
            self._need(node.func.value, {Kind.TEXT}, "methods belong to text")
            return self._signature(node, node.func.attr, METHODS)
        if isinstance(node.func, ast.Name):
            return self._signature(node, node.func.id, FUNCTIONS)
        raise _at(node, "this cannot be called")

    def _signature(self, node: ast.Call, name: str, known: Mapping[str, Signature]) -> Kind:
        signature = known.get(name)
        if signature is None:
            raise _at(node, f"unknown function {name}: there are {', '.join([*FUNCTIONS, *METHODS])}")
        if len(node.args) != len(signature.takes):
            raise _at(node, f"{name} takes {len(signature.takes)} arguments, not {len(node.args)}")
        for argument, kinds in zip(node.args, signature.takes, strict=True):
            self._need(argument, kinds, f"{name} takes {' or '.join(sorted(kinds))}")
        return signature.gives

    def _constant(self, node: ast.Constant) -> Kind:
        value = node.value
        if value is None:
            return Kind.NOTHING
        if isinstance(value, bool):
            return Kind.TRUTH
        if isinstance(value, str):
            return Kind.TEXT
        if isinstance(value, (int, float)):
            if abs(value) <= LARGEST_NUMBER:
                return Kind.NUMBER
            raise _at(node, f"a number is at most {LARGEST_NUMBER:.0e}")
        raise _at(node, f"{type(value).__name__} is not allowed")

    def _name(self, node: ast.Name) -> Kind:
        try:
            return kind_of(node.id)
        except UnknownName as error:
            raise _at(node, str(error)) from None

    def _list(self, node: ast.Tuple | ast.List) -> Kind:
        kinds = {self.check(part) for part in node.elts}
        if len(kinds) != 1 or not kinds <= set(_LISTS):
            raise _at(node, "a list holds texts alone or numbers alone")
        return _LISTS[kinds.pop()]

    def _subscript(self, node: ast.Subscript) -> Kind:
        kind = self.check(node.value)
        if isinstance(node.slice, ast.Slice):
            if kind is not Kind.TEXT or node.slice.step is not None:
                raise _at(node, "[a:b] cuts a part out of text")
            bounds: Sequence[ast.expr | None] = (node.slice.lower, node.slice.upper)
        else:
            bounds = (node.slice,)
        for bound in bounds:
            if bound is not None and not _is_index(bound):
                raise _at(node, "a place is a whole number such as 0 or -1")
        single = {many: one for one, many in _LISTS.items()}
        if kind is Kind.TEXT or kind in single:
            return single.get(kind, kind)
        raise _at(node, f"{kind.value} has no places")

    def _need(self, node: ast.expr, kinds: set[Kind] | frozenset[Kind], rule: str) -> Kind:
        kind = self.check(node)
        if kind not in kinds:
            raise _at(node, f"{rule}; this is {kind.value}")
        return kind


def _fits(operation: ast.cmpop, left: Kind, right: Kind) -> bool:
    if isinstance(operation, (ast.In, ast.NotIn)):
        return (left is Kind.TEXT and right in {Kind.TEXT, Kind.TEXTS}) or (
            left is Kind.NUMBER and right is Kind.NUMBERS
        )
    if isinstance(operation, _ORDER):
        return left is right and left in {Kind.TEXT, Kind.NUMBER}
    return {left, right} in ({Kind.TEXT}, {Kind.NUMBER}, {Kind.TRUTH}, {Kind.NUMBER, Kind.NOTHING})


def _misfit(operation: ast.cmpop, left: Kind, right: Kind) -> str:
    hint = ""
    if {left, right} == {Kind.TEXT, Kind.NOTHING}:
        hint = ': absent text is ""'
    elif {left, right} & {Kind.TEXTS, Kind.NUMBERS}:
        hint = ": use in, or take one with [0]"
    return f"{left.value} {_word(operation)} {right.value} cannot be compared{hint}"


def _is_index(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value <= LARGEST_NUMBER


_WORDS = {
    "Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "In": "in", "NotIn": "not in",
    "Is": "is", "IsNot": "is not", "Pow": "** (power)", "Mod": "%", "FloorDiv": "//",
    "Attribute": "an attribute",
    "ListComp": "a comprehension", "GeneratorExp": "a comprehension", "SetComp": "a comprehension",
    "DictComp": "a comprehension", "Lambda": "lambda", "IfExp": "if ... else", "JoinedStr": "an f-string",
    "NamedExpr": ":=", "Starred": "*",
}  # fmt: skip


def _word(node: ast.AST) -> str:
    """Name a construct as its writer knows it."""
    return _WORDS.get(type(node).__name__, type(node).__name__)
