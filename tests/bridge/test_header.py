"""The header reader: right values from real encodings, a reason for everything it refuses.

Covered: encodings, character sets, limits, damage. Not covered: pixel content, which it never looks at.
"""

from __future__ import annotations

import random
import struct

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pacs_bridge import Limits, Rejected, read_header
from pacs_bridge.header import check_command
from pacs_bridge.received import read_head
from tests.bridge.peers import BIG_ENDIAN, CR, EXPLICIT, IMPLICIT, encode, nested, radiograph

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_header_is_the_same_in_every_encoding(syntax):
    dataset = radiograph(
        Rows=1955, Columns=1841, NumberOfFrames=3, ViewPosition="PA", BodyPartExamined="CHEST"
    )
    dataset.Laterality, dataset.ImageLaterality = "R", "L"
    dataset.ReferencedStudySequence = Sequence([Dataset()])
    header = read_header(encode(dataset, syntax), syntax)
    assert header.sop_instance_uid == dataset.SOPInstanceUID
    assert (header.rows, header.columns, header.number_of_frames, header.instance_number) == (
        1955,
        1841,
        3,
        1,
    )
    assert (header.view_position, header.body_part_examined, header.modality) == ("PA", "CHEST", "CR")
    assert (header.laterality, header.image_laterality) == ("R", "L")
    assert (header.patient_id, header.patient_name) == ("P1", "Example^Person")


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "JPEG2000.dcm",
        "SC_rgb_rle.dcm",
        "examples_overlay.dcm",
        "reportsi.dcm",
        "693_J2KI.dcm",
        "JPEG-LL.dcm",
        "MR_small_RLE.dcm",
    ],
)
def test_header_of_real_files_agrees_with_pydicom(name):
    path = get_testdata_file(name, download=False)
    dataset = dcmread(path)
    with open(path, "rb") as file:
        data = file.read()
    offset = 144 + dataset.file_meta.FileMetaInformationGroupLength
    header = read_header(data[offset:], str(dataset.file_meta.TransferSyntaxUID))
    assert header.sop_instance_uid == dataset.SOPInstanceUID
    assert header.study_uid == dataset.StudyInstanceUID
    assert header.patient_name == str(dataset.get("PatientName", ""))
    assert header.rows == dataset.get("Rows")
    assert header.study_description == str(dataset.get("StudyDescription", "") or "")


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Ελένη^Παπά"),
        ("ISO_IR 144", "Люкceмбypг"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_names_are_decoded_with_their_character_set(terms, name):
    dataset = radiograph(SpecificCharacterSet=terms, PatientName=name)
    header = read_header(encode(dataset), EXPLICIT)
    assert header.patient_name == name


def test_unknown_character_set_does_not_keep_an_image_out():
    data = encode(radiograph(PatientName="Muller^J")).replace(b"Muller^J", b"M\xfcller^J")
    dataset = Dataset()
    dataset.add_new(0x00080005, "CS", "ISO_IR 999")
    header = read_header(encode(dataset) + data, EXPLICIT)
    assert header.patient_name == "Müller^J"


def test_nul_never_reaches_a_text_column():
    data = encode(radiograph(StudyDescription="CHEST!")).replace(b"CHEST!", b"CH\x00ST!")
    assert read_header(data, EXPLICIT).study_description == "CHST!"


@pytest.mark.covers("T21")
def test_dimensions_written_as_ul_are_read():
    data = encode(radiograph(pixels=False)) + struct.pack("<HH2sHI", 0x0028, 0x0010, b"UL", 4, 512)
    assert read_header(data, EXPLICIT).rows == 512


@pytest.mark.covers("T21")
@pytest.mark.parametrize("depth", [50, 200, 5000])
@pytest.mark.parametrize("undefined", [True, False])
def test_deeply_nested_sequences_are_refused(depth, undefined):
    data = encode(radiograph(pixels=False)) + nested(depth, undefined=undefined)
    with pytest.raises(Rejected, match="nested deeper") as refusal:
        read_header(data, EXPLICIT)
    assert refusal.value.status == 0xC000


@pytest.mark.covers("T21")
def test_nesting_of_real_reports_is_read():
    data = encode(radiograph(pixels=False)) + nested(20, undefined=True) + nested(1, undefined=False)
    assert read_header(
        data.replace(struct.pack("<HH", 0x0040, 0x0275), struct.pack("<HH", 0x0040, 0xA730)), EXPLICIT
    )


@pytest.mark.covers("T21")
def test_two_hundred_thousand_elements_are_refused():
    filler = b"".join(struct.pack("<HH2sH", 0x0029, 0x1000 + i % 0xE000, b"LO", 0) for i in range(200_000))
    with pytest.raises(Rejected, match="elements"):
        read_header(encode(radiograph(pixels=False)) + filler, EXPLICIT)


def test_limits_are_settings():
    with pytest.raises(Rejected, match="nested deeper than 2"):
        read_header(encode(radiograph(pixels=False)) + nested(4, undefined=True), EXPLICIT, Limits(depth=2))


@pytest.mark.parametrize(
    "junk", [b"%PDF-1.7 this is not DICOM" * 20, b"", b"\x00" * 512, b"GET / HTTP/1.1\r\n\r\n" * 9]
)
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_what_is_not_dicom_is_refused_with_a_reason(junk, syntax):
    with pytest.raises(Rejected, match=r"not a readable data set|has no SOP Class UID"):
        read_header(junk, syntax)


def test_a_whole_file_sent_as_data_set_is_refused(ct_slice):
    with pytest.raises(Rejected, match="not a readable data set"):
        read_header(ct_slice.read_bytes(), EXPLICIT)


@pytest.mark.covers("T21")
def test_every_truncation_is_refused_or_ends_between_elements():
    """Cut a real slice at every byte of its header: the reader must see it, save at an element boundary."""
    dataset = radiograph(pixels=False)
    data = encode(dataset)
    boundaries = {len(encode(_first(dataset, n))) for n in range(len(dataset) + 1)}
    for cut in range(len(data)):
        if cut in boundaries:
            continue
        with pytest.raises(Rejected):
            read_header(data[:cut], EXPLICIT)


def _first(dataset, count):
    part = Dataset()
    for element in list(dataset)[:count]:
        part.add(element)
    return part


def test_truncated_pixels_are_refused():
    with pytest.raises(Rejected, match="truncated"):
        read_header(encode(radiograph())[:-1], EXPLICIT)


def test_truncated_compressed_pixels_are_refused():
    path = get_testdata_file("JPEG2000.dcm", download=False)
    dataset = dcmread(path)
    with open(path, "rb") as file:
        data = file.read()
    body = data[144 + dataset.file_meta.FileMetaInformationGroupLength :]
    assert read_header(body, str(dataset.file_meta.TransferSyntaxUID)).rows == dataset.Rows
    with pytest.raises(Rejected, match="truncated"):
        read_header(body[:-100], str(dataset.file_meta.TransferSyntaxUID))


def test_padding_after_complete_pixels_is_harmless():
    assert read_header(encode(radiograph()) + b"\x00" * 7, EXPLICIT).rows == 16


def test_damage_inside_a_sequence_of_known_length_is_opaque():
    junk = b"this is not an item, and nobody has to look"
    sequence = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, len(junk)) + junk
    assert read_header(encode(radiograph(pixels=False)) + sequence, EXPLICIT).modality == "CR"


@pytest.mark.covers("T18")
@pytest.mark.parametrize(
    "uid", ["../../x", "/tmp/evil.dcm", "1.2\x00.3", "1.2%2f", "~root", "1.2\\3", "", "1.2.é", "1 2", "a.b"]
)
@pytest.mark.parametrize(
    "keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"]
)
def test_what_is_not_a_uid_is_refused(uid, keyword):
    data = encode(radiograph(pixels=False, **{keyword: "9.8.7.6.5.4.3.2.1"}))
    raw = uid.encode("utf-8")
    raw += b"\0" * (len(raw) % 2)
    broken = data.replace(struct.pack("<H", 18) + b"9.8.7.6.5.4.3.2.1\0", struct.pack("<H", len(raw)) + raw)
    assert broken != data
    with pytest.raises(Rejected, match="is not a UID"):
        read_header(broken, EXPLICIT)


def test_uid_of_65_characters_is_refused():
    data = encode(radiograph(pixels=False))
    long = struct.pack("<HH2sH", 0x0020, 0x000E, b"UI", 66) + b"1." * 33
    stripped = _without(radiograph(pixels=False), "SeriesInstanceUID")
    with pytest.raises(Rejected, match="is not a UID"):
        read_header(encode(stripped) + long, EXPLICIT)
    assert read_header(data, EXPLICIT)


@pytest.mark.parametrize(
    "keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"]
)
def test_missing_uid_is_refused(keyword):
    with pytest.raises(Rejected, match="the data set has no"):
        read_header(encode(_without(radiograph(), keyword)), EXPLICIT)


def test_a_second_sop_instance_uid_is_refused():
    second = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", 4) + b"1.2\0"
    with pytest.raises(Rejected, match="occurs twice"):
        read_header(encode(radiograph()) + second, EXPLICIT)


def _without(dataset, keyword):
    delattr(dataset, keyword)
    return dataset


@pytest.mark.covers("L11")
@pytest.mark.parametrize(("value", "expected"), [("7", 7), ("", None), ("x", None), (None, None)])
def test_number_of_study_related_instances_is_read(value, expected):
    announced = b"" if value is None else _element(0x0020, 0x1208, b"IS", value.encode())
    header = read_header(encode(radiograph(pixels=False)) + announced, EXPLICIT)
    assert header.number_of_study_related_instances == expected


def _element(group, element, vr, value):
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


@pytest.mark.covers("T19")
def test_command_must_name_the_instance_of_the_data_set():
    dataset = radiograph()
    header = read_header(encode(dataset), EXPLICIT)
    check_command(header, CR, dataset.SOPInstanceUID)
    for sop_class, uid in [("1.2.3", dataset.SOPInstanceUID), (CR, "1.2.3")]:
        with pytest.raises(Rejected) as refusal:
            check_command(header, sop_class, uid)
        assert refusal.value.status == 0xA900


@pytest.mark.covers("L13")
def test_mutated_headers_raise_nothing_but_rejected(ct_slice):
    """1,000 seeded mutations of a real slice: each is read or refused with a reason, in bounded time."""
    head, offset = read_head(ct_slice)
    data = bytearray(ct_slice.read_bytes()[offset : offset + 6000])
    rng = random.Random(20261122)
    refused = 0
    for _ in range(1000):
        mutant = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            mutant[rng.randrange(len(mutant))] = rng.randrange(256)
        if rng.random() < 0.3:
            del mutant[rng.randrange(len(mutant)) :]
        refused += _refused(bytes(mutant), head.transfer_syntax)
    print(f"refused {refused} of 1000")
    assert refused > 0


def _refused(data, syntax):
    try:
        read_header(data, syntax)
    except Rejected as refusal:
        return bool(refusal.reason)
    return False
