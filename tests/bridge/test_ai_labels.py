"""Every form in which AI text can leave names the model, in words that a person reads (T38).

Covered: SR, PDF, measurement SR, presentation state, secondary capture, HL7, FHIR; unsigned and signed text,
and text in which a reader changed a part; without a model, no form speaks of one. Not covered: what the pages
show (`tests/ui/test_ai_labels.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pacs_bridge.fhir_report import build_bundle
from pacs_bridge.hl7_report import Hl7Header, build_oru
from pacs_bridge.results import (
    AcceptedFinding,
    Algorithm,
    Region,
    ReportContent,
    ReportState,
    SourceImage,
    build_encapsulated_pdf,
    build_measurement_sr,
    build_presentation_state,
    build_report_sr,
    build_secondary_capture,
)
from tests.bridge.reports import IMAGE, message
from tests.bridge.test_encapsulated_pdf import read_text

MODEL = Algorithm("janus-tiny", "7.3", "ab" * 32)
SHOWN = SourceImage(IMAGE, rows=64, columns=80, window=(500.5, 1001.0))
FOUND = [AcceptedFinding("Cardiomegaly", probability=0.8, regions=(Region(IMAGE, (10, 10, 40, 40)),))]
GREY = np.full((64, 80), 500, dtype=np.uint16)
STATES = (ReportState.PRELIMINARY, ReportState.SIGNED)


def content(state: ReportState, model: Algorithm | None = MODEL) -> ReportContent:
    """What leaves: partly the model's words, partly the reader's; the model took part in all of it."""
    return replace(message(state).content, algorithm=model)


FORMS: Mapping[str, Callable[[ReportContent], object]] = {
    "SR": build_report_sr,
    "measurement SR": lambda report: build_measurement_sr(report, FOUND),
    "presentation state": lambda report: build_presentation_state(report, [SHOWN], FOUND),
    "secondary capture": lambda report: build_secondary_capture(report, SHOWN, GREY, FOUND),
    "HL7": lambda report: build_oru(
        replace(message(report.state), content=report), Hl7Header("JANUS", "LAB", "RIS", "HOSPITAL")
    ).decode(),
    "FHIR narrative": lambda report: next(
        entry["resource"]["text"]["div"]
        for entry in build_bundle(replace(message(report.state), content=report))["entry"]
        if entry["resource"]["resourceType"] == "DiagnosticReport"
    ),
}


@pytest.mark.covers("T38", "P6")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("form", FORMS)
def test_form_names_the_model_and_calls_it_ai(form: str, state: ReportState) -> None:
    shown = str(FORMS[form](content(state)))
    assert MODEL.name in shown
    assert MODEL.version in shown
    assert "AI" in shown or "Artificial Intelligence" in shown


@pytest.mark.covers("T38")
@pytest.mark.parametrize("form", FORMS)
def test_form_of_a_report_without_a_model_names_none(form: str) -> None:
    shown = str(FORMS[form](content(ReportState.SIGNED, model=None)))
    assert MODEL.name not in shown
    assert "drafted by" not in shown.lower()


@pytest.mark.covers("T38")
@pytest.mark.parametrize("state", STATES)
def test_printed_report_names_the_model_and_calls_it_ai(state: ReportState, tmp_path: Path) -> None:
    shown = read_text(tmp_path, build_encapsulated_pdf(content(state)))
    assert "AI:textdraftedbyjanus-tiny7.3" in shown
    assert MODEL.weights_sha256 in shown
