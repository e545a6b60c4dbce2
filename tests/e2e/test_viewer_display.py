"""On the screen: brightness beside the standard's formulas, and whose images these are.

Not covered: graphics cards (Chromium draws in software here).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect
from pydicom import Dataset

from app.domain.identifiers import derived_uid
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.model.input.made import make_radiograph
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SIDE = 512
RAMP = np.tile((np.arange(SIDE) * 8).astype(np.uint16), (SIDE, 1))
# brightness of the middle row of the first viewport, one value a device pixel
MIDDLE = """
async (canvas) => {
  for (let i = 0; i < 4; i += 1) await new Promise(requestAnimationFrame);
  const { width, height } = canvas;
  const row = canvas.getContext("2d").getImageData(0, Math.floor(height / 2), width, 1).data;
  return Array.from({ length: width }, (_, x) => row[4 * x]);
}
"""


def bring(house: House, name: str, folder: Path, pixels: np.ndarray, **header: Any) -> str:
    """Bring a radiograph in as a study of its own; return the study's UID."""
    path = folder / f"{name}.dcm"
    image = make_radiograph(pixels, **header)
    image.save_as(path, enforce_file_format=True)
    uids = {part: derived_uid(name, part) for part in ("study_uid", "series_uid", "sop_uid")}
    known = {"patient_name": f"Display^{name.title()}", "patient_id": f"ID-{name}"}
    spool_dir = house.room.settings.spool_dir
    received = seed.receive(house.store, spool_dir, path, now=seed.now_utc(), **uids, **known)
    seed.record(house.store, received, seed.no_draft(), now=seed.now_utc())
    return received.study_uid


def shown(reader: Reader) -> np.ndarray:
    """Brightness at 64 places of the ramp, from its first column to its last."""
    view = reader.page.locator(".viewer .view canvas").first
    row = np.array(view.evaluate(MIDDLE), float)
    side = view.evaluate("c => Math.min(c.width, c.height)")
    left = (len(row) - side) / 2
    return np.interp(left + (places() + 0.5) / SIDE * side - 0.5, np.arange(len(row)), row)


def places() -> np.ndarray:
    return np.linspace(4, SIDE - 5, 64)


def linear(center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, for the values at `places`."""
    return np.clip(((places() * 8 - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)


def sigmoid(center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.3.1."""
    return 255 / (1 + np.exp(-4 * (places() * 8 - center) / width))


def table_of(entries: np.ndarray) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), 0, 12]
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def own_window(reader: Reader) -> tuple[float, float]:
    viewer = reader.page.locator(".viewer")
    return float(viewer.get_attribute("data-center") or 0), float(viewer.get_attribute("data-width") or 0)


STEPS = np.repeat([0, 3000, 1000, 4095], 1024)


@pytest.mark.parametrize(
    ("name", "header", "first"),
    [
        ("line", {"WindowCenter": "2048", "WindowWidth": "2000"}, linear(2048, 2000)),
        (
            "inverse",
            {"WindowCenter": "2048", "WindowWidth": "2000", "PhotometricInterpretation": "MONOCHROME1"},
            255 - linear(2048, 2000),
        ),
        (
            "sigmoid",
            {"WindowCenter": "2048", "WindowWidth": "1200", "VOILUTFunction": "SIGMOID"},
            sigmoid(2048, 1200),
        ),
        (
            "table",
            {"VOILUTSequence": [table_of(STEPS)]},
            STEPS[(places() * 8).astype(int)] / 4095 * 255,
        ),
    ],
)
def test_brightness_is_that_of_the_standard_and_a_curve_ends_where_a_window_begins(
    house: House,
    reader_of: Callable[[str], Reader],
    tmp_path: Path,
    name: str,
    header: dict[str, Any],
    first: np.ndarray,
) -> None:
    study = bring(house, f"curve {name}", tmp_path, RAMP, **header)
    ada = reader_of("ada")
    ada.open_study(study)
    off = np.abs(shown(ada) - first)
    # at the edges of a table's steps one image pixel is many screen pixels wide
    assert np.median(off) <= 2
    assert np.sort(off)[-7] <= 4

    for key in ("2", "3"):
        ada.press(key)
        seen = shown(ada)
        expected = linear(*own_window(ada))
        if name == "inverse":
            expected = 255 - expected
        assert np.abs(seen - expected).max() <= 4, f"preset {key}"
    ada.press("1")
    assert np.median(np.abs(shown(ada) - first)) <= 2


def test_one_key_hides_whose_images_these_are_and_the_next_study_says_it_again(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    first, second = (bring(house, f"hidden {number}", tmp_path, RAMP) for number in (1, 2))
    ada = reader_of("ada")
    ada.open_study(first)
    name, corner = ada.page.locator(".patient .name"), ada.page.locator(".viewer .corner.top.right")
    expect(name).to_be_visible()
    ada.press("T")
    expect(name).to_be_hidden()
    expect(corner).to_be_hidden()
    ada.press("T")
    expect(name).to_be_visible()
    expect(corner).to_be_visible()

    ada.press("T", "w")
    ada.open_study(second)
    expect(name).to_be_visible()
    expect(name).to_contain_text("Hidden 2")
