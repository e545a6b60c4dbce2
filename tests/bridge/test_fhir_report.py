"""The FHIR transaction: valid R4, nothing of the text is markup, and identifiers that make a resend harmless.

`fhir.resources` has models of R4B; the resources used here have the same elements in R4 4.0.1, which
`R4_ELEMENTS` holds against what is written.
"""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs_bridge.errors import Rejected
from pacs_bridge.fhir_report import build_bundle
from pacs_bridge.results.report_content import ReportState
from tests.bridge.reports import message

SENT = [state for state in ReportState if state is not ReportState.DRAFTED]
# the elements of each resource in R4 4.0.1 (hl7.org/fhir/R4), those that we could use
R4_ELEMENTS = {
    "DiagnosticReport": """resourceType text identifier basedOn status category code subject effectiveDateTime
        issued performer resultsInterpreter specimen result imagingStudy media conclusion presentedForm""",
    "Observation": """resourceType text identifier basedOn partOf status category code subject focus
        effectiveDateTime issued performer valueCodeableConcept interpretation note bodySite method device
        derivedFrom component""",
    "Device": """resourceType identifier status manufacturer deviceName type version property note""",
    "Provenance": """resourceType meta target occurredDateTime recorded policy location reason activity agent
        entity signature""",
}


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


@pytest.mark.covers("S5")
@pytest.mark.parametrize("state", SENT)
def test_bundle_is_valid_r4(state: ReportState) -> None:
    bundle = build_bundle(message(state, retracted_findings=("Edema",)))
    again = json.loads(Bundle.model_validate(bundle).model_dump_json())
    assert [e["resource"]["resourceType"] for e in again["entry"]] == [
        e["resource"]["resourceType"] for e in bundle["entry"]
    ]
    for entry in bundle["entry"]:
        resource = entry["resource"]
        assert set(resource) <= set(R4_ELEMENTS[resource["resourceType"]].split())


def test_every_reference_inside_the_bundle_leads_to_an_entry() -> None:
    bundle = build_bundle(message())
    inside = set(re.findall(r'"reference": "([^"]+)"', json.dumps(bundle)))
    names = [entry["fullUrl"] for entry in bundle["entry"]]
    assert inside
    assert inside <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.covers("S6")
def test_every_entry_finds_what_an_earlier_sending_made() -> None:
    assert build_bundle(message()) == build_bundle(message())
    for entry in build_bundle(message())["entry"]:
        request = entry["request"]
        condition = request["url"] if request["method"] == "PUT" else request.get("ifNoneExist", "")
        assert "identifier=" in condition or "_tag=" in condition
    first = {e["request"]["url"] for e in build_bundle(message())["entry"]}
    later = {
        e["request"]["url"]
        for e in build_bundle(message(ReportState.CORRECTED, message_uid="2.25.99"))["entry"]
    }
    assert first == later, "a correction updates the same resources"


@pytest.mark.covers("O6")
def test_findings_say_what_was_accepted_and_by_which_model() -> None:
    bundle = build_bundle(message())
    lesion, pneumothorax = resources(bundle, "Observation")
    assert (lesion["code"]["text"], lesion["valueCodeableConcept"]["text"]) == ("Lung lesion", "Present")
    assert pneumothorax["valueCodeableConcept"]["text"] == "Absent"
    assert lesion["component"][0]["valueQuantity"]["value"] == 0.91
    [device] = resources(bundle, "Device")
    assert device["property"][0]["valueCode"][0]["text"] == "ab" * 32
    retracted = build_bundle(message(ReportState.CORRECTED, findings=(), retracted_findings=("Edema",)))
    assert [o["status"] for o in resources(retracted, "Observation")] == ["entered-in-error"]


@pytest.mark.covers("T35")
def test_provenance_names_signer_time_meaning_and_digest() -> None:
    [provenance] = resources(build_bundle(message()), "Provenance")
    text = json.dumps(provenance, ensure_ascii=False)
    for part in ("Dr. Ada Attending", "2026-11-26T12:00:00", "reviewed and approved", "cd" * 32):
        assert part in text


@pytest.mark.covers("T27")
@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=300).filter(lambda text: text.strip()))
def test_any_text_arrives_as_it_was_and_is_never_markup(text: str) -> None:
    try:
        bundle = build_bundle(message(findings_text=text, impression=text))
    except Rejected:
        return
    [report] = resources(bundle, "DiagnosticReport")
    assert report["conclusion"] == text
    assert text in base64.b64decode(report["presentedForm"][0]["data"]).decode()
    div = report["text"]["div"]
    assert re.findall(r"<(?!/?(?:div|h3|p|b)[ >])", div) == []
    assert f"<p>{text}</p>" in [f"<p>{unescape(p)}</p>" for p in re.findall(r"<p>(.*?)</p>", div, re.DOTALL)]


@pytest.mark.covers("T27")
@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\ufffe"])
def test_what_xml_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="control characters"):
        build_bundle(message(findings_text=text))


@pytest.mark.covers("T27")
def test_a_megabyte_is_carried_and_more_is_refused() -> None:
    text = "word " * 200_000
    [report] = resources(build_bundle(message(impression=text)), "DiagnosticReport")
    assert report["conclusion"] == text
    with pytest.raises(Rejected, match="1 MB"):
        build_bundle(message(impression=text + text))


def test_patient_is_named_by_identifier_and_issuer() -> None:
    [report] = resources(build_bundle(message(), patient_system="urn:oid:1.2.3"), "DiagnosticReport")
    subject = report["subject"]["identifier"]
    assert (subject["system"], subject["value"]) == ("urn:oid:1.2.3", "PID|1")
    assert subject["assigner"]["display"] == "HOSPITAL"
    assert report["imagingStudy"][0]["identifier"]["value"].startswith("urn:oid:1.2.826")
