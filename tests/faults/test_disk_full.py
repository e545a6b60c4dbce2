"""A full disk under the spool: refused with the status that says so, nothing half done, and it works again.

Covered: the listener process on a file system of 24 MiB, full and freed. Needs root, to mount it.
Not covered: the spool alone (`tests/bridge`), a full database volume.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from app.settings import Settings
from app.store.engine import open_store
from app.store.migrate import upgrade
from pacs_bridge.reactor_gate import keep_answers_from_the_reactor
from tests.conftest import need
from tests.faults.test_listener_killed import indexed
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings

OUT_OF_RESOURCES = 0xA700


@pytest.fixture
def settings(data_dir: Path) -> Iterator[Settings]:
    need(os.geteuid() == 0, "root, to mount a small file system")
    chosen = system_settings(data_dir, quiet_seconds=3600.0)
    upgrade(chosen)
    chosen.spool_dir.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(chosen.spool_dir)]
    mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    need(mounted, "the right to mount a tmpfs")
    yield chosen
    subprocess.run(["umount", str(chosen.spool_dir)], check=True)


def send(settings: Settings, dataset: Dataset, count: int) -> list[tuple[str, int]]:
    """Send copies over one association; return SOP Instance UID and status of each."""
    ae = AE("SENDER")
    ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    assoc = ae.associate("127.0.0.1", settings.dicom_port, ae_title=settings.ae_title)
    assert assoc.is_established
    keep_answers_from_the_reactor(assoc)
    answers = []
    for _ in range(count):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        answers.append((str(dataset.SOPInstanceUID), int(assoc.send_c_store(dataset).Status)))
    assoc.release()
    return answers


@pytest.mark.slow
@pytest.mark.covers("T06", "L6")
def test_full_spool_refuses_and_works_again_when_freed(settings: Settings, chest_radiograph: Path) -> None:
    dataset = dcmread(chest_radiograph)
    with Process(settings, "listen") as listener:
        listener.wait_until_ready()
        ballast = settings.spool_dir / "ballast"
        ballast.write_bytes(bytes(8 * 2**20))
        first = send(settings, dataset, 4)
        assert OUT_OF_RESOURCES in {status for _, status in first}
        assert {status for _, status in first} <= {0, OUT_OF_RESOURCES}
        assert not any((settings.spool_dir / "temp").iterdir())
        ballast.unlink()
        second = send(settings, dataset, 1)
        assert [status for _, status in second] == [0]
        acknowledged = {uid for uid, status in first + second if status == 0}
        with open_store(settings) as store:
            wait_until(lambda: set(indexed(store)) == acknowledged)
        assert listener.stop() == 0
