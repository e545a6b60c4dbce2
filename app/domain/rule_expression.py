"""Evaluates checked expressions with simpleeval, which gets nothing but the listed parts (never ``eval``)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simpleeval import SimpleEval

from app.domain.rule_check import parse_expression
from app.domain.rule_functions import ARITHMETIC, COMPARISONS, FUNCTIONS, METHODS, UNARY
from app.domain.rule_names import Kind, Value, absent, kind_of


class EvaluationFailed(ValueError):
    """An expression has no value for this study; the message says why, without any value."""


class Reading(dict[str, Value]):
    """Looks up what an expression names, and keeps what was really read.

    Parameters
    ----------
    values
        By name; what is not there is absent.
    problem
        Why no DICOM attribute can be read; empty when they can.
    own
        Names that can be read all the same.
    """

    def __init__(self, values: Mapping[str, Value], *, problem: str, own: frozenset[str]) -> None:
        super().__init__()
        self._values, self._problem, self._own = values, problem, own

    def __missing__(self, name: str) -> Value:
        if self._problem and name not in self._own:
            raise EvaluationFailed(self._problem)
        value = self._values.get(name, absent(kind_of(name)))
        self[name] = value
        return value


@dataclass(frozen=True)
class Expression:
    """An expression that was checked when it was loaded.

    Attributes
    ----------
    names
        Every name that stands in it.
    """

    text: str
    tree: ast.expr = field(repr=False, compare=False)
    names: frozenset[str]

    def holds(self, reading: Reading) -> bool:
        """Tell whether it is true for the values.

        Raises
        ------
        EvaluationFailed
            If it has no value, for example after a division by zero.
        """
        try:
            found = _Evaluator(reading).eval(self.text, previously_parsed=self.tree)
        except EvaluationFailed:
            raise
        except ZeroDivisionError:
            raise EvaluationFailed("division by zero") from None
        except Exception as error:  # whatever a value does, the study goes on
            raise EvaluationFailed(f"{type(error).__name__} while evaluating") from None
        return found is True


def load_expression(text: str) -> Expression:
    """Return a checked expression.

    Raises
    ------
    app.domain.rule_check.BadExpression
        Naming the place and what is wrong there.
    """
    tree = parse_expression(text)
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in called}
    return Expression(text, tree, frozenset(names))


class _Evaluator(SimpleEval):
    """simpleeval cut down to the constructs that `rule_check` lets pass: a second wall behind the first."""

    def __init__(self, reading: Reading) -> None:
        operators: dict[Any, Any] = {**COMPARISONS, **ARITHMETIC, **UNARY}
        super().__init__(
            operators=operators,
            functions={name: signature.call for name, signature in FUNCTIONS.items()},
            names=reading,
            allowed_attrs={str: set(METHODS)},
        )
        self.nodes = {
            ast.Name: self._eval_name,
            ast.UnaryOp: self._eval_unaryop,
            ast.BinOp: self._eval_binop,
            ast.BoolOp: self._eval_boolop,
            ast.Compare: self._eval_compare,
            ast.Call: self._eval_call,
            ast.Attribute: self._eval_attribute,
            ast.Subscript: self._eval_subscript,
            ast.Slice: self._eval_slice,
            ast.Constant: self._eval_constant,
            ast.Tuple: self._eval_list,
            ast.List: self._eval_list,
        }

    def _eval_list(self, node: ast.Tuple | ast.List) -> tuple[Any, ...]:
        return tuple(self._eval(part) for part in node.elts)

    def _eval_subscript(self, node: ast.Subscript) -> Any:
        """Return a part of the value; a place that it does not have is absent."""
        container, place = self._eval(node.value), self._eval(node.slice)
        if isinstance(place, slice) or -len(container) <= place < len(container):
            return container[place]
        of_text = isinstance(container, str) or all(isinstance(value, str) for value in container)
        if isinstance(node.value, ast.Name):
            of_text = kind_of(node.value.id) is not Kind.NUMBERS
        return "" if of_text else None
