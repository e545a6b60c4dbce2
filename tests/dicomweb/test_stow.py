"""STOW-RS: what is stored, what is answered, and what broken requests leave behind.

Covered: the answer's status and sequences, the acknowledgement contract, the same checks as a C-STORE, broken
and hostile multipart bodies, limits, a full disk.
Not covered: who may store (`test_callers.py`), killed servers (`test_processes.py`).
"""

from __future__ import annotations

import hashlib
import io
import socket
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from starlette.applications import Starlette

from app.dicomweb.routes import dicomweb_routes
from app.dicomweb.stow import Patience
from app.domain.study import StudyState
from pacs_bridge.durable import FreeSpaceFloor
from tests.bridge.hostile import polyglots
from tests.dicomweb.bodies import changed, content_of, copy_of, data_set_of, multipart
from tests.dicomweb.conftest import JSON, Site, sample, serving
from tests.workers.conftest import wait_until

FAILED, STORED, OTHER = "00081198", "00081199", "0008119A"


def reasons(answer: dict, sequence: str = FAILED) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer[sequence]["Value"]]


def left_in_temp(site: Site) -> list[Path]:
    return [path for path in (site.room.settings.spool_dir / "temp").rglob("*") if path.is_file()]


@pytest.mark.covers("L1")
def test_stored_instance_is_in_the_spool_as_it_came_when_the_answer_says_so(
    site: Site, ct_slice: Path
) -> None:
    answer = site.stow(ct_slice)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    [held] = list((site.room.settings.spool_dir / "objects").rglob("*.dcm"))
    assert data_set_of(held.read_bytes()) == data_set_of(ct_slice.read_bytes())
    assert held.read_bytes()[:128] == bytes(128)
    header = dcmread(ct_slice, stop_before_pixels=True)
    [item] = answer.json()[STORED]["Value"]
    assert item["00081155"]["Value"] == [header.SOPInstanceUID]
    url = f"{site.url}/studies/{header.StudyInstanceUID}"
    assert answer.json()["00081190"]["Value"] == [url]
    assert item["00081190"]["Value"] == [
        f"{url}/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}"
    ]
    assert left_in_temp(site) == []


@pytest.mark.covers("L7")
def test_same_bytes_are_stored_once_and_other_bytes_are_quarantined(site: Site, ct_slice: Path) -> None:
    altered = changed(ct_slice, PatientComments="other bytes")
    assert site.stow(ct_slice, ct_slice).status_code == 200
    answer = site.stow(ct_slice, altered)
    assert answer.status_code == 202
    assert reasons(answer.json()) == [0xC000]
    assert len(answer.json()[STORED]["Value"]) == 1
    assert site.stow(altered).status_code == 409
    [quarantined] = site.spool.quarantined()
    assert quarantined.association.called_ae == "DICOMWEB"
    assert [entry.event for entry in site.events()].count("instance quarantined") == 1


def test_stored_study_is_completed_and_stands_in_the_worklist(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    study_uid = str(dcmread(ct_slice).StudyInstanceUID)
    with site.store.begin() as tx:
        study = tx.studies.get(study_uid)
    assert (study.state, study.calling_ae, study.called_ae) == (StudyState.COMPLETE, "both", "DICOMWEB")
    received = next(entry for entry in site.events() if entry.event == "study received")
    assert received.source == "127.0.0.1"


def test_instance_of_another_study_than_the_address_names_is_refused(site: Site, ct_slice: Path) -> None:
    study_uid = str(dcmread(ct_slice).StudyInstanceUID)
    assert site.stow(ct_slice, study="1.2.3").status_code == 409
    assert reasons(site.stow(ct_slice, study="1.2.3").json()) == [0xA900]
    assert site.spool.incoming() == []
    assert site.spool.quarantined() == []
    assert site.stow(ct_slice, study=study_uid).status_code == 200
    assert site.stow(ct_slice, study="1.2.x").status_code == 400


@pytest.mark.covers("T19")
def test_file_meta_that_names_another_instance_is_refused_like_a_command_that_does(
    site: Site, ct_slice: Path
) -> None:
    dataset = dcmread(ct_slice)
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    out = io.BytesIO()
    dataset.save_as(out)
    answer = site.stow(out.getvalue())
    assert (answer.status_code, reasons(answer.json())) == (409, [0xA900])
    assert len(site.spool.quarantined()) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("image_dfl.dcm", 0xC122), ("MR_truncated.dcm", 0xC000), ("rtplan_truncated.dcm", 0xC000)],
)
def test_what_the_listener_would_not_take_is_not_taken(site: Site, name: str, reason: int) -> None:
    answer = site.stow(sample(name))
    assert (answer.status_code, reasons(answer.json())) == (409, [reason])


def test_unknown_sop_class_is_refused(site: Site, ct_slice: Path) -> None:
    dataset = dcmread(ct_slice)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.3"
    out = io.BytesIO()
    dataset.save_as(out)
    assert reasons(site.stow(out.getvalue()).json()) == [0x0122]


@pytest.mark.covers("T18")
@pytest.mark.parametrize("uid", ["../../evil", "/tmp/evil", "1.2.3%2f", "1.2\n3"])
def test_path_like_uid_names_nothing(site: Site, ct_slice: Path, uid: str) -> None:
    # the hostile UID stands where the data set has its own, in the same length
    own = str(dcmread(ct_slice).SOPInstanceUID).encode()
    hostile = uid.encode().ljust(len(own), b".")[: len(own)]
    answer = site.stow(ct_slice.read_bytes().replace(own, hostile))
    assert answer.status_code == 409
    assert reasons(answer.json(), OTHER if OTHER in answer.json() else FAILED) == [0xC000]
    root = site.room.settings.data_dir
    assert list(root.rglob("*evil*")) == []
    assert left_in_temp(site) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"not a DICOM file", bytes(200), bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\xff" * 400],
)
def test_part_that_is_no_dicom_file_is_a_failure_without_a_name(
    site: Site, ct_slice: Path, content: bytes
) -> None:
    answer = site.stow(content, ct_slice)
    assert answer.status_code == 202
    assert reasons(answer.json(), OTHER) == [0xC000]
    assert site.stow(content).status_code == 409


def test_part_of_another_media_type_is_a_failure(site: Site, ct_slice: Path) -> None:
    answer = site.stow(ct_slice, part_type="application/pdf")
    assert (answer.status_code, reasons(answer.json(), OTHER)) == (409, [0xC000])
    nested, nested_type = multipart([ct_slice], boundary="inner")
    assert reasons(site.stow(nested, part_type=nested_type).json(), OTHER) == [0xC000]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom", 415),
        ("application/json", 415),
        ("", 415),
        ('multipart/form-data; boundary="b"', 415),
        ('multipart/related; type="application/dicom+json"; boundary="b"', 415),
        ('multipart/related; type="application/dicom"', 400),
        ('multipart/related; type="application/dicom"; boundary=""', 400),
        (f'multipart/related; type="application/dicom"; boundary="{"b" * 201}"', 400),
        ('multipart/related; type="application/dicom"; boundary="other"', 400),
    ],
)
def test_wrong_content_type_or_boundary_is_refused(
    site: Site, ct_slice: Path, content_type: str, status: int
) -> None:
    content, _ = multipart([ct_slice], boundary="b")
    answer = site.client().post("/studies", content=content, headers=JSON | {"Content-Type": content_type})
    assert answer.status_code == status
    assert site.spool.incoming() == []


def test_boundary_longer_than_the_standard_s_is_taken(site: Site, ct_slice: Path) -> None:
    assert site.stow(ct_slice, boundary="o" * 73).status_code == 200  # as Orthanc makes them


@pytest.mark.parametrize("cut", [1, 30, 5000, 39_000])
def test_truncated_body_is_an_error_and_its_last_part_is_not_stored(
    site: Site, ct_slice: Path, cut: int
) -> None:
    content, content_type = multipart([ct_slice], end=False)
    answer = site.client().post("/studies", content=content[:-cut], headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert site.spool.incoming() == []
    assert left_in_temp(site) == []


def test_complete_parts_of_a_truncated_body_stay(site: Site, ct_slice: Path) -> None:
    content, content_type = multipart([ct_slice, copy_of(ct_slice)], end=False)
    answer = site.client().post("/studies", content=content[:-500], headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert len(site.spool.incoming()) == 1
    assert left_in_temp(site) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"--b--\r\n", b"no boundary at all", b"--b\r\nno header\r\n\r\n--b--", b"--b\r\n\r\n\r\n--b--\r\n"],
)
def test_body_without_instances_is_an_error(site: Site, body: bytes) -> None:
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    assert site.client().post("/studies", content=body, headers=headers).status_code in {400, 409}


def test_a_thousand_parts_are_answered_one_by_one(site: Site, ct_slice: Path) -> None:
    answer = site.stow(ct_slice, *[b"junk"] * 1000)
    assert answer.status_code == 202
    assert len(answer.json()[OTHER]["Value"]) == 1000


def test_too_many_parts_are_refused(site: Site) -> None:
    assert site.stow(*[b"j"] * 10_001).status_code == 413


def test_large_instance_goes_through_a_file_and_sender_that_hangs_up_leaves_nothing(
    site: Site, chest_radiograph: Path
) -> None:
    assert chest_radiograph.stat().st_size > 2**20
    content, content_type = multipart([chest_radiograph])
    with socket.create_connection(("127.0.0.1", int(site.origin.rpartition(":")[2]))) as peer:
        head = (
            "POST /dicomweb/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer store-only-token\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        peer.sendall(head.encode() + content[: len(content) // 2])
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass
    wait_until(lambda: left_in_temp(site) == [], 30)
    assert site.stow(chest_radiograph).status_code == 200
    assert left_in_temp(site) == []


@pytest.mark.parametrize("patience", [Patience(silence=0.2), Patience(whole=0.5)], ids=["silent", "endless"])
def test_sender_that_never_ends_is_hung_up_on_and_what_was_complete_stays(
    site: Site, ct_slice: Path, patience: Patience
) -> None:
    content, content_type = multipart([ct_slice, *[copy_of(ct_slice)] * 30], end=False)
    app = Starlette(routes=dicomweb_routes(site.room, patience=patience))
    with (
        serving(app) as origin,
        socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])), timeout=30) as peer,
    ):
        head = (
            "POST /dicomweb/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer store-only-token\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {2 * len(content)}\r\n\r\n"
        )
        peer.sendall(head.encode() + content)
        if patience.silence > 1:
            peer.settimeout(0.1)
            answer = drip(peer)
        else:
            answer = peer.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert len(site.spool.incoming()) == 2
    assert left_in_temp(site) == []


def drip(peer: socket.socket) -> bytes:
    """Send a byte now and then until there is an answer."""
    while True:
        try:
            return peer.recv(4096)
        except TimeoutError:
            peer.sendall(b"x")


@pytest.fixture
def small_requests(site: Site) -> Iterator[None]:
    """Requests of at most 1 MB; the settings are frozen on purpose, so this is no ordinary assignment."""
    settings = site.room.settings
    before = settings.dicomweb_largest_request_mb
    object.__setattr__(settings, "dicomweb_largest_request_mb", 1)
    yield
    object.__setattr__(settings, "dicomweb_largest_request_mb", before)


@pytest.mark.usefixtures("small_requests")
def test_request_past_its_limit_is_refused_whether_it_says_so_or_not(site: Site, ct_slice: Path) -> None:
    content, content_type = multipart([ct_slice] * 40)
    headers = {"Content-Type": content_type}
    assert site.client().post("/studies", content=content, headers=headers).status_code == 413
    pieces = (content[i : i + 65536] for i in range(0, len(content), 65536))
    assert site.client().post("/studies", content=pieces, headers=headers).status_code == 413
    assert left_in_temp(site) == []


@pytest.mark.covers("L6")
def test_full_disk_is_said_so_that_the_sender_tries_again_and_nothing_stays(
    site: Site, ct_slice: Path, chest_radiograph: Path
) -> None:
    free = [0]
    Usage = namedtuple("Usage", "total used free")
    floor = FreeSpaceFloor(usage=lambda _: Usage(10**12, 10**12 - free[0], free[0]))
    app = Starlette(routes=dicomweb_routes(site.room, floor=floor))
    with serving(app) as origin:

        def stow(*files: Path | bytes) -> httpx.Response:
            content, content_type = multipart(files)
            headers = JSON | {"Content-Type": content_type}
            return site.client().post(f"{origin}/dicomweb/studies", content=content, headers=headers)

        # one that fits into memory, and one that wants a file while it arrives
        answer = stow(ct_slice, chest_radiograph)
        assert (answer.status_code, reasons(answer.json())) == (503, [0xA700, 0xA700])
        assert "retry-after" in answer.headers
        assert site.spool.incoming() == []
        assert site.spool.quarantined() == []
        assert left_in_temp(site) == []
        free[0] = 10**11
        assert stow(ct_slice).status_code == 200
        free[0] = 0
        answer = stow(ct_slice, copy_of(ct_slice))
        assert answer.status_code == 202  # what is here needs no space
        assert reasons(answer.json()) == [0xA700]
    assert len(site.spool.incoming()) == 1


def test_answer_in_another_form_is_not_made(site: Site, ct_slice: Path) -> None:
    content, content_type = multipart([ct_slice])
    headers = {"Content-Type": content_type, "Accept": "application/dicom+xml"}
    assert site.client().post("/studies", content=content, headers=headers).status_code == 406
    assert content_of(ct_slice)


@pytest.mark.covers("T22")
def test_ten_polyglots_are_stored_behind_our_preamble_and_their_digests_are_recorded(
    site: Site, ct_slice: Path
) -> None:
    files = []
    for name, preamble in polyglots():
        file = changed(ct_slice, SOPInstanceUID=generate_uid(), StudyInstanceUID=generate_uid())
        files.append(preamble + file[128:])
        assert files[-1][:128].strip(b"\0"), name
    site.have(*files)
    held = sorted((site.room.settings.spool_dir / "objects").rglob("*.dcm"))
    assert len(held) == 10
    assert {path.read_bytes()[:132] for path in held} == {bytes(128) + b"DICM"}
    digests = {hashlib.sha256(data_set_of(file)).hexdigest() for file in files}
    assert {path.stem for path in held} == digests
    with site.store.begin() as tx:
        studies = [str(dcmread(io.BytesIO(file)).StudyInstanceUID) for file in files]
        recorded = {found.sha256 for study in studies for found in tx.dicomweb.instances(study)}
    assert recorded == digests
    answer = site.client("both").get(f"/studies/{studies[0]}", headers={"Accept": "*/*"})
    assert answer.status_code == 200
    assert b"\r\n\r\n" + bytes(128) + b"DICM" in answer.content
