"""What DICOMweb gives away to whom it refuses, how often it may be asked, and what it counts.

Not covered: who is recognised (`test_callers.py`), limits of one request (`test_stow.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread
from starlette.applications import Starlette

from app.dicomweb.routes import dicomweb_routes
from app.services.pace import BURST_SECONDS
from app.ui.room import Room
from tests.dicomweb.bodies import changed, multipart
from tests.dicomweb.conftest import TOKENS, Site, serving
from tests.dicomweb.test_frames import address_of

SECRETS = ("SECRET^NAME", "SECRET-ID")


def below(path: str) -> list[str]:
    """Every address of an instance, and of what stands above it."""
    study, series = path.partition("/series/")[0], path.partition("/instances/")[0]
    ends = ("", "/metadata", "/frames/1", "/rendered", "/frames/1/rendered", "/bulkdata/7FE00010")
    return [study, series, *(path + end for end in ends), f"{study}/series", f"{series}/instances"]


def test_refusals_are_alike_for_what_is_there_and_what_is_not_and_hold_no_values(
    site: Site, ct_slice: Path
) -> None:
    file = changed(ct_slice, PatientName=SECRETS[0], PatientID=SECRETS[1])
    site.have(file)
    held, absent = below(address_of(file)), below("/studies/1.2.3/series/1.2.4/instances/1.2.5")
    for client, status in ((site.client(""), 401), (site.client("modality"), 403)):
        for path, other in zip(held, absent, strict=True):
            answers = [client.get(path), client.get(other)]
            assert [answer.status_code for answer in answers] == [status, status]
            assert answers[0].text == answers[1].text
    viewer = site.client("viewer")
    for path in absent[:8]:
        answer = viewer.get(path, headers={"Accept": "*/*"})
        assert answer.status_code == 404
        assert not any(secret in answer.text + str(answer.headers) for secret in SECRETS)
        assert "/tmp" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/studies/..%2f..%2fetc", "/studies/%00", "/studies/1.2.3%0d%0aX:%20y", "/studies/" + "1" * 5000],
)
def test_path_that_is_no_uid_is_not_found(site: Site, path: str) -> None:
    answer = site.client("viewer").get(path)
    assert answer.status_code == 404
    assert "X" not in answer.headers


def test_caller_that_asks_too_often_is_told_to_slow_down_and_others_are_served(site: Site) -> None:
    slow = site.room.settings.model_copy(update={"dicomweb_requests_per_second": 0.5})
    room = Room(site.store, slow, site.room.pixels)
    with serving(Starlette(routes=dicomweb_routes(room))) as origin:

        def ask(token: str) -> httpx.Response:
            return site.client(token).get(f"{origin}/dicomweb/studies")

        allowed = int(0.5 * BURST_SECONDS)
        began = datetime.now(UTC)
        answers = [ask("viewer") for _ in range(allowed + 20)]
        refused = [answer for answer in answers if answer.status_code == 429]
        regained = (datetime.now(UTC) - began).total_seconds() * 0.5
        assert len(refused) >= 20 - regained - 1
        assert {answer.headers["retry-after"] for answer in refused} <= {"1", "2"}
        assert ask("both").status_code == 204


def test_requests_are_counted_by_service_and_status(site: Site, ct_slice: Path) -> None:
    def count(service: str, status: int) -> float:
        labels = {"service": service, "status": str(status)}
        registry = site.room.metrics.registry
        return registry.get_sample_value("janus_med_dicomweb_requests_total", labels) or 0.0

    cases = [("stow", 200), ("stow", 415), ("qido", 200), ("qido", 401), ("wado", 404)]
    before = [count(*case) for case in cases]
    site.have(ct_slice)
    site.client().post("/studies", content=b"", headers={"Content-Type": "text/plain"})
    site.client("viewer").get("/studies")
    site.client("").get("/studies")
    site.client("viewer").get("/studies/1.2.3")
    assert [count(*case) for case in cases] == [value + 1 for value in before]
    names = [family.name for family in site.room.metrics.registry.collect()]
    assert "janus_med_dicomweb_requests" in names
    assert TOKENS["viewer"] not in str(names)
    assert dcmread(ct_slice).PatientID not in str(list(site.room.metrics.registry.collect()))


@pytest.mark.parametrize("inner", ["multipart/related; boundary=inner", "application/json", "text/html", ""])
def test_part_of_another_kind_is_refused_and_the_others_are_stored(
    site: Site, ct_slice: Path, inner: str
) -> None:
    nested, _ = multipart([ct_slice], boundary="inner")
    content = f"--b\r\nContent-Type: {inner or 'x'}\r\n\r\n".encode() + nested + b"\r\n"
    content += b"--b\r\nContent-Type: application/dicom\r\n\r\n" + ct_slice.read_bytes() + b"\r\n--b--\r\n"
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    answer = site.client().post("/studies", content=content, headers=headers)
    assert answer.status_code == 202
    assert len(answer.json()["00081199"]["Value"]) == 1
    assert answer.json()["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert len(site.spool.incoming()) == 1
