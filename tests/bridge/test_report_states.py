"""One state, three standards: SR flags, HL7 result status and FHIR status agree for every state (S5).

The table is written out once more by hand, from the architecture; the builders are asked, not the table.
"""

from __future__ import annotations

import hl7
import pytest

from pacs_bridge.errors import Rejected
from pacs_bridge.fhir_report import build_bundle
from pacs_bridge.hl7_report import Hl7Header, build_oru
from pacs_bridge.results.report_content import ReportState
from pacs_bridge.results.report_sr import build_report_sr
from tests.bridge.reports import message

UNVERIFIED, VERIFIED = ("PARTIAL", "UNVERIFIED", "PRELIMINARY"), ("COMPLETE", "VERIFIED", "FINAL")
AGREED = {
    ReportState.DRAFTED: (UNVERIFIED, None, None),
    ReportState.PRELIMINARY: (UNVERIFIED, "P", "preliminary"),
    ReportState.SIGNED: (VERIFIED, "F", "final"),
    ReportState.ADDENDED: (VERIFIED, "F", "appended"),
    ReportState.CORRECTED: (VERIFIED, "C", "corrected"),
    ReportState.WITHDRAWN: (None, "X", "entered-in-error"),
}


def flags_of(state: ReportState) -> tuple[str, str, str] | None:
    try:
        document = build_report_sr(message(state).content)
    except Rejected:
        return None
    has_observer = "VerifyingObserverSequence" in document
    assert has_observer is (document.VerificationFlag == "VERIFIED")
    return document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag


def hl7_status_of(state: ReportState) -> str | None:
    try:
        built = build_oru(message(state), Hl7Header("A", "", "B", ""))
    except Rejected:
        return None
    parsed = hl7.parse(built.decode())
    [status] = {str(parsed.segment("OBR")[25]), *(str(obx[11]) for obx in parsed.segments("OBX"))}
    return status


def fhir_status_of(state: ReportState) -> str | None:
    try:
        bundle = build_bundle(message(state))
    except Rejected:
        return None
    resources = [entry["resource"] for entry in bundle["entry"]]
    return next(r["status"] for r in resources if r["resourceType"] == "DiagnosticReport")


@pytest.mark.covers("S5")
@pytest.mark.parametrize("state", list(ReportState))
def test_three_standards_say_the_same(state: ReportState) -> None:
    assert (flags_of(state), hl7_status_of(state), fhir_status_of(state)) == AGREED[state]


@pytest.mark.covers("S5", "O6")
def test_findings_of_a_preliminary_report_wait_for_the_attending() -> None:
    kinds = {
        state: [e["resource"]["resourceType"] for e in build_bundle(message(state))["entry"]]
        for state in (ReportState.PRELIMINARY, ReportState.SIGNED)
    }
    assert "Observation" not in kinds[ReportState.PRELIMINARY]
    assert kinds[ReportState.SIGNED].count("Observation") == 2
