"""Covered: files and folders become studies; what is refused is named and hides nothing else (issue: bad
input).
"""

from __future__ import annotations

import contextlib
import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from janus_med.dicom_input import load_image, read_studies
from janus_med.errors import (
    MixedPatients,
    NoPixelData,
    NotDicom,
    TruncatedFile,
    UnreadableInput,
    UnsupportedImage,
)
from janus_med.instance_header import read_instance
from tests.model.input.made import make_radiograph, phantom_chest

PIXELS = phantom_chest(64, 60)


def test_images_are_grouped_by_study_and_sorted(save) -> None:
    study, series = generate_uid(), generate_uid()
    for number in (3, 1, 2):
        ds = make_radiograph(PIXELS, StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=number)
        folder = save(ds, f"{number}.dcm").parent
    save(make_radiograph(PIXELS), "other.dcm")
    intake = read_studies([folder])
    assert intake.failures == ()
    assert sorted(len(study.instances) for study in intake.studies) == [1, 3]
    numbered = max(intake.studies, key=lambda one: len(one.instances))
    assert [one.instance_number for one in numbered.instances] == [1, 2, 3]


def test_two_patients_under_one_study_are_refused_and_others_read(save) -> None:
    study = generate_uid()
    for name in ("P1", "P2"):
        save(make_radiograph(PIXELS, StudyInstanceUID=study, PatientID=name), f"{name}.dcm")
    folder = save(make_radiograph(PIXELS), "good.dcm").parent
    intake = read_studies([folder])
    assert [one.instances[0].path.name for one in intake.studies] == ["good.dcm"]
    (failure,) = intake.failures
    assert isinstance(failure, MixedPatients)
    assert study in str(failure)
    assert "P1.dcm, P2.dcm" in str(failure)


def test_without_an_identifier_the_name_tells_patients_apart(save) -> None:
    study = generate_uid()
    for name in ("One", "Two"):
        ds = make_radiograph(PIXELS, StudyInstanceUID=study, PatientID="", PatientName=name)
        folder = save(ds, f"{name}.dcm").parent
    assert isinstance(read_studies([folder]).failures[0], MixedPatients)


def test_same_instance_twice_counts_once(save) -> None:
    path = save(make_radiograph(PIXELS))
    shutil.copy(path, path.with_name("copy.dcm"))
    intake = read_studies([path.parent])
    assert intake.failures == ()
    assert len(intake.studies[0].instances) == 1


def test_same_instance_with_other_bytes_is_named_and_the_first_kept(save) -> None:
    ds = make_radiograph(PIXELS)
    save(ds, "a.dcm")
    ds.PixelData = (PIXELS + np.uint16(1)).tobytes()
    folder = save(ds, "b.dcm").parent
    intake = read_studies([folder])
    assert intake.studies[0].instances[0].path.name == "a.dcm"
    assert "b.dcm" in str(intake.failures[0])
    assert "a.dcm" in str(intake.failures[0])


def test_named_file_that_is_not_an_image_is_an_error_but_not_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    shutil.copy(str(get_testdata_file("test-SR.dcm", download=False)), tmp_path / "sr.dcm")
    assert read_studies([tmp_path]).failures == ()
    failures = read_studies([tmp_path / "notes.txt", tmp_path / "sr.dcm"]).failures
    assert [type(one) for one in failures] == [NotDicom, NoPixelData]


def test_cut_file_in_a_folder_is_named_and_the_others_are_read(save) -> None:
    path = save(make_radiograph(PIXELS), "cut.dcm")
    path.write_bytes(path.read_bytes()[:-500])
    folder = save(make_radiograph(PIXELS), "whole.dcm").parent
    intake = read_studies([folder])
    assert isinstance(intake.failures[0], TruncatedFile)
    assert "cut.dcm" in str(intake.failures[0])
    assert len(intake.studies) == 1


@pytest.mark.covers("T21")
@pytest.mark.parametrize("depth", [200, 2000])
def test_deeply_nested_sequences_are_a_clear_error(depth: int, tmp_path: Path) -> None:
    path = tmp_path / "nested.dcm"
    make_radiograph(PIXELS).save_as(path, enforce_file_format=True)
    data = path.read_bytes()
    # (0008,2218) Anatomic Region Sequence, nested with undefined lengths before the first pixel attribute
    opening = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    position = data.index(b"\x10\x00\x10\x00PN")
    path.write_bytes(data[:position] + opening * depth + closing * depth + data[position:])
    with pytest.raises(NotDicom, match="nested too deeply"):
        read_instance(path)


def test_few_nested_sequences_are_fine(save) -> None:
    item = Dataset()
    for _ in range(20):
        outer = Dataset()
        outer.AnatomicRegionSequence = Sequence([item])
        item = outer
    assert read_instance(save(make_radiograph(PIXELS, AnatomicRegionSequence=[item]))).rows == 64


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("value", ["../../x", "1.2/3", "", "1." + "2" * 64, "1..2", ".1", "a"])
def test_uid_that_is_none_is_refused(keyword: str, value: str, save) -> None:
    ds = make_radiograph(PIXELS)
    ds.add_new(keyword, "LO", value)
    ds[keyword].VR = "UI"
    with pytest.raises(NotDicom, match=f"{keyword} is missing or not a UID"):
        read_instance(save(ds))


def test_colour_and_frames_are_readable_headers_but_no_radiographs(decoder) -> None:
    for name, words in (("SC_rgb.dcm", "colour image"), ("emri_small.dcm", "10 frames")):
        instance = read_instance(Path(str(get_testdata_file(name, download=False))))
        with pytest.raises(UnsupportedImage, match=words):
            load_image(instance, decoder)


def test_deflated_header_is_read_without_inflating_the_pixels(save) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (4000, 3000), dtype=np.uint16)
    ds = make_radiograph(pixels)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert read_instance(save(ds)).columns == 3000


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PixelSpacing": [0.1, 0.2]}, (0.1, 0.2, "PixelSpacing")),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.3, 0.3]}, (0.3, 0.3, "ImagerPixelSpacing")),
        ({"NominalScannedPixelSpacing": [0.5, 0.5]}, (0.5, 0.5, "NominalScannedPixelSpacing")),
        ({"PixelAspectRatio": [4, 2]}, (2.0, 1.0, "PixelAspectRatio")),
        ({}, (1.0, 1.0, "none")),
    ],
)
def test_spacing_says_where_it_comes_from(attributes, expected, save) -> None:
    instance = read_instance(save(make_radiograph(PIXELS, **attributes)))
    assert (instance.row_spacing, instance.column_spacing, instance.spacing_source) == expected


def test_view_is_read_from_its_code_when_the_word_is_missing(save) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "399348003", "SCT", "antero-posterior"
    assert (
        read_instance(save(make_radiograph(PIXELS, ViewPosition="", ViewCodeSequence=[code]))).view_position
        == "AP"
    )


def test_real_radiograph_has_its_facts(chest_radiograph: Path) -> None:
    instance = read_instance(chest_radiograph)
    assert (instance.modality, instance.body_part, instance.view_position) == ("CR", "CHEST", "PA")
    assert instance.patient_orientation == ("L", "F")
    assert instance.patient_key not in repr(instance)


@pytest.mark.covers("T21")
def test_flipped_bytes_never_raise_anything_but_unreadable(chest_radiograph: Path, tmp_path: Path) -> None:
    header = chest_radiograph.read_bytes()[:2500]
    rng = np.random.default_rng(11)
    path, messages = tmp_path / "fuzzed.dcm", []
    for _ in range(300):
        data = bytearray(header)
        for position in rng.integers(132, len(header), rng.integers(1, 12)):
            data[position] = rng.integers(0, 256)
        path.write_bytes(data)
        with contextlib.suppress(UnreadableInput):
            read_instance(path)
            continue
        messages.append(path.name)
    assert len(messages) > 250  # the pixels are cut off: nearly everything must be noticed


def test_no_warning_of_the_parser_repeats_a_header_value(save, capfd, caplog) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = make_radiograph(PIXELS, PatientID="CANARY\\7", PatientBirthDate="CANARY8")
        ds.add_new("BodyPartExamined", "CS", "CANARY lower case, and far too long")
        ds.SpecificCharacterSet = "CANARY_CHARSET"
        path = save(ds)
    caplog.clear()
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        instance = read_instance(path)
    assert "CANARY" not in caplog.text + "".join(capfd.readouterr())
    assert instance.body_part.startswith("CANARY")


def test_number_that_is_none_does_not_hide_the_image(save) -> None:
    path = save(make_radiograph(PIXELS, InstanceNumber=3))
    path.write_bytes(
        path.read_bytes().replace(b"\x20\x00\x13\x00IS\x02\x003 ", b"\x20\x00\x13\x00IS\x02\x00!?")
    )
    assert read_instance(path).instance_number is None


def test_folder_of_pydicoms_own_files_never_raises() -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    intake = read_studies([folder])
    assert len(intake.studies) > 10
    assert all(str(failure) for failure in intake.failures)
