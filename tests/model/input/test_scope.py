"""Covered: which studies are drafted, and the reason when not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from janus_med.dicom_input import load_image, read_studies
from janus_med.instance_header import read_instance
from janus_med.preprocessing import preprocess
from janus_med.scope import NOT_FRONTAL, choose_frontals, measure_polarity, refuse_header, refuse_image
from tests.model.input.made import make_radiograph, phantom_chest

PIXELS = phantom_chest(256, 230)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"Modality": "CT"}, "modality is CT"),
        ({"Modality": "MG"}, "modality is MG"),
        ({"Modality": None}, "modality is not stated"),
        ({"BodyPartExamined": "KNEE"}, "body part is KNEE"),
        ({"BodyPartExamined": "", "StudyDescription": "Left knee 2 views"}, "described as knee"),
        ({"ViewPosition": "LL"}, "the view is LL"),
        ({"ViewPosition": "LATERAL"}, "the view is LATERAL"),
        ({"ViewPosition": "", "PatientOrientation": ["P", "F"]}, "lateral view"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "raw detector data"),
    ],
)
def test_header_that_speaks_against_it_is_refused_with_its_reason(attributes, words, save) -> None:
    reason = refuse_header(read_instance(save(make_radiograph(PIXELS, **attributes))))
    assert reason.startswith(NOT_FRONTAL)
    assert words in reason


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"Modality": "DX", "BodyPartExamined": "PORT CHEST", "ViewPosition": "AP SUPINE"},
        {"BodyPartExamined": "", "ViewPosition": "", "StudyDescription": "Thorax"},
        {"BodyPartExamined": "", "ViewPosition": ""},
        {"PatientOrientation": ["L", "F"]},
    ],
)
def test_header_of_a_chest_radiograph_is_accepted(attributes, save) -> None:
    assert refuse_header(read_instance(save(make_radiograph(PIXELS, **attributes)))) is None


def test_names_in_a_coded_attribute_do_not_reach_the_reason(save) -> None:
    ds = make_radiograph(PIXELS, BodyPartExamined="KNEE^of/Doe,J!\x07")
    reason = refuse_header(read_instance(save(ds)))
    assert set(reason.removeprefix(NOT_FRONTAL)) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ: _-"
    )


def test_leg_and_ct_are_refused_by_the_words_of_the_contract(leg_radiograph, ct_slice) -> None:
    for path in (leg_radiograph, ct_slice):
        _, reason = choose_frontals(read_studies([path]).studies[0])
        assert reason.startswith("not a frontal chest radiograph")


def test_posteroanterior_comes_first_and_the_lateral_is_left_out(save) -> None:
    study = generate_uid()
    for view in ("LL", "AP", "PA", ""):
        save(make_radiograph(PIXELS, StudyInstanceUID=study, ViewPosition=view), f"v{view}.dcm")
    folder = save(make_radiograph(PIXELS, StudyInstanceUID=study, Modality="SR"), "sr.dcm").parent
    chosen, _ = choose_frontals(read_studies([folder]).studies[0])
    assert [one.view_position for one in chosen] == ["PA", "AP"]


def picture_reason(pixels: np.ndarray, save, decoder, **attributes: object) -> str | None:
    image = load_image(read_instance(save(make_radiograph(pixels, **attributes))), decoder)
    return refuse_image(image, preprocess(image, 128))


def test_picture_of_a_chest_is_accepted(save, decoder) -> None:
    assert picture_reason(PIXELS, save, decoder) is None


def test_blank_noise_clipped_narrow_and_inverted_pictures_are_refused(save, decoder) -> None:
    rng = np.random.default_rng(5)
    clipped = np.where(np.arange(256)[:, None] < 200, 0, PIXELS).astype(np.uint16)
    cases = {
        "blank": np.full((256, 256), 700, dtype=np.uint16),
        "noise": rng.integers(0, 4096, (512, 512), dtype=np.uint16),
        "clipped": clipped,
        "more than 2 times": phantom_chest(600, 200),
        "inverted": (np.uint16(4095) - phantom_chest(512, 460)),
    }
    for words, pixels in cases.items():
        assert words in str(picture_reason(pixels, save, decoder)), words


def test_real_chest_passes_and_its_negative_is_suspected(chest_radiograph: Path, decoder) -> None:
    image = load_image(read_instance(chest_radiograph), decoder)
    assert refuse_image(image, preprocess(image, 384)) is None
    grey = image.lookup.to_grey(image.stored)
    assert measure_polarity(grey) > 0.2
    assert measure_polarity(-grey) < -0.1


def test_a_header_with_no_facts_at_all_is_refused() -> None:
    instance = read_instance(Path(str(get_testdata_file("MR_small.dcm", download=False))))
    assert refuse_header(instance) == f"{NOT_FRONTAL}: modality is MR"
