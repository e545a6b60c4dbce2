"""Covered: a marker in the source is found again through model space (O1).

The attention here is the picture itself, averaged to a 24 x 24 grid: what is tested is the way back, not the
model's eye.
"""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from janus_med.dicom_input import load_image
from janus_med.errors import GeometryError
from janus_med.instance_header import read_instance
from janus_med.overlay import export_grid, find_regions
from janus_med.preprocessing import preprocess, preprocess_grey
from janus_med.render import paint_grid
from janus_med.spatial import SpatialTrace, Step, apply_orientation, crop_step, fit_steps, orient_step
from tests.model.input.made import make_radiograph, phantom_chest

GRID, SIZE = 24, 384
ORIENTATIONS = [(row, col) for row in "LRHF" for col in "LRHF" if (row in "LR") != (col in "LR")]


def marked(rows: int, columns: int, x: float, y: float, *, half: float = 0.07) -> np.ndarray:
    """(rows, columns) uint16: a dark ground with one bright soft disc around column x, row y (in pixels)."""
    row, column = np.mgrid[0:rows, 0:columns] + 0.5
    distance = np.hypot((column - x) / columns, (row - y) / rows)
    return (300 + 3000 * np.exp(-((distance / half) ** 4))).astype(np.uint16)


def attend(prepared) -> np.ndarray:
    grey = prepared.pixel_values[:, :1] * 0.5 + 0.5
    pooled = torch.nn.functional.adaptive_avg_pool2d(grey, GRID)[0, 0].numpy()
    return np.clip((pooled - 0.55) / 0.45, 0, 1)


def recover(path, decoder):
    image = load_image(read_instance(path), decoder)
    prepared = preprocess(image, SIZE)
    attention = attend(prepared)
    uid = image.instance.sop_instance_uid
    return image, attention, prepared.trace, find_regions(attention, prepared.trace, uid)[0]


@pytest.mark.covers("O1")
@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        pytest.param((640, 512), {}, id="original"),
        pytest.param((640, 512), {"PhotometricInterpretation": "MONOCHROME1"}, id="monochrome1"),
        pytest.param((512, 640), {"PixelSpacing": [0.4, 0.2]}, id="rows twice as far apart"),
        pytest.param((640, 512), {"ImagerPixelSpacing": [0.2, 0.4]}, id="columns twice as far apart"),
        pytest.param((512, 640), {"PixelAspectRatio": [3, 2]}, id="aspect ratio"),
        pytest.param((97, 131), {}, id="small and odd"),
        *(
            pytest.param((640, 512), {"PatientOrientation": list(pair)}, id=f"orientation {''.join(pair)}")
            for pair in ORIENTATIONS
        ),
    ],
)
def test_marker_is_recovered_within_one_percent_of_the_width(shape, attributes, save, decoder) -> None:
    rows, columns = shape
    for x, y in ((0.3, 0.25), (0.71, 0.62), (0.5, 0.8)):
        pixels = marked(rows, columns, x * columns, y * rows)
        if attributes.get("PhotometricInterpretation") == "MONOCHROME1":
            pixels = np.uint16(4095) - pixels
        _, _, _, region = recover(save(make_radiograph(pixels, **attributes)), decoder)
        error = np.hypot(region.point[0] - x * columns, region.point[1] - y * rows)
        assert error <= 0.01 * columns
        x0, y0, x1, y1 = region.box
        assert x0 < x * columns < x1
        assert y0 < y * rows < y1


@pytest.mark.covers("O1")
def test_marker_is_recovered_in_a_cropped_image(save, decoder) -> None:
    whole = marked(800, 700, 420, 300)
    cropped = np.ascontiguousarray(whole[120:660, 90:640])
    _, _, _, region = recover(save(make_radiograph(cropped)), decoder)
    assert np.hypot(region.point[0] - (420 - 90), region.point[1] - (300 - 120)) <= 0.01 * 550


@pytest.mark.covers("O1")
@pytest.mark.parametrize("orientation", ["LF", "RF", "FL", "HR"])
def test_marker_is_recovered_behind_a_shutter(orientation: str, save, decoder) -> None:
    pixels = marked(800, 700, 420, 300)
    pixels[:50] = 4000  # bright edge that the shutter hides
    shutter = {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 61,
        "ShutterRightVerticalEdge": 660,
        "ShutterUpperHorizontalEdge": 81,
        "ShutterLowerHorizontalEdge": 700,
    }
    ds = make_radiograph(pixels, PatientOrientation=list(orientation), **shutter)
    image, _, trace, region = recover(save(ds), decoder)
    assert image.instance.shutter == (60, 80, 660, 700)
    assert trace.steps[0].name == "crop"
    assert np.hypot(region.point[0] - 420, region.point[1] - 300) <= 0.01 * 700


@pytest.mark.covers("O1")
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exported_grid_peaks_at_the_marker(orientation, save, decoder) -> None:
    rows, columns, x, y = 640, 512, 150, 460
    ds = make_radiograph(marked(rows, columns, x, y), PatientOrientation=list(orientation))
    image, attention, trace, _ = recover(save(ds), decoder)
    grid = export_grid(attention, trace, image.instance)
    heat = paint_grid(grid, (rows, columns), (rows, columns))
    row, column = np.mgrid[0:rows, 0:columns] + 0.5
    centre = (column * heat).sum() / heat.sum(), (row * heat).sum() / heat.sum()
    assert np.hypot(centre[0] - x, centre[1] - y) <= 0.01 * columns
    assert np.asarray(Image.open(io.BytesIO(grid.png))).shape == (grid.rows, grid.columns)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_patients_right_is_on_the_left_of_the_upright_image(orientation, save, decoder) -> None:
    upright = marked(512, 512, 130, 250)
    step = orient_step(orientation, 512, 512)
    stored = upright if step is None else undo(upright, step)
    _, _, _, region = recover(save(make_radiograph(stored, PatientOrientation=list(orientation))), decoder)
    assert region.side == "right"


def undo(upright: np.ndarray, step: Step) -> np.ndarray:
    """Find the stored picture that the step turns upright, by trying all eight."""
    for turns in range(4):
        for candidate in (np.rot90(upright, turns), np.rot90(upright, turns).T):
            if np.array_equal(apply_orientation(candidate, step), upright):
                return np.ascontiguousarray(candidate)
    raise AssertionError(step)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientation_moves_pixels_where_its_matrix_says(orientation) -> None:
    rows, columns = 5, 7
    step = orient_step(orientation, rows, columns)
    if step is None:
        assert orientation == ("L", "F")
        return
    picture = np.arange(rows * columns).reshape(rows, columns)
    turned = apply_orientation(picture, step)
    assert turned.shape == (step.rows, step.columns)
    for row in range(rows):
        for column in range(columns):
            x, y, _ = step.matrix @ (column + 0.5, row + 0.5, 1)
            assert turned[int(y), int(x)] == picture[row, column]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(2, 5000),
    columns=st.integers(2, 5000),
    size=st.sampled_from([64, 224, 384]),
    orientation=st.sampled_from(ORIENTATIONS),
    ratio=st.floats(0.25, 4),
    corner=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_boxes_survive_the_way_there_and_back(rows, columns, size, orientation, ratio, corner) -> None:
    trace = SpatialTrace(rows, columns).then(crop_step((0, 0, columns, rows)))
    turn = orient_step(orientation, rows, columns)
    if turn is not None:
        trace = trace.then(turn)
    trace = trace.then(*fit_steps(trace.model_rows, trace.model_columns, size, row_by_column=ratio))
    x0, y0 = corner[0] * columns * 0.9, corner[1] * rows * 0.9
    box = (x0, y0, x0 + columns * 0.1, y0 + rows * 0.1)
    np.testing.assert_allclose(trace.to_source(trace.to_model(box)), box, atol=1e-6 * max(rows, columns))
    left, top, right, bottom = trace.to_model((0, 0, columns, rows))
    assert -1e-6 <= left <= right <= size + 1e-6
    assert -1e-6 <= top <= bottom <= size + 1e-6


def test_attention_on_the_padding_gives_no_region() -> None:
    trace = SpatialTrace(400, 100).then(*fit_steps(400, 100, 96))
    attention = np.zeros((24, 24), dtype=np.float32)
    attention[:, :4] = 1.0
    assert find_regions(attention, trace, "1.2") == ()


def test_flat_attention_gives_no_region() -> None:
    trace = SpatialTrace(100, 100).then(*fit_steps(100, 100, 96))
    for level in (0.0, 0.3, 1.0):
        assert find_regions(np.full((24, 24), level, dtype=np.float32), trace, "1.2") == ()


def test_two_strong_parts_are_two_regions_and_a_weak_one_is_none() -> None:
    trace = SpatialTrace(960, 960).then(*fit_steps(960, 960, 96))
    attention = np.zeros((24, 24), dtype=np.float32)
    attention[4:8, 3:7], attention[4:8, 16:20], attention[20, 12] = 1.0, 0.9, 0.9
    regions = find_regions(attention, trace, "1.2")
    assert [region.side for region in regions] == ["right", "left"]
    assert all(0 < region.score <= 1 for region in regions)
    assert sum(region.score for region in regions) <= 1 + 1e-6


def test_attention_that_is_not_a_number_is_refused() -> None:
    trace = SpatialTrace(100, 100).then(*fit_steps(100, 100, 96))
    with pytest.raises(GeometryError, match="finite"):
        find_regions(np.full((4, 4), np.nan, dtype=np.float32), trace, "1.2")


def test_a_collapsed_axis_is_refused() -> None:
    trace = SpatialTrace(10, 10).then(Step("resize", 10, 10, xx=0.0))
    with pytest.raises(GeometryError, match="collapses"):
        trace.inverse()


def test_trace_is_plain_data() -> None:
    trace = SpatialTrace(10, 20).then(*fit_steps(10, 20, 8))
    assert dataclasses.asdict(trace)["steps"][0]["name"] == "resize"


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_image_is_preprocessed_as_if_it_had_been_upright(orientation, save, decoder) -> None:
    upright = phantom_chest(301, 260)
    shape = upright.shape if orientation[0] in "LR" else upright.shape[::-1]
    step = orient_step(orientation, *shape)
    stored = upright if step is None else undo(upright, step)
    ds = make_radiograph(stored, PatientOrientation=list(orientation))
    image = load_image(read_instance(save(ds)), decoder)
    expected = preprocess_grey(upright.astype(np.float32), 96)
    torch.testing.assert_close(preprocess(image, 96).pixel_values, expected, atol=1e-4, rtol=0)
