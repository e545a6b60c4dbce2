"""Slices in the patient: where they lie, where one cuts another, a prior whose slices are closer together.

Not covered: oblique planes beyond the one here, and whether the two examinations lie alike in the patient.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from app.domain.identifiers import derived_uid
from tests.e2e.beside import attach_prior
from tests.e2e.browser import Reader
from tests.e2e.pictures import bring
from tests.e2e.reading_room import House
from tests.films import make_film
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FRAME = "1.2.826.0.1.3680043.8.498.77"
SIDE = 64
AXIAL, CORONAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]


def bring_stack(
    house: House,
    folder: Path,
    study: str,
    count: int,
    *,
    at: Callable[[int], list[float]],
    along: list[float] = AXIAL,
    **changes: Any,
) -> Any:
    """Bring in a series of slices of 2 x 2 mm; `at` says where the first pixel of each lies."""
    series = derived_uid(study, str(along), "series")
    for number in range(count):
        film = make_film(
            folder / f"{study}-{along[4]}-{number}.dcm",
            rows=SIDE,
            columns=SIDE,
            at=(20, 20 + number),
            Modality="CT",
            InstanceNumber=number + 1,
            PixelSpacing=["2", "2"],
            SliceThickness="3",
            FrameOfReferenceUID=FRAME,
            ImageOrientationPatient=along,
            ImagePositionPatient=at(number),
        )
        received = bring(house, study, film, series_uid=series, **changes)
    return received


def test_slice_says_where_it_lies_and_where_it_cuts_the_other_series(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    bring_stack(house, tmp_path, "crossed", 6, at=lambda number: [-60, -50, 20 - 10 * number])
    last = bring_stack(
        house, tmp_path, "crossed", 3, at=lambda number: [-60, 10 + 10 * number, 30], along=CORONAL
    )
    seed.record(house.store, last, seed.no_draft(), now=seed.now_utc())
    ada = reader_of("ada")
    ada.open_study(last.study_uid)
    ada.press("v")
    panes = ada.page.locator(".viewer .pane")
    expect(panes).to_have_count(2)
    series = [derived_uid("crossed", str(way), "series") for way in (AXIAL, CORONAL)]
    axial, coronal = (panes.nth(sorted(series).index(uid)) for uid in series)
    axial.focus()
    ada.press("PageDown", "PageDown")
    expect(axial.locator(".top.right")).to_contain_text("3 / 6")
    expect(axial.locator(".top.right")).to_contain_text("H 0.0 mm")
    expect(coronal.locator(".top.right")).to_contain_text("P 10.0 mm")
    line = coronal.locator('canvas[data-layer="lines"]')
    # 30 mm below the middle of the first row of 2 mm: 15.5 rows from the corner, over all columns
    expect(line).to_have_attribute("data-cut", "0.0 15.5 64.0 15.5")
    expect(axial.locator('canvas[data-layer="lines"]')).not_to_have_attribute("data-cut", re.compile(r"\d"))
    assert drawn_row(coronal) == pytest.approx(15.5 / SIDE, abs=0.01)
    ada.press("PageDown")
    expect(line).to_have_attribute("data-cut", "0.0 20.5 64.0 20.5")
    ada.press("T")
    expect(line).to_have_attribute("data-cut", "")
    ada.press("T")
    coronal.focus()
    expect(axial.locator('canvas[data-layer="lines"]')).to_have_attribute("data-cut", "0.0 30.5 64.0 30.5")


def drawn_row(pane: Locator) -> float:
    """The middle of what the layer of lines shows, as a part of the image's height in a fitted viewport."""
    middle: float = pane.evaluate(
        """(pane) => {
          const canvas = pane.querySelector('canvas[data-layer="lines"]');
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          let [sum, y] = [0, 0];
          for (let i = 3; i < data.length; i += 4) {
            sum += data[i];
            y += data[i] * (Math.floor((i - 3) / 4 / width) + 0.5);
          }
          const side = Math.min(width, height);
          return (y / sum - (height - side) / 2) / side;
        }"""
    )
    return middle


@pytest.mark.covers("U6")
def test_prior_goes_on_by_millimetres_and_can_be_shifted_by_itself(
    house: House, reader_of: Callable[[str], Reader], tmp_path: Path
) -> None:
    whose = {"patient_id": "ID-thick", "patient_name": "Reader^Thick"}
    now = bring_stack(house, tmp_path, "thick", 8, at=lambda number: [-60, -50, 5.0 * number], **whose)
    seed.record(house.store, now, seed.no_draft(), now=seed.now_utc())
    bring_stack(
        house,
        tmp_path,
        "thin",
        20,
        at=lambda number: [-60, -50, 100 - 2.0 * number],
        study_date="20250114",
        **whose,
    )
    attach_prior(house, now.study_uid, derived_uid("thin", "study_uid"))
    ada = reader_of("ada")
    ada.open_study(now.study_uid)
    panes = ada.page.locator(".viewer .pane")
    panes.first.focus()
    ada.press("p")
    expect(panes).to_have_count(2)
    current, prior = (pane.locator(".top.right") for pane in (panes.nth(0), panes.nth(1)))
    expect(prior).to_contain_text("1 / 20")
    panes.nth(1).hover()
    ada.page.keyboard.down("Alt")
    for _ in range(10):
        ada.page.mouse.wheel(0, 120)
    ada.page.keyboard.up("Alt")
    expect(prior).to_contain_text("11 / 20")
    expect(current).to_contain_text("1 / 8")
    # 5 mm towards the head are two and a half slices of a series that was numbered from the head
    panes.nth(0).focus()
    for here, there in (("2 / 8", "9 / 20"), ("3 / 8", "6 / 20"), ("4 / 8", "4 / 20")):
        ada.press("PageDown")
        expect(current).to_contain_text(here)
        expect(prior).to_contain_text(there)
    ada.press("Alt+PageUp")
    expect(current).to_contain_text("3 / 8")
    expect(prior).to_contain_text("4 / 20")
