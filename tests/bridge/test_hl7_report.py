"""The ORU^R01: read back by python-hl7, which knows nothing of how it was written.

Covered: fields, names, escape sequences, texts of any kind and length, withdrawal, same bytes on a resend.
Not covered: the connection (`test_mllp_client.py`), states (`test_report_states.py`).
"""

from __future__ import annotations

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs_bridge.errors import Rejected
from pacs_bridge.hl7_report import Hl7Header, build_oru, control_id
from pacs_bridge.hl7_text import dicom_time, unescape
from pacs_bridge.results.report_content import ReportState
from tests.bridge.reports import message

HEADER = Hl7Header("JANUSMED", "HOSPITAL", "RIS", "RADIOLOGY")
HARD_TEXTS = [
    "a|b^c&d~e\\f \\F\\ \\X0D\\ \\.br\\",
    "<script>alert(1)</script> &amp; <b>",
    "אין ממצא \u202eabc\u202c شيء",
    "MSH|^~\\&|EVIL OBX|9|TX|",
    "first line\nsecond line",
    "字 \U0001f480 ẞ",
]


def parsed(built: bytes) -> hl7.Message:
    return hl7.parse(built.decode())


def texts_of(built: bytes) -> list[str]:
    """The texts of the sections as a receiver reads them."""
    return [unescape(str(obx[5])) for obx in parsed(built).segments("OBX") if str(obx[2]) == "FT"]


def test_message_says_who_what_and_when() -> None:
    read = parsed(build_oru(message(), HEADER))
    msh, pid, obr = read.segment("MSH"), read.segment("PID"), read.segment("OBR")
    assert [str(msh[n]) for n in (3, 4, 5, 6, 12, 18)] == [
        *("JANUSMED", "HOSPITAL", "RIS", "RADIOLOGY", "2.5.1", "UNICODE UTF-8"),
    ]
    assert (str(msh[9]), str(msh[10])) == ("ORU^R01^ORU_R01", control_id("2.25.11"))
    assert str(pid[3]) == "PID\\F\\1^^^HOSPITAL^MR"
    assert str(pid[5]).split("~") == [
        "Müller^Jörg^M^Jr^Dr^^L^A",
        "山田^太郎^^^^^L^I",
        "やまだ^たろう^^^^^L^P",
    ]
    assert (str(pid[7]), str(pid[8])) == ("19500101", "M")
    assert str(obr[2]) == str(obr[3]) == str(obr[18]) == "ACC\\T\\1"
    assert (str(obr[7]), str(obr[22])) == ("20261126081500", "20261126120000+0000")
    assert str(obr[32]) == "ada&Dr. Ada Attending"


@pytest.mark.covers("T35")
def test_name_time_meaning_and_digest_of_the_signature_leave_with_it() -> None:
    [signed, model] = [str(note[3]) for note in parsed(build_oru(message(), HEADER)).segments("NTE")]
    for part in ("Dr. Ada Attending (ada)", "2026-11-26T12:00:00+00:00", "reviewed and approved", "cd" * 32):
        assert part in signed
    assert "ab" * 32 in model


@pytest.mark.covers("T27")
@pytest.mark.parametrize("text", HARD_TEXTS)
def test_text_arrives_as_it_was_and_makes_no_segment(text: str) -> None:
    built = build_oru(message(findings_text=text), HEADER)
    assert texts_of(built) == [text, "Possible lesion."]
    plain = build_oru(message(), HEADER)
    assert built.count(b"\r") == plain.count(b"\r")
    assert b"\n" not in built


@pytest.mark.covers("T27")
@settings(deadline=None)
@given(st.text(min_size=1, max_size=400).filter(lambda text: text.strip()))
def test_any_text_arrives_as_it_was_or_is_refused(text: str) -> None:
    try:
        built = build_oru(message(findings_text=text), HEADER)
    except Rejected:
        return
    assert texts_of(built)[0] == text
    assert len(parsed(built).segments("OBX")) == 3


@pytest.mark.covers("T27")
@pytest.mark.parametrize("text", ["a\x00b", "a\x1cb\x0dc", "\x0bMSH", "bell \x07", "\x85next", "\ud800"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(Rejected, match="control characters"):
        build_oru(message(findings_text=text), HEADER)


@pytest.mark.covers("T27")
def test_text_longer_than_the_standard_allows_is_refused_whole() -> None:
    assert texts_of(build_oru(message(findings_text="x" * 65_536), HEADER))[0] == "x" * 65_536
    for text in ("x" * 65_537, "|" * 30_000, "word " * 200_000):
        with pytest.raises(Rejected, match="65536 at most"):
            build_oru(message(findings_text=text), HEADER)


@pytest.mark.covers("T27")
@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_names_and_descriptions_never_make_fields(name: str, description: str) -> None:
    from dataclasses import replace

    base = message()
    study = replace(
        base.content.study,
        patient_name=name.encode("utf-8", "replace").decode(),
        study_description=description.encode("utf-8", "replace").decode(),
    )
    read = parsed(build_oru(message(content=replace(base.content, study=study)), HEADER))
    assert [str(segment[0]) for segment in read] == [
        "MSH",
        "PID",
        "PV1",
        "ORC",
        "OBR",
        "NTE",
        "NTE",
        "OBX",
        "OBX",
        "OBX",
    ]
    assert (str(read.segment("OBR")[25]), str(read.segment("PID")[8])) == ("F", "M")


def test_withdrawal_deletes_the_text_and_says_why() -> None:
    built = build_oru(message(ReportState.WITHDRAWN), HEADER)
    assert texts_of(built) == ['""', '""']
    assert "Images of another patient." in built.decode()
    assert "Nodule" not in built.decode()


@pytest.mark.covers("S6")
def test_a_resend_is_the_same_message_and_another_report_is_not() -> None:
    assert build_oru(message(), HEADER) == build_oru(message(), HEADER)
    assert control_id("2.25.11") != control_id("2.25.12")
    assert len(control_id("2.25.11")) == 20


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20261126", "081500.123", "20261126081500"),
        ("20261126", "0815", "202611260815"),
        ("20261126", "", "20261126"),
        ("20261126", "junk", "20261126"),
        ("", "0815", ""),
        ("unknown!", "0815", ""),
    ],
)
def test_times_of_the_study_become_times_of_hl7(date: str, time: str, expected: str) -> None:
    assert dicom_time(date, time) == expected
