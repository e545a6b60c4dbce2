"""A real listener process and a real web UI process over one spool and one database.

Covered: the way of a study sent by STOW-RS into the worklist; a request that is under way keeps its study
open; kill -9 of the process that stores; the listener's janitor beside a request that is under way; the same
instance from both processes at the same moment.
Not covered: power loss (kill -9 keeps the page cache), which the order of system calls in `tests/bridge`
stands for.
"""

from __future__ import annotations

import hashlib
import io
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from app.domain.errors import NotFound
from app.domain.study import Study, StudyState
from app.domain.worklist import WorklistQuery
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from tests.bridge.peers import CALLING, association, encode, radiograph, with_meta
from tests.bridge.peers import store as store_over
from tests.dicomweb.bodies import BOUNDARY, copy_of, data_set_of, multipart
from tests.dicomweb.conftest import JSON, TOKENS, clients
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

KILLS = 3
SENDERS = 3
RACES = 25
HEADERS = JSON | {
    "Authorization": f"Bearer {TOKENS['both']}",
    "Content-Type": f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"',
}


@dataclass
class House:
    """Both processes; each can be killed and started again."""

    settings: Settings
    store: Store
    listener: Process
    ui: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.ui_port}/dicomweb/studies"

    def stow(self, *files: bytes) -> httpx.Response:
        return httpx.post(self.url, content=multipart(files)[0], headers=HEADERS, timeout=120)

    def study(self, study_uid: str) -> Study | None:
        with self.store.begin() as tx:
            try:
                return tx.studies.get(study_uid)
            except NotFound:
                return None

    def is_complete(self, study_uid: str) -> bool:
        study = self.study(study_uid)
        return study is not None and study.state is StudyState.COMPLETE

    def digests(self, study_uid: str) -> dict[str, str]:
        """SOP Instance UID to digest of what the database has."""
        with self.store.begin() as tx:
            found = tx.dicomweb.instances(study_uid)
        return {instance.sop_uid: instance.sha256 for instance in found}

    def unfinished(self) -> list[Path]:
        return [path for path in (self.settings.spool_dir / "temp").rglob("*") if path.is_file()]

    def restart_listener(self) -> None:
        with self.listener as gone:
            gone.kill()
        self.listener = Process(self.settings, "listen")
        self.listener.wait_until_ready()

    def restart_ui(self) -> None:
        with self.ui as gone:
            gone.kill()
        self.ui = Process(self.settings, "ui")
        self.wait_for_ui()

    def wait_for_ui(self) -> None:
        def answers() -> bool:
            assert self.ui.process.poll() is None, self.ui.output()
            try:
                return httpx.get(self.url, timeout=10).status_code == 401
            except httpx.TransportError:
                return False

        wait_until(answers, 120)


@pytest.fixture(scope="module")
def house(module_data_dir: Path) -> Iterator[House]:
    settings = system_settings(
        module_data_dir, dicomweb=True, dicomweb_clients=clients(), allowed_ae_titles=(CALLING,)
    )
    upgrade(settings)
    with open_store(settings) as store:
        found = House(settings, store, Process(settings, "listen"), Process(settings, "ui"))
        try:
            found.listener.wait_until_ready()
            found.wait_for_ui()
            yield found
        finally:
            with found.ui, found.listener:
                pass


def film(study_uid: str = "", *, side: int = 64, **changes: object) -> Dataset:
    return radiograph(side=side, StudyInstanceUID=study_uid or generate_uid(), **changes)


def file_of(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, with_meta(dataset), enforce_file_format=True)
    assert data_set_of(buffer.getvalue()) == encode(dataset)
    return buffer.getvalue()


def digest_of(file: bytes) -> str:
    return hashlib.sha256(data_set_of(file)).hexdigest()


@contextmanager
def under_way(house: House, body: bytes, sent: int) -> Iterator[Callable[[], httpx.Response]]:
    """Send the first bytes of a body; the call sends the rest and returns the answer."""
    go_on = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield body[:sent]
        go_on.wait(120)
        yield body[sent:]

    with ThreadPoolExecutor(1) as pool:
        answer: Future[httpx.Response] = pool.submit(
            httpx.post, house.url, content=pieces(), headers=HEADERS, timeout=150
        )

        def finish() -> httpx.Response:
            go_on.set()
            return answer.result()

        try:
            yield finish
        finally:
            go_on.set()


@pytest.mark.covers("L1", "L11")
def test_study_sent_by_stow_is_completed_and_stands_in_the_worklist(house: House) -> None:
    study_uid = generate_uid()
    files = [file_of(film(study_uid)) for _ in range(3)]
    answer = house.stow(*files)
    assert answer.status_code == 200, answer.text
    wait_until(lambda: house.is_complete(study_uid))
    with house.store.begin() as tx:
        page = tx.studies.worklist(WorklistQuery(), reader=None, now=datetime.now(UTC))
    [row] = [row for row in page.rows if row.study.study_uid == study_uid]
    assert row.study.instance_count == 3
    assert set(house.digests(study_uid).values()) == {digest_of(file) for file in files}


@pytest.mark.covers("L11")
def test_study_is_not_complete_while_a_request_still_carries_it(house: House) -> None:
    study_uid, other = generate_uid(), generate_uid()
    files = [file_of(film(study_uid, side=900)) for _ in range(2)]
    body = multipart(files)[0]
    # the first part and enough of the second that the server has handed on the first
    with under_way(house, body, len(files[0]) + 1_300_000) as finish:
        wait_until(lambda: house.study(study_uid) is not None)
        # a study that came later, in a request of its own, has had its quiet time: so has the first
        assert house.stow(file_of(film(other))).status_code == 200
        wait_until(lambda: house.is_complete(other))
        assert not house.is_complete(study_uid)
        assert len(house.digests(study_uid)) == 1
        assert finish().status_code == 200
    wait_until(lambda: house.is_complete(study_uid))
    study = house.study(study_uid)
    assert study is not None
    assert (study.revision, study.instance_count) == (1, 2)


@pytest.mark.covers("L1")
def test_listener_that_starts_leaves_a_request_under_way_alone(house: House) -> None:
    study_uid = generate_uid()
    file = file_of(film(study_uid, side=1200))
    body = multipart([file])[0]
    with under_way(house, body, 2_000_000) as finish:
        wait_until(lambda: any(path.suffix == ".part" for path in house.unfinished()))
        house.restart_listener()
        assert [path for path in house.unfinished() if path.suffix == ".part"]
        answer = finish()
    assert answer.status_code == 200, answer.text
    wait_until(lambda: house.is_complete(study_uid))
    assert list(house.digests(study_uid).values()) == [digest_of(file)]
    assert house.unfinished() == []


class Sender(threading.Thread):
    """Stores new instances, two in each request, until the server dies, and notes what was acknowledged."""

    def __init__(self, house: House, study_uid: str, seed: int) -> None:
        super().__init__()
        self._house, self._study_uid, self._sides = house, study_uid, random.Random(seed)
        self.acknowledged: dict[str, str] = {}

    def run(self) -> None:
        with httpx.Client(timeout=60) as client:
            while self._send(client):
                pass

    def _send(self, client: httpx.Client) -> bool:
        datasets = [film(self._study_uid, side=self._sides.choice([16, 128, 500, 900])) for _ in range(2)]
        files = [file_of(dataset) for dataset in datasets]
        try:
            answer = client.post(self._house.url, content=multipart(files)[0], headers=HEADERS)
        except httpx.TransportError:
            return False
        assert answer.status_code == 200, answer.text
        for dataset, file in zip(datasets, files, strict=True):
            self.acknowledged[dataset.SOPInstanceUID] = digest_of(file)
        return True


@pytest.mark.covers("L1")
def test_acknowledged_instances_survive_kills_of_the_process_that_stores(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    study_uid, chance = generate_uid(), random.Random(20261126)
    acknowledged: dict[str, str] = {}
    for _ in range(KILLS):
        senders = [Sender(house, study_uid, chance.randrange(10**6)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        wait_until(lambda senders=senders: all(sender.acknowledged for sender in senders))
        time.sleep(chance.uniform(0.0, 0.7))
        house.ui.kill()
        for sender in senders:
            sender.join(60)
            acknowledged |= sender.acknowledged
        house.restart_ui()
    house.restart_listener()
    wait_until(lambda: not any((house.settings.spool_dir / "incoming").iterdir()))
    held = house.digests(study_uid)
    lost = {uid for uid, digest in acknowledged.items() if held.get(uid) != digest}
    with capsys.disabled():
        print(f"\n{KILLS} kills, {len(acknowledged)} acknowledged, {len(lost)} lost, {len(held)} indexed")
    assert not lost
    assert house.unfinished() == []
    wait_until(lambda: house.is_complete(study_uid))  # the marks of the killed hold nothing open


@pytest.mark.covers("L7")
@pytest.mark.parametrize("same", [True, False])
def test_one_instance_from_both_processes_at_once_is_kept_once(house: House, same: bool) -> None:
    study_uid = generate_uid()
    films = [film(study_uid, InstanceNumber=n) for n in range(RACES)]
    files = [file_of(one) for one in films]
    stowed = files if same else [copy_of(file, SOPInstanceUID=one.SOPInstanceUID, PatientComments="other")
                                 for one, file in zip(films, files, strict=True)]  # fmt: skip
    meet = threading.Barrier(2)

    def over_dimse() -> list[int | None]:
        statuses = []
        with association(house.settings.dicom_port) as assoc:
            for one in films:
                meet.wait(60)
                statuses.append(store_over(assoc, encode(one), one.SOPInstanceUID))
        return statuses

    def over_http() -> list[int]:
        statuses = []
        with httpx.Client(timeout=60) as client:
            for file in stowed:
                content = multipart([file])[0]
                meet.wait(60)
                statuses.append(client.post(house.url, content=content, headers=HEADERS).status_code)
        return statuses

    with ThreadPoolExecutor(2) as pool:
        dimse, http = pool.submit(over_dimse), pool.submit(over_http)
        answers = list(zip(dimse.result(), http.result(), strict=True))
    wait_until(lambda: house.is_complete(study_uid))
    held = house.digests(study_uid)
    assert len(held) == RACES
    if same:
        assert set(answers) == {(0x0000, 200)}
        assert held == {one.SOPInstanceUID: digest_of(file) for one, file in zip(films, files, strict=True)}
        return
    assert set(answers) <= {(0x0000, 409), (0xC000, 200)}
    # whoever was told of success finds its own bytes, and the other's are in quarantine
    for one, (status, _), mine, theirs in zip(films, answers, files, stowed, strict=True):
        first, second = (mine, theirs) if status == 0x0000 else (theirs, mine)
        assert held[one.SOPInstanceUID] == digest_of(first)
        digest = digest_of(second)
        assert (house.settings.spool_dir / "quarantine" / digest[:2] / f"{digest}.dcm").is_file()
