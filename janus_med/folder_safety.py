"""What no model folder may hold: code, configurations that name code, links that lead out of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from janus_med.errors import ModelUnavailable

if TYPE_CHECKING:
    from pathlib import Path

REFUSED_KEYS = frozenset({"auto_map", "_attn_implementation_internal"})
"""Configuration keys that make a loader import code or call something by name."""

CODE_ENDINGS = frozenset({".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".pth", ".sh"})
"""Endings of files that a loader or an interpreter might run; ``.pth`` is both weights and start-up code."""

_LARGEST_CONFIGURATION = 2**20
_CACHE_OF_THE_HUB = "snapshots"


def require_safe_folder(folder: Path) -> None:
    """Check a model folder by its names and configurations, before anything in it is parsed as a model.

    Raises
    ------
    ModelUnavailable
        Naming the file: it is code, its configuration asks a loader to run code, or it is a link that leads
        out of the folder.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        _require_inside(folder, path)
        if path.suffix.lower() in CODE_ENDINGS:
            raise ModelUnavailable(f"{folder}: {path.name} is code, which a model folder must not hold")
        if path.suffix == ".json" and path.is_file() and path.stat().st_size <= _LARGEST_CONFIGURATION:
            _refuse_configuration(folder, path)


def refuse_code(content: Any, folder: Path, name: str) -> None:
    """Raise `ModelUnavailable` when a configuration, however deep, asks a loader to run code."""
    if isinstance(content, dict):
        if refused := REFUSED_KEYS & content.keys():
            raise ModelUnavailable(f"{folder}: {name} contains {sorted(refused)[0]}, which could run code")
        for value in content.values():
            refuse_code(value, folder, name)
    elif isinstance(content, list):
        for value in content:
            refuse_code(value, folder, name)


def _require_inside(folder: Path, path: Path) -> None:
    home = folder.resolve()
    # a cache of the Hugging Face hub links from snapshots/<commit> to blobs beside it
    if home.parent.name == _CACHE_OF_THE_HUB:
        home = home.parent.parent
    if not path.resolve().is_relative_to(home):
        raise ModelUnavailable(f"{folder}: {path.name} is a link that leads out of the folder")


def _refuse_configuration(folder: Path, path: Path) -> None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return  # whoever needs the file says that it cannot be read
    refuse_code(content, folder, path.name)
