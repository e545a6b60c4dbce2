"""The note that takes objects back (IHE IOCM), and what it may not take back.

Covered: the note as pydicom reads it. Not covered: what an archive does with it; its validity
(test_results_valid).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from pacs_bridge import Rejected
from pacs_bridge.results import RejectionContent, RejectionReason, SourceInstance, build_rejection_note
from tests.bridge.test_report_sr import IMAGE, NOW, READER, content

REPORT = SourceInstance("1.2.3", "1.2.3.9", "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3.9.1")
PICTURE = SourceInstance("1.2.3", "1.2.3.8", "1.2.840.10008.5.1.4.1.1.7", "1.2.3.8.1")
NOTE = RejectionContent(
    RejectionReason.WITHDRAWN,
    content().study,
    (REPORT, PICTURE),
    READER,
    NOW,
    "1.2.3.10",
    "1.2.3.10.1",
    "Report of another patient.",
)


@pytest.mark.covers("O6")
def test_note_refers_to_every_withdrawn_object():
    note = build_rejection_note(NOTE)
    assert (note.Modality, note.SOPClassUID) == ("KO", "1.2.840.10008.5.1.4.1.1.88.59")
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    listed = [
        (series.SeriesInstanceUID, sop.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
    ]
    assert listed == [("1.2.3.9", "1.2.3.9.1"), ("1.2.3.8", "1.2.3.8.1")]
    shown = {i.ValueType: i for i in note.ContentSequence if i.ValueType in {"IMAGE", "COMPOSITE"}}
    assert shown["COMPOSITE"].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.9.1"
    assert shown["IMAGE"].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.8.1"


@pytest.mark.covers("O6")
@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (RejectionReason.WITHDRAWN, "113037"),
        (RejectionReason.WRONG_ORDER, "113038"),
        (RejectionReason.QUALITY, "113001"),
        (RejectionReason.RETENTION, "113039"),
    ],
)
def test_title_follows_the_reason(reason, code):
    note = build_rejection_note(replace(NOTE, reason=reason))
    (title,) = note.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator) == (code, "DCM")
    assert note.ContentTemplateSequence[0].TemplateIdentifier == "2010"


def test_who_and_why_are_in_the_note():
    note = build_rejection_note(NOTE)
    words = {
        i.ConceptNameCodeSequence[0].CodeMeaning: i
        for i in note.ContentSequence
        if "ConceptNameCodeSequence" in i
    }
    assert words["Person Observer Name"].PersonName == "Reader^Rita"
    assert words["Key Object Description"].TextValue == "Report of another patient."
    assert (note.ContentDate, note.ContentTime) == ("20261122", "130507")


def test_note_without_explanation_has_none():
    note = build_rejection_note(replace(NOTE, explanation=""))
    assert not [i for i in note.ContentSequence if i.ValueType == "TEXT" and "Description" in str(i)]


@pytest.mark.parametrize(
    "changes",
    [
        {"rejected": ()},
        {"rejected": (replace(IMAGE, study_uid="1.2.4"),)},
        {"written_at": datetime(2026, 11, 22)},
        {"explanation": "bell \x07"},
        {"rejected": (replace(REPORT, sop_instance_uid="none"),)},
    ],
)
def test_note_that_rejects_nothing_or_something_else_is_refused(changes):
    with pytest.raises(Rejected):
        build_rejection_note(replace(NOTE, **changes))
