"""What is covered: the bundled weights on real films: a chest with nodules, a leg, a CT slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from janus_med.checkpoint import bundled_folder, verify_folder
from janus_med.engine import JanusMed
from janus_med.preprocessing import preprocess_grey
from janus_med.reading import FINDINGS
from janus_med.tokenizer import COMPARISON
from tests.conftest import need


def _pixels(path: Path, size: int) -> torch.Tensor:
    import pydicom

    dataset = pydicom.dcmread(path)
    grey = dataset.pixel_array.astype(np.float32)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = grey.max() - grey
    return preprocess_grey(grey, size)


@pytest.fixture(scope="module")
def engine() -> JanusMed:
    need((bundled_folder() / "manifest.json").exists(), "bundled weights (janus_med/weights/tiny)")
    return JanusMed.load(None, "cpu")


def test_bundled_folder_is_complete_and_small() -> None:
    folder = bundled_folder()
    verify_folder(folder)
    assert (folder / "MODEL_CARD.md").is_file()
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 25e6


def test_chest_film_gets_a_draft_in_both_sections(engine: JanusMed, chest_radiograph: Path) -> None:
    reading = engine.read(_pixels(chest_radiograph, engine.info.image_size))
    assert [finding.name for finding in reading.findings] == list(FINDINGS)
    assert {sentence.section for sentence in reading.sentences} == {"findings", "impression"}
    assert not COMPARISON.search(" ".join(sentence.text for sentence in reading.sentences))
    assert all(0 <= sentence.confidence <= 1 for sentence in reading.sentences)
    for finding in reading.findings:
        assert finding.attention.shape == (14, 14)
        assert finding.attention.dtype == np.float32
        assert 0 <= finding.attention.min() <= finding.attention.max() == 1
    assert float(np.linalg.norm(reading.embedding)) == pytest.approx(1, abs=1e-4)


def test_same_pixels_give_the_same_reading(engine: JanusMed, chest_radiograph: Path) -> None:
    pixels = _pixels(chest_radiograph, engine.info.image_size)
    first, second = engine.read(pixels, seed=3), engine.read(pixels, seed=3)
    assert first.sentences == second.sentences
    assert first.seed == second.seed == 3
    for one, other in zip(first.findings, second.findings, strict=True):
        assert one.probability == other.probability
        assert np.array_equal(one.attention, other.attention)


def test_chest_film_is_in_scope(engine: JanusMed, chest_radiograph: Path) -> None:
    assert engine.is_frontal_chest(_pixels(chest_radiograph, engine.info.image_size))[0]


def test_leg_is_out_of_scope(engine: JanusMed, leg_radiograph: Path) -> None:
    assert not engine.is_frontal_chest(_pixels(leg_radiograph, engine.info.image_size))[0]


def test_ct_slice_is_out_of_scope(engine: JanusMed, ct_slice: Path) -> None:
    assert not engine.is_frontal_chest(_pixels(ct_slice, engine.info.image_size))[0]


def test_turned_and_negative_chest_film_is_out_of_scope(engine: JanusMed, chest_radiograph: Path) -> None:
    pixels = _pixels(chest_radiograph, engine.info.image_size)
    assert not engine.is_frontal_chest(pixels.flip(-2))[0]
    assert not engine.is_frontal_chest(-pixels)[0]


def test_wrong_shape_is_refused(engine: JanusMed) -> None:
    with pytest.raises(ValueError, match="shape"):
        engine.read(torch.zeros(1, 3, 100, 100))


def test_nan_pixels_are_a_model_fault(engine: JanusMed) -> None:
    from janus_med.errors import ModelFault

    size = engine.info.image_size
    with pytest.raises(ModelFault):
        engine.read(torch.full((1, 3, size, size), float("nan")))


def test_info_names_the_bundled_model() -> None:
    import json

    from typer.testing import CliRunner

    from janus_med.training.cli import model_app

    result = CliRunner().invoke(model_app, ["info"])
    assert result.exit_code == 0
    shown = json.loads(result.output)["files"]["model.safetensors"]["sha256"]
    assert shown == verify_folder(bundled_folder()).sha256["model.safetensors"]
