"""Templates of reports: which mistakes are named, and which template fits which study."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.errors import Rejected
from app.domain.report import Section
from app.domain.template import ReportTemplate, TemplateContent, choose_template

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def content(**changes: Any) -> TemplateContent:
    facts: dict[str, Any] = {
        "name": "Chest",
        "language": "en",
        "modality": "DX",
        "body_part": "CHEST",
        "sections": {Section.FINDINGS: ("Clear.",)},
    }
    return TemplateContent(**facts | changes)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("Side [left|right", "a bracket is not closed"),
        ("Side [left [right]]", "a bracket is not closed, or stands within another"),
        ("Side []", "has no name"),
        ("Side [left||right]", "an empty choice"),
        ("Side [left|left]", "the same choice twice"),
        ("[1|2|3|4|5|6|7|8|9|10]", "9 at most"),
        ("Compared with {priors}.", "there is no placeholder {priors}"),
        ("Compared with {prior.", "a brace is not closed"),
        ("x" * 10_001, "too long"),
    ],
)
def test_mistake_is_named_with_its_section_and_line(line: str, mistake: str) -> None:
    with pytest.raises(Rejected) as refused:
        content(sections={Section.FINDINGS: ("Clear.", line)}).tidied()
    assert "findings, line 2: " in str(refused.value)
    assert mistake in str(refused.value)


def test_every_mistake_is_told_at_once() -> None:
    wrong = content(name=" ", language="english", modality="C1", sections={})
    with pytest.raises(Rejected) as refused:
        wrong.tidied()
    assert len(str(refused.value).splitlines()) == 4


def test_tidied_template_has_no_empty_lines() -> None:
    tidy = content(
        modality=" dx ", sections={Section.FINDINGS: ("", "  Clear.  "), Section.IMPRESSION: ("",)}
    )
    assert tidy.tidied() == content()


def choice(modality: str, part: str, description: str = "") -> str:
    kinds = (("DX", "CHEST"), ("DX", "KNEE"), ("CT", "CHEST"), ("", ""), ("CT", "HEAD"))
    known = [
        ReportTemplate(number, 1, content(name=f"{m} {p}", modality=m, body_part=p), "admin", NOW)
        for number, (m, p) in enumerate(kinds, start=1)
    ]
    study: Any = SimpleNamespace(modality=modality, body_part=part, description=description)
    chosen = choose_template(known, study)
    return chosen.content.name if chosen else ""


@pytest.mark.parametrize(
    ("modality", "part", "description", "name"),
    [
        ("DX", "CHEST", "", "DX CHEST"),
        ("CR", "", "Thorax p.a.", "DX CHEST"),
        ("CT", "CHEST", "", "CT CHEST"),
        ("CR", "KNEE", "", "DX KNEE"),
        ("CR", "ANKLE", "", " "),
        ("CT", "BRAIN", "", "CT HEAD"),
        ("MR", "CHEST", "", " "),
    ],
)
def test_body_part_decides_before_the_modality(modality: str, part: str, description: str, name: str) -> None:
    assert choice(modality, part, description) == name
