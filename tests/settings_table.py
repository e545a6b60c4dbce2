"""Writes the table of settings in `docs/operations.md`: `python -m tests.settings_table [--check]`."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.settings import Settings
from tests.generated import DOCS, publish, replace_part

OPERATIONS = DOCS / "operations.md"


def render_settings() -> str:
    """Return one row for every setting: its variable, what it may be, its default and what it does."""
    lines = ["| variable | value | default | meaning |", "|---|---|---|---|"]
    for name, info in Settings.model_fields.items():
        cells = f"`JANUS_MED_{name.upper()}`", _kind(info.annotation), _default(info), info.description
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def find_undocumented() -> list[str]:
    """Return the settings that have no description."""
    return [name for name, info in Settings.model_fields.items() if not info.description]


def _kind(annotation: Any) -> str:
    """Name a type for a person: what may stand in the environment variable."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" if value else "empty" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        return "JSON list"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "JSON object"
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(info: FieldInfo) -> str:
    if info.default_factory is not None:
        return "see below"
    if info.default is PydanticUndefined:
        return "none: must be set"
    if info.default in ("", None, ()):
        return "empty"
    value = info.default
    return f"`{json.dumps(value) if isinstance(value, (tuple, bool)) else value}`"


def main(arguments: Sequence[str]) -> int:
    """Write the table, or with `--check` say whether the committed one is up to date."""
    document = replace_part(OPERATIONS.read_text(), "settings", render_settings())
    return publish(OPERATIONS, document, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
