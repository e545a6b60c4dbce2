"""The report SR: flags of every state, patient and study copied exactly, text unchanged, algorithm named.

Covered: the document as pydicom and DCMTK's dsrdump read it. Not covered: the way to an archive
(test_report_delivery); independent IOD validators (test_results_valid).
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydicom import dcmread

from pacs_bridge import Rejected, read_header
from pacs_bridge.results import (
    Algorithm,
    Code,
    Observer,
    ReportContent,
    ReportState,
    Section,
    Sentence,
    SourceInstance,
    SourceStudy,
    Verification,
    build_report_sr,
    derived_uid,
)
from pacs_bridge.results.report_headings import HEADINGS
from tests.bridge.peers import CR, EXPLICIT, encode, radiograph
from tests.conftest import need

NOW = datetime(2026, 11, 22, 13, 5, 7, tzinfo=timezone(timedelta(hours=1)))
READER = Observer("Reader^Rita", "General Hospital", "rita")
IMAGE = SourceInstance("1.2.3", "1.2.3.1", CR, "1.2.3.1.1")
PRIOR = SourceInstance("1.2.4", "1.2.4.1", CR, "1.2.4.1.1")
MODEL = Algorithm("janus-tiny", "0.1.0", "ab" * 32, adapters_sha256="cd" * 32, parameters=("seed=7",))


def content(**changes):
    base = ReportContent(
        state=ReportState.SIGNED,
        study=SourceStudy("1.2.3", patient_id="P1", patient_name="Example^Person"),
        evidence=(IMAGE,),
        sections=(
            Section("findings", (Sentence("The heart is enlarged.", (IMAGE,)), Sentence("Lungs are clear."))),
            Section("impression", (Sentence("Cardiomegaly."),)),
        ),
        written_at=NOW,
        series_uid="1.2.3.9",
        sop_instance_uid="1.2.3.9.1",
        observer=READER,
        algorithm=MODEL,
        verifications=(Verification(READER, NOW),),
    )
    return replace(base, **changes)


def items(document, meaning=None, kind=None):
    """Every content item below the root, filtered by concept meaning and value type."""
    found = []
    for item in document.get("ContentSequence", []):
        name = item.ConceptNameCodeSequence[0].CodeMeaning
        if meaning in {None, name} and kind in {None, item.ValueType}:
            found.append(item)
        found += items(item, meaning, kind)
    return found


@pytest.mark.covers("T26")
@pytest.mark.parametrize(
    ("state", "flags"),
    [
        (ReportState.DRAFTED, ("PARTIAL", "UNVERIFIED", "PRELIMINARY")),
        (ReportState.PRELIMINARY, ("PARTIAL", "UNVERIFIED", "PRELIMINARY")),
        (ReportState.SIGNED, ("COMPLETE", "VERIFIED", "FINAL")),
        (ReportState.ADDENDED, ("COMPLETE", "VERIFIED", "FINAL")),
        (ReportState.CORRECTED, ("COMPLETE", "VERIFIED", "FINAL")),
    ],
)
def test_flags_follow_the_state(state, flags):
    verified = flags[1] == "VERIFIED"
    document = build_report_sr(
        content(
            state=state,
            verifications=(Verification(READER, NOW),) if verified else (),
            predecessors=(IMAGE,) if state in {ReportState.ADDENDED, ReportState.CORRECTED} else (),
        )
    )
    assert (document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag) == flags
    assert ("VerifyingObserverSequence" in document) is verified


def test_verifying_observer_has_name_organisation_and_zoned_time():
    (observer,) = build_report_sr(content()).VerifyingObserverSequence
    assert observer.VerifyingObserverName == "Reader^Rita"
    assert observer.VerifyingOrganization == "General Hospital"
    assert observer.VerificationDateTime == "20261122130507+0100"


@pytest.mark.parametrize(
    "changes",
    [
        {"verifications": ()},
        {"state": ReportState.PRELIMINARY},
        {"state": ReportState.ADDENDED},
        {"state": ReportState.CORRECTED},
        {"sections": ()},
        {"sections": (Section("findings", ()),)},
        {"sections": (Section("poem", (Sentence("x"),)),)},
        {"sections": (Section("findings", (Sentence("  "),)),)},
        {"sections": (Section("findings", (Sentence("bell \x07"),)),)},
        {"sections": (Section("findings", (Sentence("escape \x1b$B"),)),)},
        {"evidence": ()},
        {"written_at": datetime(2026, 11, 22)},
    ],
)
def test_incomplete_or_contradictory_report_is_refused(changes):
    with pytest.raises(Rejected):
        build_report_sr(content(**changes))


@pytest.mark.covers("O4")
def test_patient_and_study_are_copied_exactly_from_the_image_header():
    """Also what bends the rules of a VR: the archive must file the report with the images."""
    image = radiograph(
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
        PatientID="0815-ÄÖ",
        IssuerOfPatientID="HOSPITAL",
        PatientBirthDate="19400305",
        PatientSex="F",
        ReferringPhysicianName="Ward^Dr",
        StudyID="S 7",
        SpecificCharacterSet="ISO_IR 192",
    )
    header = read_header(encode(image), EXPLICIT)
    document = build_report_sr(content(study=SourceStudy.of(header)))
    for keyword in [
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "StudyDescription",
        "ReferringPhysicianName",
    ]:
        assert str(document[keyword].value) == str(image[keyword].value), keyword
    assert document.SpecificCharacterSet == "ISO_IR 192"
    assert document.SeriesInstanceUID not in {image.SeriesInstanceUID, image.StudyInstanceUID}
    assert document.Modality == "SR"


@pytest.mark.filterwarnings("ignore:.*[Ii]nvalid value")
@pytest.mark.covers("O4")
def test_values_that_bend_their_vr_survive_a_file(tmp_path):
    study = SourceStudy(
        "1.2.3", patient_id="A" * 70, patient_birth_date="1940.03.05", study_time="25:61", patient_sex="F "
    )
    document = build_report_sr(content(study=study))
    document.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    again = dcmread(tmp_path / "sr.dcm")
    assert again.PatientID == "A" * 70
    assert again.PatientBirthDate == "1940.03.05"
    assert again.StudyTime == "25:61"


def test_ascii_report_declares_no_character_set():
    assert "SpecificCharacterSet" not in build_report_sr(content())


def test_sections_and_sentences_stand_in_reading_order():
    document = build_report_sr(content())
    assert [item.TextValue for item in items(document, "Finding")] == [
        "The heart is enlarged.",
        "Lungs are clear.",
    ]
    assert [item.TextValue for item in items(document, "Impression")] == ["Cardiomegaly."]
    headings = [item.ConceptNameCodeSequence[0].CodeMeaning for item in items(document, kind="CONTAINER")]
    assert headings == ["Findings", "Impressions", "Drafting algorithm"]


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_heading_can_be_written(heading):
    document = build_report_sr(content(sections=(Section(heading, (Sentence("text"),)),)))
    assert [i.TextValue for i in items(document, kind="TEXT") if i.TextValue == "text"] == ["text"]


@pytest.mark.covers("T26")
def test_algorithm_is_named_with_version_and_digests():
    document = build_report_sr(content())
    (name,) = items(document, "Algorithm Name")
    (version,) = items(document, "Algorithm Version")
    (family,) = items(document, "Algorithm Family")
    assert (name.TextValue, version.TextValue) == ("janus-tiny", "0.1.0")
    assert family.ConceptCodeSequence[0].CodeMeaning == "Artificial Intelligence"
    assert {item.TextValue for item in items(document, "Algorithm Parameters")} == {
        f"weights sha256={'ab' * 32}",
        f"adapters sha256={'cd' * 32}",
        "seed=7",
    }
    assert [i.ConceptCodeSequence[0].CodeMeaning for i in items(document, "Observer Type")] == [
        "Person",
        "Device",
    ]


def test_report_written_by_hand_names_no_algorithm():
    document = build_report_sr(content(algorithm=None))
    assert items(document, "Algorithm Name") == []
    assert len(items(document, "Observer Type")) == 1


@pytest.mark.covers("O4")
def test_evidence_lists_every_image_read_or_shown_by_study_and_series():
    shown = replace(IMAGE, sop_instance_uid="1.2.3.1.2")
    document = build_report_sr(
        content(
            evidence=(IMAGE, PRIOR),
            sections=(Section("findings", (Sentence("See both.", (IMAGE, shown)),)),),
        )
    )
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert [s.ReferencedSOPInstanceUID for s in series.ReferencedSOPSequence] == ["1.2.3.1.1", "1.2.3.1.2"]
    (other,) = document.PertinentOtherEvidenceSequence
    assert other.StudyInstanceUID == "1.2.4"
    referenced = [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in items(document, kind="IMAGE")]
    assert referenced == ["1.2.3.1.1", "1.2.3.1.2"]
    assert {i.RelationshipType for i in items(document, kind="IMAGE")} == {"INFERRED FROM"}


@pytest.mark.covers("T35")
def test_signature_is_stated_in_words_with_name_time_meaning_and_digest():
    plain = Observer("Dr. Rita Reader", "General Hospital")
    signed = Verification(plain, NOW, "final report, reviewed and approved", "ef" * 32)
    (statement,) = items(build_report_sr(content(verifications=(signed,))), "Signature")
    for words in ("Dr. Rita Reader", "2026-11-22 12:05:07 UTC", "reviewed and approved", "ef" * 32):
        assert words in statement.TextValue


def test_addendum_points_to_its_predecessor():
    before = SourceInstance("1.2.3", "1.2.3.9", "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3.9.1")
    document = build_report_sr(
        content(state=ReportState.ADDENDED, predecessors=(before,), sop_instance_uid="1.2.3.9.2")
    )
    (study,) = document.PredecessorDocumentsSequence
    (sop,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert sop.ReferencedSOPInstanceUID == "1.2.3.9.1"


def test_same_content_is_the_same_document_byte_for_byte(tmp_path):
    files = []
    for name in ("a", "b"):
        build_report_sr(content()).save_as(tmp_path / name, enforce_file_format=True)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_derived_uids_repeat_and_differ():
    assert derived_uid("report", "1") == derived_uid("report", "1")
    assert len({derived_uid("a", "bc"), derived_uid("ab", "c"), derived_uid("abc")}) == 3
    assert derived_uid("x").startswith("2.25.")
    assert len(derived_uid("x")) <= 44


TEXTS = [
    "Plain sentence.",
    "Line one\nline two\r\n\tindented",
    "Müller, Ελένη, 山田, مرحبا, שלום",
    "<script>alert(1)</script> & \"quotes\" 'single'",
    "HL7 |^~\\& delimiters \\.br\\ and a backslash \\",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_text_survives_a_file_unchanged(tmp_path, text):
    document = build_report_sr(content(sections=(Section("findings", (Sentence(text),)),)))
    document.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    (item,) = items(dcmread(tmp_path / "sr.dcm"), "Finding", "TEXT")
    assert item.TextValue == text


@pytest.mark.covers("T26")
@pytest.mark.parametrize("state", [state for state in ReportState if state is not ReportState.WITHDRAWN])
def test_dsrdump_reads_every_state_without_error(tmp_path, state):
    dsrdump = Path("/usr/bin/dsrdump")
    need(dsrdump.exists(), "DCMTK (apt-get install dcmtk)")
    verified = state not in {ReportState.DRAFTED, ReportState.PRELIMINARY}
    document = build_report_sr(
        content(
            state=state,
            verifications=(Verification(READER, NOW.astimezone(UTC)),) if verified else (),
            predecessors=(replace(IMAGE, sop_instance_uid="1.2.3.9.7"),) if verified else (),
            procedure=Code("36643-5", "LN", "XR Chest 2 Views"),
        )
    )
    document.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    done = subprocess.run(
        [dsrdump, "-v", "+Pl", tmp_path / "sr.dcm"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith(("W:", "E:", "F:"))] == []
    for shown in ("The heart is enlarged.", "Cardiomegaly.", "janus-tiny", "ab" * 32, "Reader^Rita"):
        assert shown in done.stdout
