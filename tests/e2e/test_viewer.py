"""The viewer in a real browser: where pixels and attention lie, values, marks, lengths, priors, layouts.

Not covered: sharpness to the eye, and graphics cards (Chromium draws in software here).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from pydicom import dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut

from app.domain.identifiers import derived_uid
from tests.e2e.beside import put_prior
from tests.e2e.browser import Reader
from tests.e2e.pictures import MEASURE, bring, marked_draft, peak
from tests.e2e.reading_room import House
from tests.films import make_film
from tests.model.input.test_overlay_planes import add_plane
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AT = (170, 330)
KINDS = {
    "plain": ({}, None),
    "inverse": ({"PhotometricInterpretation": "MONOCHROME1"}, None),
    "oblong": ({"PixelSpacing": ["0.2", "0.1"]}, None),
    "past": ({}, (-200.0, 50.0, 500.0, 700.0)),
    "inside": ({}, (60.0, 130.0, 360.0, 430.0)),
}


@pytest.mark.covers("O1", "O3")
def test_overlay_lies_on_the_square_however_the_image_is_stored_and_shown(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    places = []
    for kind, (header, extent) in KINDS.items():
        film = make_film(tmp_path / f"{kind}.dcm", at=AT, **header)
        received = bring(house, "marks", film)
        places.append((received, AT, peak(received, AT, extent)))
    seed.record(house.store, places[0][0], marked_draft(places), now=seed.now_utc())
    ada = reader_of("ada")
    ada.open_study(derived_uid("marks", "study_uid"))
    ada.press("o")
    errors = {}
    for number, kind in enumerate(KINDS, start=1):
        ada.choose(f"ai-{number}")
        expect(ada.page.locator(".viewer")).to_have_attribute("data-sop", places[number - 1][0].sop_uid)
        ada.press("Escape")
        errors[kind, "as sent"], square = off_by(ada)
        # each by itself on the plain one, all of them at once on the others
        for keys in ("z", "Z", "x") if kind == "plain" else ("zZx",):
            ada.press(*keys)
            errors[kind, keys], moved = off_by(ada)
            assert math.dist(square, moved) > 0.1, "the image was not mirrored or turned"
            square = moved
        ada.press("-", "-")
        drag(ada, (300, 300), (360, 260), button="right")
        errors[kind, "smaller and moved"], _ = off_by(ada)
    assert {case: error for case, error in errors.items() if error > 0.0025} == {}


def off_by(reader: Reader) -> tuple[float, tuple[float, float]]:
    """How far attention and square lie apart, and where the square lies, as parts of the image's width."""
    seen = reader.page.locator(".viewer").evaluate(MEASURE)
    left, top, right, bottom = seen["outline"]
    assert seen["hasTint"]
    width = min(right - left, bottom - top)
    x, y = seen["square"]
    return math.dist(seen["square"], seen["attention"]) / width, ((x - left) / width, (y - top) / width)


def drag(reader: Reader, start: tuple[int, int], end: tuple[int, int], *, button: Any = "left") -> None:
    """Drag over the first viewport, in its screen pixels."""
    place = reader.page.locator(".viewer .pane").first.bounding_box()
    assert place is not None
    mouse = reader.page.mouse
    mouse.move(place["x"] + start[0], place["y"] + start[1])
    mouse.down(button=button)
    mouse.move(place["x"] + end[0], place["y"] + end[1], steps=5)
    mouse.up(button=button)


# What Cornerstone3D's cache holds of an image, by the page's own module.
HELD = """
async ([sop, frame]) => {
  const url = performance.getEntriesByType("resource").map(({ name }) => name)
    .find((name) => name.endsWith("/js/cornerstone_kit.js"));
  const { imageIdOf, readyKit } = await import(url);
  const { cs } = await readyKit();
  const image = await cs.imageLoader.loadAndCacheImage(imageIdOf({ sop, frame }));
  const values = Float32Array.from(image.voxelManager.getScalarData());
  let text = "";
  for (const byte of new Uint8Array(values.buffer)) text += String.fromCharCode(byte);
  return { kind: image.dataType, rows: image.rows, columns: image.columns, values: btoa(text) };
}
"""
FILES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm")


def held(reader: Reader, sop: str, frame: int = 0) -> np.ndarray:
    """The values that the viewer's image library holds of a frame."""
    found = reader.page.evaluate(HELD, [sop, frame])
    values = np.frombuffer(base64.b64decode(found["values"]), np.float32)
    return values.reshape(found["rows"], found["columns"])


def test_viewer_holds_the_modality_values_of_the_file(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    files = [Path(str(get_testdata_file(name, download=False))) for name in FILES]
    inverse = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": "0.5", "RescaleIntercept": "-7"}
    files.append(make_film(tmp_path / "inverse.dcm", rows=60, columns=80, at=(40, 30), **inverse))
    study = {path: bring(house, "values", path) for path in files}
    frames = Path(str(get_testdata_file("emri_small.dcm", download=False)))
    many = bring(house, "values", frames)
    padded = make_film(
        tmp_path / "padded.dcm", rows=60, columns=80, at=(40, 30), PixelPaddingValue=600, RescaleIntercept="5"
    )
    edge = bring(house, "values", padded)
    seed.record(house.store, edge, seed.no_draft(), now=seed.now_utc())
    ada = reader_of("ada")
    ada.open_study(edge.study_uid)
    for path, received in study.items():
        file = dcmread(path)
        expected = apply_modality_lut(file.pixel_array, file).astype(np.float32)
        np.testing.assert_array_equal(held(ada, received.sop_uid), expected, err_msg=path.name)
    stored = dcmread(frames).pixel_array
    for frame in (0, 4, 9):
        np.testing.assert_array_equal(held(ada, many.sop_uid, frame), stored[frame])
    # padding is shown as the darkest value that is there
    assert np.unique(held(ada, edge.sop_uid)).tolist() == [3605.0]


EDGES = {
    "": "R L H F",
    "x": "F H R L",
    "z": "H F R L",
    "Z": "H F L R",
}


def test_marks_at_the_edges_follow_the_image_and_say_nothing_they_do_not_know(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    known = make_film(tmp_path / "known.dcm", PatientOrientation=["L", "F"], ImageLaterality="L")
    silent = make_film(tmp_path / "silent.dcm")
    oblique = make_film(tmp_path / "oblique.dcm", ImageOrientationPatient=[0.8, 0.6, 0, 0, 0, -1])
    received = [bring(house, "edges", path) for path in (known, silent, oblique)]
    seed.record(house.store, received[0], seed.no_draft(), now=seed.now_utc())
    ada = reader_of("ada")
    ada.open_study(received[0].study_uid)
    pane, series = ada.page.locator(".viewer .pane"), ada.page.get_by_label("Series")
    for image, marks in zip(received, (None, "", "RA LP H F"), strict=True):
        series.select_option(image.series_uid)
        expect(ada.page.locator(".viewer")).to_have_attribute("data-sop", image.sop_uid)
        if marks is not None:
            expect(pane).to_have_attribute("data-edges", marks)
            continue
        expect(pane.locator(".top.right")).to_contain_text("CR L")
        for key, turned in EDGES.items():
            ada.page.locator(".viewer .pane").focus()
            ada.press(*key)
            expect(pane).to_have_attribute("data-edges", turned)
    expect(pane.locator(".edge.left")).to_have_text("RA")


SPACINGS = {
    "detector": ({"ImagerPixelSpacing": ["0.2", "0.2"]}, 0.2, "mm (at the detector)"),
    "magnified": (
        {"ImagerPixelSpacing": ["0.2", "0.2"], "EstimatedRadiographicMagnificationFactor": "1.25"},
        0.16,
        "mm (detector, divided by 1.25)",
    ),
    "uncalibrated": ({"PixelSpacing": ["0.3", "0.3"]}, 0.3, "mm (at the detector)"),
    "patient": (
        {"PixelSpacing": ["0.3", "0.3"], "PixelSpacingCalibrationType": "FIDUCIAL"},
        0.3,
        "mm (in the patient)",
    ),
    "silent": ({}, 1.0, "px (not calibrated)"),
}


def test_drawn_line_says_its_length_and_where_the_millimetres_come_from(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    images = {
        name: bring(house, "lengths", make_film(tmp_path / f"{name}.dcm", **header))
        for name, (header, _, _) in SPACINGS.items()
    }
    seed.record(house.store, images["silent"], seed.normal_draft(), now=seed.now_utc())
    ada = reader_of("ada")
    ada.open_study(images["silent"].study_uid)
    told = ada.page.locator(".viewer .view svg text tspan")
    for number, (name, (_, spacing, source)) in enumerate(SPACINGS.items()):
        ada.page.get_by_label("Series").select_option(images[name].series_uid)
        expect(ada.page.locator(".viewer")).to_have_attribute("data-sop", images[name].sop_uid)
        expect(told).to_have_count(0)
        if number == 0:
            ada.page.locator(".viewer .pane").focus()
            ada.press("l")
        left, _, right, _ = ada.page.locator(".viewer").evaluate(MEASURE)["outline"]
        zoom = (right - left) / 600
        drag(ada, (200, 200), (440, 380))
        expect(told).to_contain_text(source)
        length = float(str(told.text_content()).split()[0])
        assert length == pytest.approx(300 / zoom * spacing, rel=0.004, abs=0.06)
    # a run of the script changes nothing on the image
    said = str(told.text_content())
    ada.press("c")
    ada.page.get_by_role("dialog").wait_for()
    ada.press("Escape")
    ada.page.get_by_role("dialog").wait_for(state="detached")
    expect(told).to_have_text(said)
    ada.page.locator(".viewer .pane").focus()
    ada.press("Backspace")
    expect(told).to_have_count(0)


@pytest.mark.covers("U6")
def test_prior_stands_beside_the_study_and_moves_with_it_but_keeps_its_window(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    house.send("compared", "RG1_UNCR.dcm", sop_uid=derived_uid("compared", "second"), instance_number=2)
    study = house.chest("compared")
    house.send(
        "before",
        "RG1_UNCR.dcm",
        sop_uid=derived_uid("before", "second"),
        instance_number=2,
        patient_id="ID-compared",
        patient_name="Reader^Compared",
    )
    prior = put_prior(house, study, "before")
    ada = reader_of("ada")
    ada.open_study(study)
    panes = ada.page.locator(".viewer .pane")
    panes.first.focus()
    ada.press("p", "o")
    expect(panes).to_have_count(2)
    now, then = panes.nth(0), panes.nth(1)
    expect(then.locator(".prior-banner")).to_have_text("PRIOR of 2025-01-14")
    expect(now.locator(".prior-banner")).to_be_hidden()
    expect(then.locator(".view")).to_have_attribute("data-sop", derived_uid("before", "sop_uid"))
    assert ("prior viewed", "ada") in house.events(prior)
    assert not ada.overlay_is_empty()
    drawn = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v !== 0)"
    assert not then.locator('canvas[data-layer="overlay"]').evaluate(drawn)

    # zoom and place in the stack together, the window apart
    sizes = [pane.locator(".bottom.right") for pane in (now, then)]
    places = [pane.locator(".top.right") for pane in (now, then)]
    fitted = [str(size.text_content()) for size in sizes]
    ada.press("+")
    for size, at_first in zip(sizes, fitted, strict=True):
        expect(size).not_to_have_text(at_first)
    ada.press("PageDown")
    for place in places:
        expect(place).to_contain_text("2 / 2")
    windows = [pane.locator(".bottom.left") for pane in (now, then)]
    before = [str(window.text_content()) for window in windows]
    ada.press("2")
    expect(windows[0]).not_to_have_text(before[0])
    expect(windows[1]).to_have_text(before[1])
    ada.press("p")
    expect(panes).to_have_count(1)


COUNT_CONTEXTS = """
window.contexts = 0;
for (const kind of [HTMLCanvasElement, OffscreenCanvas]) {
  const own = kind.prototype.getContext;
  const known = new WeakSet();
  kind.prototype.getContext = function (name, ...rest) {
    if (String(name).startsWith("webgl") && !known.has(this)) {
      known.add(this);
      window.contexts += 1;
    }
    return own.call(this, name, ...rest);
  };
}
"""


def test_viewports_and_stacks_by_keys_and_wheel_need_no_more_of_the_graphics_card(
    house: House, chromium: Browser, tmp_path: Path
) -> None:
    frames = Path(str(get_testdata_file("emri_small.dcm", download=False)))
    many = bring(house, "stack", frames, requested_priority="STAT")
    film = make_film(tmp_path / "beside.dcm", rows=96, columns=120, at=(40, 40))
    bring(house, "stack", film)
    seed.record(house.store, many, seed.no_draft(), now=seed.now_utc())
    for number in range(20):
        received = bring(house, f"stack {number}", film)
        seed.record(house.store, received, seed.no_draft(), now=seed.now_utc())
    ada = Reader(chromium, house.room.url, "ada", scripts=[COUNT_CONTEXTS])
    ada.open_study(many.study_uid)
    ada.page.get_by_label("Series").select_option(many.series_uid)
    panes = ada.page.locator(".viewer .pane")
    place = panes.first.locator(".top.right")
    expect(place).to_contain_text("1 / 10")
    panes.first.focus()
    ada.press("PageDown", "PageDown", "PageUp")
    expect(place).to_contain_text("2 / 10")
    panes.first.hover()
    for _ in range(3):
        ada.page.mouse.wheel(0, 120)
    expect(place).to_contain_text("5 / 10")
    for count in (2, 4):
        ada.press("v")
        expect(panes).to_have_count(count)
        expect(ada.page.locator(".viewer .pane .view[data-sop]:not([data-sop=''])")).to_have_count(count)
    ada.press(".")
    expect(panes.nth(1)).to_have_class("pane active")
    ada.press("v")
    expect(panes).to_have_count(1)
    contexts = ada.page.evaluate("window.contexts")
    assert contexts > 0
    viewer = ada.page.locator(".viewer")
    for _ in range(20):
        shown = str(viewer.get_attribute("data-study"))
        ada.press("N")
        expect(viewer).not_to_have_attribute("data-study", shown)
        ada.wait_for_image()
    assert ada.page.evaluate("window.contexts") == contexts
    problems = ada.problems
    ada.close()
    assert problems == []


# Where the middle of what the sender drew lies, as a part of the viewport; null when nothing is drawn.
DRAWN = """
async (pane) => {
  for (let i = 0; i < 4; i += 1) await new Promise(requestAnimationFrame);
  const canvas = pane.querySelector('canvas[data-layer="planes"]');
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [sum, x, y] = [0, 0, 0];
  for (let i = 3; i < data.length; i += 4) {
    const at = (i - 3) / 4;
    sum += data[i];
    x += data[i] * ((at % canvas.width) + 0.5);
    y += data[i] * (Math.floor(at / canvas.width) + 0.5);
  }
  const { clientWidth, clientHeight } = pane;
  return sum ? [(x / sum / canvas.width) * clientWidth, (y / sum / canvas.height) * clientHeight] : null;
}
"""


def test_sender_s_graphics_lie_on_the_image_and_go_with_the_texts(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    image = dcmread(make_film(tmp_path / "film.dcm", at=AT))
    plane = np.zeros((100, 100), np.uint8)
    plane[40:60, 40:60] = 1
    add_plane(image, 0x6000, plane, **{"0050": ("SS", [AT[1] - 50 + 1, AT[0] - 50 + 1])})
    dcmwrite(tmp_path / "drawn.dcm", image)
    received = bring(house, "planes", tmp_path / "drawn.dcm")
    seed.record(house.store, received, marked_draft([(received, AT, peak(received, AT))]), now=seed.now_utc())
    ada = reader_of("ada")
    ada.open_study(received.study_uid)
    pane = ada.page.locator(".viewer .pane")
    expect(pane.locator('canvas[data-layer="planes"]')).to_have_attribute("data-count", "1")
    pane.focus()
    ada.press("o")
    for key in ("", "z", "x"):
        ada.press(*key)
        square = ada.page.locator(".viewer").evaluate(MEASURE)["square"]
        assert math.dist(square, pane.evaluate(DRAWN)) < 1
    image_before = ada.layer("image")
    ada.press("T")
    assert pane.evaluate(DRAWN) is None
    assert ada.layer("image") == image_before
    assert not ada.overlay_is_empty()
    ada.press("T")
    assert pane.evaluate(DRAWN) is not None
