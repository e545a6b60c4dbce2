"""The catalogues of the interface: everything that is said has its translation, and nothing is shown unsaid.

Not covered here: whether a translation is a good one. A person who reads films in that language says so.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from app.ui.told_drafts import TOLD_BY_DRAFTS
from app.ui.told_texts import TOLD
from app.ui.words import ENGLISH, LANGUAGES
from tests.ui.said import (
    PYTHON,
    ROOT,
    SCRIPTS,
    bare_in_python,
    bare_in_script,
    literals_of,
    said_in_python,
    said_in_script,
)

CATALOGUES = [code for code in LANGUAGES if code != ENGLISH]
# names, units and examples: the same in every language
SAME_EVERYWHERE = frozenset({"Janus-Med", "2026-11-27 06:12", "GB"})
# names of keys, columns, states, tools and classes in scripts, and a font: nobody reads them
NAMES = frozenset(
    {
        "Enter", "Escape", "Backspace", "Tab", "Length", "Angle", "Own", "No Finding", "patient id",
        "study date", "study state", "report state", "not drafted", "sureness low", "confidence low",
        "priority high", "top left", "top right", "bottom left", "bottom right",
        "500 12px system-ui, sans-serif",
    }
)  # fmt: skip
# questions go to the model, which reads English; windows get their names where they are shown
ELSEWHERE = frozenset({"question.js", "window_level.js"})


@pytest.fixture(scope="module")
def said() -> Mapping[str, str]:
    """Every text that the interface says, with a place where it stands."""
    found = dict.fromkeys(TOLD, "app/ui/told_texts.py")
    found |= dict.fromkeys(TOLD_BY_DRAFTS, "app/ui/told_drafts.py")
    for paths, read in ((PYTHON, said_in_python), (SCRIPTS, said_in_script)):
        for path in paths:
            found |= {text: f"{path.relative_to(ROOT)}:{line}" for line, text in read(path)}
    return found


def catalogue(code: str) -> dict[str, str]:
    return dict(json.loads((ROOT / f"app/ui/components/words/{code}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("code", CATALOGUES)
def test_everything_that_is_said_has_its_translation(code: str, said: Mapping[str, str]) -> None:
    missing = {text: place for text, place in sorted(said.items()) if not catalogue(code).get(text)}
    assert missing == {}


@pytest.mark.parametrize("code", CATALOGUES)
def test_translation_names_the_same_values(code: str) -> None:
    def names(text: str) -> list[str]:
        return sorted(set(re.findall(r"\{(\w*)\}", text)))

    assert {key: text for key, text in catalogue(code).items() if names(key) != names(text)} == {}


@pytest.mark.parametrize("code", CATALOGUES)
def test_catalogue_is_sorted_and_holds_nothing_that_nobody_says(code: str, said: Mapping[str, str]) -> None:
    words = catalogue(code)
    assert list(words) == sorted(words)
    elsewhere = literals_of(ROOT / "app" / "domain") | literals_of(ROOT / "app" / "services")
    assert [key for key in words if key not in said and key not in elsewhere] == []


@pytest.mark.parametrize("code", CATALOGUES)
def test_columns_of_a_table_keep_names_of_their_own(code: str) -> None:
    words, doubled = catalogue(code), []
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                calls = [
                    key for key in node.keys if isinstance(key, ast.Call) and ast.unparse(key.func) == "say"
                ]
                titles = [words.get(ast.literal_eval(key.args[0])) for key in calls]
                if len(set(titles)) != len(titles):
                    doubled.append((path.name, node.lineno, titles))
    assert doubled == []


@pytest.mark.parametrize(("paths", "read"), [(PYTHON, bare_in_python), (SCRIPTS, bare_in_script)])
def test_nothing_is_shown_unsaid(paths: list[Path], read: Callable[[Path], list[tuple[int, str]]]) -> None:
    shown = [
        (f"{path.relative_to(ROOT)}:{line}", text)
        for path in paths
        if path.name not in ELSEWHERE
        for line, text in read(path)
    ]
    assert [one for one in shown if one[1] not in SAME_EVERYWHERE | NAMES] == []


def test_texts_of_services_stand_in_the_sources_that_say_them() -> None:
    folders = ("domain", "services", "store", "ui")
    sources = [literals_of(ROOT / "app" / folder, leave_out="told_texts.py") for folder in folders]
    assert [text for text in TOLD if not any(shape_of(text) in found for found in sources)] == []


def test_texts_of_drafts_stand_in_the_package_that_says_them() -> None:
    said = literals_of(ROOT / "janus_med") | literals_of(ROOT / "app" / "workers")
    assert [text for text in TOLD_BY_DRAFTS if shape_of(text) not in said] == []


def shape_of(text: str) -> str:
    return re.sub(r"\{\w+\}", "{}", text)
