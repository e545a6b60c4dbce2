"""Patient and study in every object as in the images, whatever character set and however bent (O4).

Covered: names in the character sets hospitals use, read by our own header reader from encoded images and
again by pydicom from the objects; values that bend their VR; what cannot be kept is refused.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from pydicom import dcmread

from pacs_bridge import Rejected, read_header
from pacs_bridge.results import SourceStudy, build_report_sr
from tests.bridge.peers import EXPLICIT, encode, radiograph
from tests.bridge.result_cases import make_case
from tests.bridge.result_objects import build_objects
from tests.bridge.test_report_sr import content

CHARACTER_SETS = [
    ("ISO_IR 100", "Buc^Jérôme"),
    ("ISO_IR 101", "Wałęsa^Łucja"),
    ("ISO_IR 110", "Ķēniņš^Ābele"),
    ("ISO_IR 144", "Люксембург^Роза"),
    ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 126", "Διονυσιος^Ιωαννης"),
    ("ISO_IR 138", "שרון^דבורה"),
    ("ISO_IR 148", "Çavuşoğlu^Işıl"),
    ("ISO_IR 166", "นามสกุล^ชื่อ"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Иванов^Иван"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("GBK", "Wang^XiaoDong=王^小东"),
    ("ISO_IR 192", "Ngô^Bảo=吳^寶珠=𠮷"),
    ("", "Plain^Name^Middle^Dr^MD"),
]
COPIED = {
    "PatientName": "patient_name",
    "PatientID": "patient_id",
    "IssuerOfPatientID": "issuer_of_patient_id",
    "PatientBirthDate": "patient_birth_date",
    "PatientSex": "patient_sex",
    "StudyInstanceUID": "study_uid",
    "StudyID": "study_id",
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "AccessionNumber": "accession_number",
    "StudyDescription": "study_description",
    "ReferringPhysicianName": "referring_physician_name",
}


@pytest.mark.covers("O4")
@pytest.mark.parametrize(("character_set", "name"), CHARACTER_SETS, ids=lambda v: str(v)[:24])
def test_name_is_the_same_unicode_whatever_the_images_were_encoded_in(character_set, name, tmp_path):
    image = radiograph(PatientName=name, ReferringPhysicianName=name, SpecificCharacterSet=character_set)
    header = read_header(encode(image), EXPLICIT)
    assert header.patient_name == name
    document = build_report_sr(content(study=SourceStudy.of(header)))
    document.save_as(tmp_path / "sr", enforce_file_format=True)
    again = dcmread(tmp_path / "sr")
    assert str(again.PatientName) == name
    assert str(again.ReferringPhysicianName) == name
    assert again.get("SpecificCharacterSet") == (None if name.isascii() else "ISO_IR 192")


@pytest.mark.covers("O4")
def test_simplified_chinese_with_code_extensions_is_read_as_the_standard_shows_it():
    """PS3.5 K.3, example 2; pydicom reads these escape sequences but does not write them."""
    raw = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    data = encode(radiograph(PatientName="x", SpecificCharacterSet=["", "ISO 2022 IR 58"]))
    start = data.index(b"\x10\x00\x10\x00PN")
    element = data[start : start + 6] + struct.pack("<H", len(raw)) + raw
    header = read_header(data[:start] + element + data[start + 10 :], EXPLICIT)
    assert header.patient_name == "Zhang^XiaoDong=张^小东="
    document = build_report_sr(content(study=SourceStudy.of(header)))
    assert str(document.PatientName) == "Zhang^XiaoDong=张^小东"


@pytest.mark.covers("O4")
@pytest.mark.parametrize("seed", range(4))
def test_every_object_copies_every_attribute(seed, tmp_path):
    case = make_case(seed)
    for kind, document in build_objects(case).items():
        document.save_as(tmp_path / kind, enforce_file_format=True)
        again = dcmread(tmp_path / kind)
        for keyword, field in COPIED.items():
            assert str(again.get(keyword, "")) == getattr(case.content.study, field), (kind, keyword)


@pytest.mark.filterwarnings("ignore:.*[Ii]nvalid value", "ignore:The (value|PN component) length")
@pytest.mark.covers("O4")
@pytest.mark.parametrize(
    ("field", "keyword", "value"),
    [
        ("patient_id", "PatientID", "A" * 70),
        ("patient_id", "PatientID", " leading"),
        ("patient_id", "PatientID", "line\r\nbreak\ttab"),
        ("patient_name", "PatientName", "Doe^Jane^=^=" + "x" * 80),
        ("patient_name", "PatientName", "a^b^c^d^e^f=g=h"),
        ("patient_birth_date", "PatientBirthDate", "1940.03.05"),
        ("patient_birth_date", "PatientBirthDate", "unknown"),
        ("patient_sex", "PatientSex", "female"),
        ("study_time", "StudyTime", "25:61"),
        ("study_date", "StudyDate", "20261350"),
        ("accession_number", "AccessionNumber", "12345678901234567890"),
        ("study_description", "StudyDescription", "<b>x</b> |^~& \u202eabc"),
    ],
)
def test_values_that_bend_their_vr_are_kept(field, keyword, value, tmp_path):
    document = build_report_sr(content(study=replace(content().study, **{field: value})))
    document.save_as(tmp_path / "sr", enforce_file_format=True)
    assert str(dcmread(tmp_path / "sr")[keyword].value) == value


@pytest.mark.parametrize(
    ("field", "keyword", "value"),
    [("patient_id", "PatientID", "A\\B"), ("study_description", "StudyDescription", "one\\two\\three")],
)
def test_backslash_keeps_its_values(field, keyword, value, tmp_path):
    """A backslash separates values (PS3.5 6.4): the receiver sees the same values that the images have."""
    document = build_report_sr(content(study=replace(content().study, **{field: value})))
    document.save_as(tmp_path / "sr", enforce_file_format=True)
    assert list(dcmread(tmp_path / "sr")[keyword].value) == value.split("\\")


@pytest.mark.filterwarnings("ignore:Failed to encode")
@pytest.mark.parametrize("value", ["half \ud800 character", "\x00NUL\x00", "ends in NUL\x00"])
@pytest.mark.parametrize("field", ["patient_id", "patient_name", "study_description"])
def test_what_an_object_cannot_keep_is_refused(field, value):
    with pytest.raises(Rejected) as refused:
        build_report_sr(content(study=replace(content().study, **{field: value})))
    assert value not in str(refused.value)


@pytest.mark.parametrize("uid", ["", "not a uid", "1.2.3\\4", "1" * 65])
def test_uid_that_is_none_is_refused(uid):
    for changes in (
        {"study": replace(content().study, study_uid=uid)},
        {"series_uid": uid},
        {"sop_instance_uid": uid},
    ):
        with pytest.raises(Rejected):
            build_report_sr(content(**changes))
