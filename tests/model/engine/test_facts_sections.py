"""What is covered: how a report is cut into statements and sentences before it is labelled."""

from __future__ import annotations

import pytest

from janus_med.facts import Fact, label_report
from janus_med.report_text import read_statements, split_sentences

REPORT = """EXAMINATION: CHEST (PORTABLE AP)

INDICATION: 60 year old with right pneumothorax, rule out
 pneumonia.

COMPARISON: Radiograph of Monday with an effusion.

FINDINGS:

There is no
pulmonary edema. The heart is enlarged.

IMPRESSION: 1. Cardiomegaly.
2. No pneumothorax.
"""


def test_indication_and_comparison_are_not_labelled() -> None:
    assert label_report(REPORT) == {
        "Cardiomegaly": Fact("positive"),
        "Edema": Fact("negative"),
        "Pneumothorax": Fact("negative"),
    }


@pytest.mark.parametrize("heading", ["INDICATION", "Clinical history", "REASON FOR EXAM", "Technique"])
def test_asking_section_ends_at_the_next_heading(heading: str) -> None:
    assert label_report(f"{heading}: pneumonia\nFINDINGS: No pneumothorax.") == {
        "No Finding": Fact("positive"),
        "Pneumothorax": Fact("negative"),
    }


def test_asking_section_ends_at_a_heading_in_its_own_line() -> None:
    assert "Pneumonia" not in label_report("Indication: pneumonia. Findings: Left effusion.")
    assert "Pleural Effusion" in label_report("Indication: pneumonia. Findings: Left effusion.")


def test_text_without_headings_is_kept_whole() -> None:
    text = "The heart is enlarged.\nNo history of trauma. Comparison with the prior film."
    assert read_statements(text) == text


def test_wrapped_line_is_one_sentence() -> None:
    text = "There is a small pneumothorax at the apex of the left lung\nand no effusion"
    assert split_sentences(text) == [
        "There is a small pneumothorax at the apex of the left lung and no effusion"
    ]


def test_short_lines_without_full_stops_are_sentences() -> None:
    assert split_sentences("Heart enlarged\nNo effusion\n- Left pneumothorax\n2) Right nodule") == [
        "Heart enlarged",
        "No effusion",
        "- Left pneumothorax",
        "2) Right nodule",
    ]
