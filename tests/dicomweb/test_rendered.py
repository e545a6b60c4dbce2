"""WADO-RS rendered: PNG and JPEG, window, viewport, colour, frames, what is not drawn.

Covered: grey values against the window function of PS3.3 C.11.2.1.2, sizes, media types, refusals.
Not covered: how a picture looks to a person; palettes (refused).
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut

from tests.dicomweb.conftest import Site, sample
from tests.dicomweb.test_frames import address_of

PNG, JPEG = "image/png", "image/jpeg"


def draw(site: Site, file: Path, accept: str = PNG, frame: int = 0, **parameters: str) -> Image.Image:
    path = address_of(file) + (f"/frames/{frame}" if frame else "") + "/rendered"
    answer = site.client("viewer").get(path, headers={"Accept": accept}, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == (JPEG if accept == "image/*" else accept)
    return Image.open(io.BytesIO(answer.content))


def test_window_maps_its_ends_to_black_and_white(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    drawn = np.asarray(draw(site, ct_slice, window="40,400,linear"), dtype=int)
    dataset = dcmread(ct_slice)
    values = apply_modality_lut(dataset.pixel_array, dataset)
    expected = np.clip(((values - 39.5) / 399 + 0.5) * 255, 0, 255)
    assert drawn.shape == (128, 128)
    assert np.abs(drawn - expected).max() <= 1


def test_picture_without_a_window_uses_the_image_s_own_or_all_its_values(site: Site, ct_slice: Path) -> None:
    own = sample("MR_small.dcm")
    site.have(own, ct_slice)
    centre = dcmread(own)
    asked = draw(site, own, window=f"{centre.WindowCenter},{centre.WindowWidth}")
    assert np.array_equal(np.asarray(draw(site, own)), np.asarray(asked))
    assert "WindowCenter" not in dcmread(ct_slice)
    values = np.asarray(draw(site, ct_slice))
    assert (values.min(), values.max()) == (0, 255)


def test_viewport_bounds_the_picture_and_keeps_its_shape(site: Site) -> None:
    file = sample("examples_rgb_color.dcm")
    site.have(file)
    assert draw(site, file).size == (320, 240)
    assert draw(site, file, viewport="100,100").size == (100, 75)


def test_colour_is_drawn_as_colour(site: Site) -> None:
    file = sample("SC_rgb.dcm")
    site.have(file)
    assert np.array_equal(np.asarray(draw(site, file)), dcmread(file).pixel_array)
    assert draw(site, file, JPEG).mode == "RGB"


@pytest.mark.parametrize("name", ["emri_small_RLE.dcm", "emri_small_big_endian.dcm"])
def test_frame_of_many_is_drawn(site: Site, name: str) -> None:
    file = sample(name)
    site.have(file)
    values = dcmread(file).pixel_array[6].astype(float)
    expected = (values - values.min()) / (values.max() - values.min()) * 255
    drawn = np.asarray(draw(site, file, frame=7), dtype=int)
    assert np.abs(drawn - expected).max() <= 1


def test_jpeg_is_the_default_and_quality_counts(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    assert draw(site, ct_slice, "image/*").format == "JPEG"
    path = address_of(ct_slice) + "/rendered"
    client = site.client("viewer")
    rough, fine = (
        client.get(path, headers={"Accept": JPEG}, params={"quality": q}).content for q in ("5", "95")
    )
    assert len(rough) < len(fine)


@pytest.mark.parametrize(
    "parameters",
    [
        {"window": "40"},
        {"window": "40,0"},
        {"window": "nan,400"},
        {"window": "1e99,400"},
        {"viewport": "0,100"},
        {"viewport": "9000,9000"},
        {"viewport": "a,b"},
        {"quality": "0"},
        {"quality": "101"},
        {"quality": "x"},
    ],
)
def test_malformed_wish_is_refused(site: Site, ct_slice: Path, parameters: dict[str, str]) -> None:
    site.have(ct_slice)
    answer = site.client("viewer").get(
        address_of(ct_slice) + "/rendered", headers={"Accept": PNG}, params=parameters
    )
    assert answer.status_code == 400


def test_what_cannot_be_drawn_is_refused(site: Site) -> None:
    palette, many = sample("examples_palette.dcm"), sample("emri_small.dcm")
    site.have(palette, many)
    client = site.client("viewer")
    for path, accept in [
        (address_of(palette) + "/rendered", PNG),
        (address_of(many) + "/frames/1,2/rendered", PNG),
        (address_of(many) + "/rendered", "image/gif"),
    ]:
        assert client.get(path, headers={"Accept": accept}).status_code == 406
    assert client.get(address_of(many) + "/frames/11/rendered", headers={"Accept": PNG}).status_code == 404
