"""Covered: one path for pictures and DICOM, contrast that does not name its source, the declared pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from janus_med import preprocessing
from janus_med.dicom_input import load_image
from janus_med.errors import ImpossibleSize
from janus_med.instance_header import read_instance
from janus_med.preprocessing import equalise_contrast, preprocess, preprocess_grey, resize_by_area
from tests.model.input.made import make_radiograph, phantom_chest


def test_output_is_the_models_input() -> None:
    values = preprocess_grey(phantom_chest(500, 400).astype(np.float32), 96)
    assert values.shape == (1, 3, 96, 96)
    assert values.dtype == torch.float32
    assert type(values) is torch.Tensor
    assert -1 <= values.min() < -0.9 < 0.9 < values.max() <= 1
    assert bool((values[:, 0] == values[:, 1]).all())


def test_padding_is_grey_127_and_symmetric() -> None:
    values = preprocess_grey(phantom_chest(400, 200).astype(np.float32), 96)[0, 0]
    pad = 127 / 255 * 2 - 1
    assert torch.allclose(values[:, :24], torch.tensor(pad))
    assert torch.allclose(values[:, -24:], torch.tensor(pad))
    assert not torch.allclose(values[:, 24:72], torch.tensor(pad))


def test_dicom_and_picture_take_the_same_path(save, decoder) -> None:
    pixels = phantom_chest(300, 260)
    image = load_image(read_instance(save(make_radiograph(pixels))), decoder)
    assert torch.equal(preprocess(image, 128).pixel_values, preprocess_grey(pixels.astype(np.float32), 128))


def test_pixels_are_where_the_trace_says(save, decoder) -> None:
    pixels = np.full((300, 200), 100, dtype=np.uint16)
    pixels[60:120, 40:80] = 3000
    pixels[0, 0] = 50
    image = load_image(read_instance(save(make_radiograph(pixels))), decoder)
    prepared = preprocess(image, 150)
    left, top, right, bottom = (round(edge) for edge in prepared.trace.to_model((40, 60, 80, 120)))
    bright = prepared.pixel_values[0, 0] > 0.5
    assert bool(bright[top:bottom, left:right].all())
    assert int(bright.sum()) == (bottom - top) * (right - left)


@settings(max_examples=40, deadline=None)
@given(gain=st.floats(0.01, 50), offset=st.floats(-1000, 1000), gamma=st.floats(0.6, 1.6))
def test_gain_offset_and_gamma_of_a_source_do_not_show(gain: float, offset: float, gamma: float) -> None:
    grey = phantom_chest(120, 100).astype(np.float64) / 4000
    plain = equalise_contrast(grey.astype(np.float32))
    other = equalise_contrast((gain * grey**gamma + offset).astype(np.float32))
    assert abs(np.median(other) - 0.5) < 0.02
    assert abs(other.mean() - plain.mean()) < 0.06


def test_brightness_of_the_source_does_not_reach_the_model() -> None:
    """The trap of public collections: one source is brighter, and brightness gives its label away."""
    grey = phantom_chest(200, 180).astype(np.float32)
    bright = np.clip(grey / 4000, 0, 1) ** 0.7 * 60 + 149
    dark = np.clip(grey / 4000, 0, 1) ** 1.2 * 60 + 131
    raw_gap = abs(bright.mean() - dark.mean()) / 255
    gap = abs(float(preprocess_grey(bright, 64).mean() - preprocess_grey(dark, 64).mean())) / 2
    assert raw_gap > 0.07
    assert gap < 0.01


def test_a_few_wild_pixels_do_not_move_the_contrast() -> None:
    grey = phantom_chest(200, 180).astype(np.float32)
    wild = grey.copy()
    wild[:2, :40] = 1e6
    np.testing.assert_allclose(equalise_contrast(wild)[5:], equalise_contrast(grey)[5:], atol=0.03)


def test_not_a_number_becomes_something_finite() -> None:
    grey = phantom_chest(64, 60).astype(np.float32)
    grey[3, 3], grey[4, 4] = np.nan, np.inf
    assert bool(torch.isfinite(preprocess_grey(grey, 64)).all())


def test_flat_image_is_flat_and_finite() -> None:
    values = preprocess_grey(np.full((50, 50), 7.0, dtype=np.float32), 32)
    assert bool((values == 0).all())


def test_area_average_keeps_the_mean_when_it_shrinks() -> None:
    grey = np.random.default_rng(1).random((512, 384)).astype(np.float32)
    assert resize_by_area(grey, 64, 48).mean() == pytest.approx(grey.mean(), abs=1e-5)


@pytest.mark.parametrize("shape", [(0, 10), (10, 0), (2100, 100), (3, 100)])
def test_impossible_shapes_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ImpossibleSize):
        preprocess_grey(np.zeros(shape, dtype=np.float32), 64)


def test_digest_follows_every_declared_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = preprocessing.preprocessing_sha256()
    assert before == preprocessing.preprocessing_sha256()
    changed = tuple((key, "other" if key == "pad" else value) for key, value in preprocessing._DESCRIPTION)
    monkeypatch.setattr(preprocessing, "_DESCRIPTION", changed)
    assert preprocessing.preprocessing_sha256() != before


def test_thread_count_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    preprocess_grey(np.ones((10, 10), dtype=np.float32), 16)
    assert torch.get_num_threads() == before


def test_declared_steps_are_monais() -> None:
    pipeline = preprocessing.build_pipeline(10, 10, 16)
    names = [type(step).__name__ for step in pipeline.transforms]
    assert names == ["Lambda", "Lambda", "Lambda", "SpatialPad", "RepeatChannel", "NormalizeIntensity"]
