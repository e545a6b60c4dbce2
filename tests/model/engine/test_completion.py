"""A finding that was decided stands in the draft, in both sections, whatever the language model left out.

Covered: what is missing, where it is added, how it is marked. Not covered: how often it happens
(`janus-med model evaluate`).
"""

from __future__ import annotations

import numpy as np
import pytest

from janus_med.completion import complete_sentences
from janus_med.expert import ExpertFact
from janus_med.reading import FINDINGS, FindingReading, SentenceReading

FACTS = (
    ExpertFact("Cardiomegaly"),
    ExpertFact("Lung Lesion", False, "bilateral", "", "multiple"),
)


def _finding(name: str) -> FindingReading:
    return FindingReading(name, 0.3, "defer", np.zeros((2, 2), dtype=np.float32), raised=True)


READINGS = tuple(_finding(name) for name in FINDINGS)
HEART = SentenceReading("findings", "The heart is enlarged.", ("Cardiomegaly",), "positive", 0.8)
CONCLUSION = SentenceReading("impression", "Cardiomegaly.", ("Cardiomegaly",), "positive", 0.8)


def test_what_a_section_leaves_out_is_added_at_its_end() -> None:
    completed = complete_sentences((HEART, CONCLUSION), FACTS, READINGS)
    assert [(one.section, one.by_rule) for one in completed] == [
        ("findings", False),
        ("findings", True),
        ("impression", False),
        ("impression", True),
    ]
    added = completed[-1]
    assert (added.text, added.findings) == ("Possible bilateral lung nodules.", ("Lung Lesion",))
    assert (added.polarity, added.confidence) == ("uncertain", pytest.approx(0.3))
    assert "nodules" in completed[1].text


def test_a_denied_finding_is_not_told() -> None:
    denied = SentenceReading("impression", "No lung nodule.", ("Lung Lesion",), "negative", 0.8)
    completed = complete_sentences((HEART, CONCLUSION, denied), FACTS, READINGS)
    assert [one.text for one in completed if one.by_rule and one.section == "impression"] == [
        "Possible bilateral lung nodules."
    ]


def test_nothing_is_added_to_a_text_that_tells_everything() -> None:
    sentences = (
        HEART,
        SentenceReading("findings", "Possible bilateral nodules.", ("Lung Lesion",), "uncertain", 0.2),
        CONCLUSION,
        SentenceReading("impression", "Possible lung nodules.", ("Lung Lesion",), "uncertain", 0.2),
    )
    assert complete_sentences(sentences, FACTS, READINGS) == sentences
