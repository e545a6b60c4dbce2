"""Storage commitment with a real Orthanc, both ways.

Covered: Orthanc asks us and takes our report; we deliver to Orthanc, ask it, and take its report.
Not covered: everything that Orthanc does not do wrong (`test_commitment.py`, `tests/bridge`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from app.domain.access import service_actor
from app.domain.delivery import DeliveryState
from app.services.decoder import DecoderProcess
from app.settings import Destination, Settings
from app.store.engine import Store
from app.workers.commit import AskCommitment
from app.workers.commitment_intake import CommitmentIntake
from app.workers.commitment_log import CommitmentLog
from app.workers.deliver import DeliverReport
from app.workers.runtime import Worker
from app.workers.senders import Site
from pacs_bridge import (
    CommitmentLoop,
    CommitmentService,
    Listener,
    ListenerConfig,
    LoggedEvents,
    Peer,
    SpoolSink,
)
from pacs_bridge.spool import Spool
from tests.e2e.orthanc import Orthanc, run_orthanc
from tests.ports import free_port
from tests.workers.conftest import run_worker, wait_until
from tests.workers.stories import receive, sign_by_hand

ACTOR = service_actor("delivery")
pytestmark = pytest.mark.slow


@contextmanager
def orthanc_and_us(folder: Path, spool: Spool) -> Iterator[tuple[Orthanc, Peer]]:
    port = free_port()
    us = {"AET": "JANUSMED", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
    with run_orthanc(folder, {"janus": us}) as orthanc:
        peer = Peer("ORTHANC", host="127.0.0.1", port=orthanc.dicom_port)
        service = CommitmentService(spool.layout, (peer,), CommitmentLog())
        config = ListenerConfig(peers=(peer,), port=port)
        listener = Listener(config, SpoolSink(spool), LoggedEvents(), services=(service,))
        listener.start()
        try:
            yield orthanc, peer
        finally:
            listener.stop()


@pytest.mark.covers("L10")
def test_orthanc_asks_us_and_learns_what_we_hold(store: Store, tmp_path: Path, leg_radiograph: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    receive(store, settings, leg_radiograph)
    image, unknown = dcmread(leg_radiograph, stop_before_pixels=True), str(generate_uid())
    held = {"SOPClassUID": str(image.SOPClassUID), "SOPInstanceUID": str(image.SOPInstanceUID)}
    spool = Spool(settings.spool_dir)
    with orthanc_and_us(tmp_path, spool) as (orthanc, peer):
        loop = CommitmentLoop(spool.layout, (peer,), calling_ae="JANUSMED", events=CommitmentLog())
        loop.start()
        wanted = [held, held | {"SOPInstanceUID": unknown}]
        begun = orthanc.post("/modalities/janus/storage-commitment", {"DicomInstances": wanted})

        def said() -> Any:
            return json.loads(orthanc.read(begun["Path"]))

        wait_until(lambda: said()["Status"] != "Pending", 60)
        loop.stop()
        answer = said()
    assert answer["Status"] == "Failure"
    assert answer["Success"] == [held]
    [failure] = answer["Failures"]
    assert (failure["SOPInstanceUID"], failure["FailureReason"]) == (unknown, 0x0112)


@pytest.mark.covers("S6", "T08")
def test_orthanc_commits_to_the_report_that_we_delivered(
    store: Store, tmp_path: Path, leg_radiograph: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    with orthanc_and_us(tmp_path, spool) as (orthanc, _peer):
        to = Destination(
            name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port, commitment=True
        )
        settings = Settings(data_dir=tmp_path, destinations=(to,), stalled_seconds=2)
        study_uid = receive(store, settings, leg_radiograph)
        [delivery] = sign_by_hand(store, study_uid, (to.name, "report_sr"))
        intake = CommitmentIntake(spool.layout)

        def committed() -> bool:
            intake.step(store)
            with store.begin() as unit:
                return unit.deliveries.get(delivery.delivery_id).state is DeliveryState.COMMITTED

        deliver = DeliverReport(store, ACTOR, settings, Site(settings, DecoderProcess()))
        tasks = [deliver, AskCommitment(store, ACTOR, settings)]
        with run_worker(Worker(store, settings, ACTOR, tasks, concurrency=2)):
            wait_until(committed, 90)
        assert len(orthanc.reports()) == 1
