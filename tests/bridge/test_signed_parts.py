"""Parts of a report with signatures of their own: each format says who signed which part, when and why."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import hl7
import pytest

from pacs_bridge.errors import Rejected
from pacs_bridge.fhir_report import build_bundle
from pacs_bridge.hl7_report import Hl7Header, build_oru
from pacs_bridge.results import build_encapsulated_pdf, build_report_sr
from pacs_bridge.results.report_content import Observer, ReportState, Section, Sentence, Verification
from pacs_bridge.results.report_message import ReportMessage, Signature
from tests.bridge.reports import NOW, SIGNER, message

LATER = NOW + timedelta(hours=3)
OTHER = Observer("Zweite^Zoë", "Test Hospital", "zoe")
BY_OTHER = Verification(OTHER, LATER, "addendum to a final report, reviewed and approved", "ee" * 32)
FIRST = Signature("Dr. Ada Attending", "ada", NOW, "final report, reviewed and approved", "cd" * 32)


def amended(state: ReportState = ReportState.ADDENDED) -> ReportMessage:
    """A report of one reader with an addendum of another."""
    made = message(state)
    addendum = Section("addendum", (Sentence("No change since 2020."),), 1, BY_OTHER)
    replaced = Section("replaced text", (Sentence("FINDINGS: Wrong side."),), 0, BY_OTHER)
    content = replace(
        made.content,
        sections=(*made.content.sections, addendum, replaced),
        verifications=(*made.content.verifications, BY_OTHER),
    )
    signature = Signature("Dr. Zoë Zweite", "zoe", LATER, BY_OTHER.meaning, "ee" * 32)
    return replace(made, content=content, signature=signature, also_signed=(FIRST,))


@pytest.mark.covers("S4", "S5", "T35")
def test_sr_names_the_author_of_a_part_in_it_and_every_verifier() -> None:
    document = build_report_sr(amended().content)
    names = [str(item.VerifyingObserverName) for item in document.VerifyingObserverSequence]
    assert names == ["Attending^Ada^^Dr.", "Zweite^Zoë"]
    [part] = [
        item for item in document.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "121078"
    ]
    people = [str(item.PersonName) for item in part.ContentSequence if item.ValueType == "PNAME"]
    texts = [str(item.TextValue) for item in part.ContentSequence if item.RelationshipType == "CONTAINS"]
    assert people == ["Zweite^Zoë"]
    assert texts[0].startswith(
        "Addendum 1. Signed by Zoë Zweite on 2026-11-26 15:00:00 UTC: addendum to a final"
    )
    assert texts[1] == "No change since 2020."


@pytest.mark.covers("S4", "T35")
def test_hl7_names_the_signer_of_each_part_and_leaves_out_what_was_replaced() -> None:
    parsed = hl7.parse(build_oru(amended(), Hl7Header("A", "", "B", "")).decode())
    parts = [obx for obx in parsed.segments("OBX") if str(obx[3]).startswith("55107-7")]
    [addendum] = parts
    assert (str(addendum[4]), str(addendum[14])) == ("1", "20261126150000+0000")
    assert str(addendum[16]).startswith("zoe^")
    assert "Wrong side" not in str(parsed)
    notes = [str(note[3]) for note in parsed.segments("NTE")]
    assert sum("Signed electronically" in note for note in notes) == 2
    assert str(parsed.segment("OBR")[32]) == "zoe&Dr. Zoë Zweite"


@pytest.mark.covers("S4", "T35")
def test_fhir_names_every_signer_once_and_carries_all_of_the_text() -> None:
    resources = [entry["resource"] for entry in build_bundle(amended())["entry"]]
    [report] = [r for r in resources if r["resourceType"] == "DiagnosticReport"]
    assert [who["display"] for who in report["resultsInterpreter"]] == ["Dr. Zoë Zweite", "Dr. Ada Attending"]
    text = base64.b64decode(report["presentedForm"][0]["data"]).decode()
    assert "ADDENDUM 1\nAddendum 1. Signed by Zoë Zweite on" in text
    assert "FINDINGS: Wrong side." in text
    assert text.count("Signed electronically by") == 2
    assert "<h3>Addendum 1</h3><p>Addendum 1. Signed by" in report["text"]["div"]
    twice = replace(amended(), also_signed=(FIRST, FIRST))
    assert json.dumps(build_bundle(twice)).count('"display": "Dr. Ada Attending"') == 1


@pytest.mark.covers("S5")
@pytest.mark.parametrize("state", [ReportState.ADDENDED, ReportState.CORRECTED])
def test_document_that_follows_names_what_it_follows_or_that_there_is_nothing(state: ReportState) -> None:
    content = replace(amended(state).content, predecessors=())
    for build in (build_report_sr, build_encapsulated_pdf):
        with pytest.raises(Rejected, match="needs its predecessor"):
            build(content)
        assert "PredecessorDocumentsSequence" not in build(replace(content, is_first=True))


def test_part_is_called_by_its_number_and_a_section_by_its_heading() -> None:
    assert Section("addendum", (), 2).title == "Addendum 2"
    assert Section("findings", ()).title == "findings"
    assert Section("findings", ()).statement == ""
    assert SIGNER != OTHER
