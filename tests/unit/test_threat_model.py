"""The threat model: every arrow has its letters, and every row a test that there is."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "threat_model.md"
LETTERS = set("STRIDE")
ARROWS = (
    "modality / PACS -> listener",
    "listener -> spool -> intake",
    "spool -> drafting worker -> draft",
    "radiologist <-> reading room",
    "DICOMweb client -> web UI",
    "RIS, worklist and archive -> orders, patients, priors",
    "signing -> outbox -> delivery worker -> PACS, RIS, FHIR",
    "every act -> audit log -> export",
    "around it",
)


def tables() -> dict[str, list[list[str]]]:
    """The rows of each section, cell by cell."""
    found: dict[str, list[list[str]]] = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        rows = [line for line in body.splitlines() if re.match(r"\| [STRIDE] \|", line)]
        if rows:
            found[heading] = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    return found


def test_every_arrow_has_its_letters() -> None:
    assert tuple(tables()) == ARROWS
    for arrow, rows in tables().items():
        assert {row[0] for row in rows} == LETTERS, arrow


@pytest.mark.parametrize("arrow", ARROWS)
def test_every_row_names_a_test_that_there_is(arrow: str) -> None:
    for row in tables()[arrow]:
        assert len(row) == 5, row
        named = re.findall(r"`([^`]+\.py)(?:::(test_\w+))?`", row[3])
        assert named, row
        for path, name in named:
            file = ROOT / "tests" / path
            assert file.is_file(), path
            assert not name or f"def {name}(" in file.read_text(), f"{path}::{name}"
