"""The pixel route: for whom, which bytes, and what it says beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite

from app.services import accounts, reading
from app.ui.csrf import SESSION_COOKIE
from tests.films import make_film
from tests.model.input.test_overlay_planes import add_plane, drawn, pixels
from tests.ui.conftest import Browser, Hospital
from tests.ui.seed import receive


def opened(hospital: Hospital, browser: Browser, study_uid: str) -> None:
    """Open a study as the browser's person: pixels are for who has opened the study."""
    actor = accounts.resume_session(
        hospital.store,
        browser.cookies[SESSION_COOKIE],
        source="127.0.0.1",
        idle=hospital.room.idle,
        now=datetime.now(UTC),
    )
    reading.open_study(hospital.store, actor, study_uid, now=datetime.now(UTC))


def test_stored_pixels_arrive_as_the_scanner_stored_them(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    received, browser = hospital.chest(), browser_of("ada")
    opened(hospital, browser, received.study_uid)
    answer = browser.get(f"/pixels/{received.sop_uid}")
    assert answer.status_code == 200
    facts = json.loads(answer.headers["x-image-facts"])
    pixels = np.frombuffer(answer.content, "<u2").reshape(facts["rows"], facts["columns"])
    np.testing.assert_array_equal(pixels, dcmread(hospital.files["chest"]).pixel_array)
    assert facts["inverted"] is True  # MONOCHROME1
    assert facts["bytes"] == 2


def test_pixels_are_neither_compressed_nor_kept_by_a_shared_cache(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    received, browser = hospital.chest(), browser_of("ada")
    opened(hospital, browser, received.study_uid)
    headers = browser.get(f"/pixels/{received.sop_uid}", headers={"Accept-Encoding": "gzip"}).headers
    assert headers["content-encoding"] == "identity"
    assert headers["cache-control"].startswith("private")


def test_signed_values_and_rescale_of_a_ct_are_told(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    received, browser = hospital.receive("ct"), browser_of("ada")
    opened(hospital, browser, received.study_uid)
    facts = json.loads(browser.get(f"/pixels/{received.sop_uid}").headers["x-image-facts"])
    assert (facts["signed"], facts["inverted"], facts["intercept"]) == (True, False, -1024.0)


def test_facts_hold_no_identifier(hospital: Hospital, browser_of: Callable[[str], Browser]) -> None:
    received, browser = hospital.chest(), browser_of("ada")
    opened(hospital, browser, received.study_uid)
    facts = browser.get(f"/pixels/{received.sop_uid}").headers["x-image-facts"]
    assert received.study_uid not in facts
    assert received.sop_uid not in facts


def test_pixels_without_session_are_refused(hospital: Hospital, stranger: Browser) -> None:
    received = hospital.chest()
    assert stranger.get(f"/pixels/{received.sop_uid}").status_code == 401


def test_pixels_of_a_study_that_was_not_opened_are_refused(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    received = hospital.chest()
    assert browser_of("ada").get(f"/pixels/{received.sop_uid}").status_code == 403


@pytest.mark.parametrize("username", ["adam", "aud"])
def test_roles_that_do_not_read_see_no_pixels(
    hospital: Hospital, browser_of: Callable[[str], Browser], username: str
) -> None:
    received = hospital.chest()
    assert browser_of(username).get(f"/pixels/{received.sop_uid}").status_code == 403


@pytest.mark.covers("T18")
@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fkeys%2fpatient", "%2e%2e", "1.2.3%00.dcm", "1.2.3\\..", "1.2.3;ls", "9" * 65, "1..2", "a.b"],
)
def test_names_that_are_no_uid_reach_nothing(browser_of: Callable[[str], Browser], name: str) -> None:
    assert browser_of("ada").get(f"/pixels/{name}").status_code in {401, 404}


@pytest.mark.parametrize(
    ("frame", "status"), [("0", 200), ("1", 422), ("-1", 422), ("x", 422), ("9" * 9, 422)]
)
def test_only_frames_that_are_there_are_shown(
    hospital: Hospital, browser_of: Callable[[str], Browser], frame: str, status: int
) -> None:
    received, browser = hospital.receive("ct"), browser_of("ada")
    opened(hospital, browser, received.study_uid)
    answer = browser.get(f"/pixels/{received.sop_uid}", params={"frame": frame})
    assert answer.status_code == status


def test_image_that_cannot_be_decoded_says_why_and_the_next_is_shown(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    good, browser = hospital.chest(), browser_of("ada")
    bad = hospital.receive("ct")
    path = hospital.room.settings.spool_dir / "objects" / bad.sha256[:2] / f"{bad.sha256}.dcm"
    path.write_bytes(path.read_bytes()[:3000])
    for received in (good, bad):
        opened(hospital, browser, received.study_uid)
    refused = browser.get(f"/pixels/{bad.sop_uid}")
    assert refused.status_code == 422
    assert refused.json()["message"]
    assert browser.get(f"/pixels/{good.sop_uid}").status_code == 200


def test_planes_of_an_image_are_for_who_may_see_its_pixels(
    hospital: Hospital, browser_of: Callable[[str], Browser], tmp_path: Path
) -> None:
    image = dcmread(make_film(tmp_path / "film.dcm", rows=40, columns=40, at=(20, 20)))
    add_plane(image, 0x6000, drawn((2, 3)))
    dcmwrite(tmp_path / "drawn.dcm", image)
    received = receive(
        hospital.store, hospital.room.settings.spool_dir, tmp_path / "drawn.dcm", now=datetime.now(UTC)
    )
    path, ada = f"/overlay-planes/{received.sop_uid}", browser_of("ada")
    assert ada.get(path).status_code == 403
    opened(hospital, ada, received.study_uid)
    facts = json.loads(ada.get(f"/pixels/{received.sop_uid}").headers["x-image-facts"])
    assert facts["overlayPlanes"] == 1
    answer = ada.get(path)
    [plane] = answer.json()["planes"]
    np.testing.assert_array_equal(pixels(plane), drawn((2, 3)))
    assert answer.headers["cache-control"].startswith("private")
    assert browser_of("aud").get(path).status_code == 403
    assert ada.get(path, params={"frame": "1"}).status_code == 422
    assert ada.get("/overlay-planes/1..2").status_code == 404
