"""kill -9 of the listener process under real senders: what was acknowledged is in the database, once.

Covered: spool, intake and janitor across kills and restarts, from the association to the database row.
Not covered: power loss (the order of system calls, `tests/bridge`).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings

KILLS = 20
SENDERS = 4


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    chosen = system_settings(data_dir)
    upgrade(chosen)
    return chosen


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


class Sender(threading.Thread):
    """Sends fresh instances as fast as it can, over a new association whenever the last one is lost."""

    def __init__(self, settings: Settings, sample: Path, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._settings, self._sample, self._number, self._enough = settings, sample, number, stop
        self.acknowledged: list[str] = []

    def run(self) -> None:
        dataset = dcmread(self._sample)
        dataset.PatientID = f"KILL-{self._number}"
        dataset.StudyInstanceUID = generate_uid()
        dataset.SeriesInstanceUID = generate_uid()
        while not self._enough.is_set():
            self._send_until_lost(dataset)
            self._enough.wait(0.1)

    def _send_until_lost(self, dataset: Dataset) -> None:
        ae = AE("SENDER")
        ae.dimse_timeout = ae.acse_timeout = ae.network_timeout = ae.connection_timeout = 5
        ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
        assoc = ae.associate("127.0.0.1", self._settings.dicom_port, ae_title=self._settings.ae_title)
        while assoc.is_established and not self._enough.is_set():
            dataset.SOPInstanceUID = generate_uid()
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            try:
                status = assoc.send_c_store(dataset)
            except (RuntimeError, ValueError):
                return
            if "Status" in status and status.Status == 0:
                self.acknowledged.append(str(dataset.SOPInstanceUID))
        if assoc.is_established:
            assoc.release()


def indexed(store: Store) -> Counter[str]:
    with store.begin() as unit:
        return Counter(
            instance.sop_uid
            for study in unit.studies.receiving()
            for instance in unit.studies.instances(study.study_uid, up_to_revision=10**6)
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.covers("L1", "L9", "T01", "R2")
def test_acknowledged_instances_survive_kills_of_the_listener(
    settings: Settings, store: Store, ct_slice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # studies stay open, so that every instance is looked for in one place
    patient = settings.model_copy(update={"quiet_seconds": 3600.0})
    chance, stop = random.Random(20261122), threading.Event()
    senders = [Sender(patient, ct_slice, number, stop) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        with Process(patient, "listen") as listener:
            listener.wait_until_ready()
            time.sleep(chance.uniform(0.05, 1.5))
            listener.kill()
    stop.set()
    for sender in senders:
        sender.join(30)
    acknowledged = [uid for sender in senders for uid in sender.acknowledged]
    assert len(acknowledged) > KILLS
    with Process(patient, "listen") as listener:
        listener.wait_until_ready()
        wait_until(lambda: not any((patient.spool_dir / "incoming").iterdir()), 60)
        rows = indexed(store)
        [recovered] = listener.events("spool recovered")
    lost = set(acknowledged) - set(rows)
    with capsys.disabled():
        print(f"\n{KILLS} kills, {len(acknowledged)} acknowledged, {len(lost)} lost, {len(rows)} indexed")
    assert not lost
    assert max(rows.values()) == 1
    assert not any((patient.spool_dir / "temp").iterdir())
    assert recovered["temporary_files"] is not None
    for uid in acknowledged[:: max(1, len(acknowledged) // 50)]:
        with store.begin() as unit:
            sha256 = unit.studies.instance(uid).sha256
        assert (patient.spool_dir / "objects" / sha256[:2] / f"{sha256}.dcm").is_file()
