"""The delivery worker: signed reports reach a real archive once, whatever that does.

Covered: document and text, PACS down and back, refusal, lost answers, repeated jobs, retry.
Not covered: the document's validity (`tests/bridge`), a worker that is killed (`tests/faults`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import BasicTextSRStorage

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFilter
from app.domain.delivery import Delivery, DeliveryState
from app.services.decoder import DecoderProcess
from app.services.work import dead_letters, retry_dead_letter
from app.settings import Destination, Settings
from app.store.engine import Store
from app.workers.deliver import DeliverReport
from app.workers.runtime import Worker
from app.workers.senders import Site
from pacs_bridge.admission import Peer
from pacs_bridge.archive import Archive
from tests.ports import free_port
from tests.workers.conftest import run_worker, wait_until
from tests.workers.stories import now, receive, sign_by_hand

ACTOR = service_actor("delivery")
# never started here: a text document needs no pixels
DECODER = DecoderProcess()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, delivery_retry_seconds=(1, 1), stalled_seconds=2, institution="Test Hospital"
    )


def with_pacs(settings: Settings, port: int) -> Settings:
    """The settings with an archive at this port as the destination called PACS."""
    pacs = Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=port)
    return settings.model_copy(update={"destinations": (pacs,)})


PACS = ("PACS", "report_sr")


@contextmanager
def pacs(folder: Path, port: int) -> Iterator[Archive]:
    archive = Archive(folder, ae_title="PACS", peers=(Peer("JANUSMED"),), port=port)
    archive.start()
    try:
        yield archive
    finally:
        archive.stop()


def state_of(store: Store, delivery: Delivery) -> Delivery:
    with store.begin() as unit:
        return unit.deliveries.get(delivery.delivery_id)


def worker(store: Store, settings: Settings) -> Worker:
    return Worker(store, settings, ACTOR, [task_of(store, settings)])


def task_of(store: Store, settings: Settings) -> DeliverReport:
    return DeliverReport(store, ACTOR, settings, Site(settings, DECODER))


def events(store: Store) -> list[str]:
    with store.begin() as unit:
        return [entry.event for entry in unit.audit.stream(AuditFilter())]


@pytest.mark.covers("S6")
def test_signed_report_reaches_the_archive_as_it_was_signed(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    port = free_port()
    settings = with_pacs(settings, port)
    study_uid = receive(store, settings, leg_radiograph)
    with pacs(tmp_path / "pacs", port) as archive:
        [delivery] = sign_by_hand(store, study_uid, PACS)
        with run_worker(worker(store, settings)):
            wait_until(lambda: state_of(store, delivery).is_sent)
        [held] = archive.holdings("SR")
    document, image = dcmread(held.path), dcmread(leg_radiograph, stop_before_pixels=True)
    assert (document.SOPInstanceUID, document.StudyInstanceUID) == (delivery.sop_uid, study_uid)
    assert (document.CompletionFlag, document.VerificationFlag) == ("COMPLETE", "VERIFIED")
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID"):
        assert document.get(keyword, "") == image.get(keyword, "")
    for text in ("Text of the findings.", "Text of the impression.", "Test Hospital", "Dr. Reader"):
        assert text in document.to_json()
    assert events(store).count(AuditEvent.DELIVERY_SENT.value) == 1


@pytest.mark.slow
@pytest.mark.covers("T08", "R2")
def test_report_waits_for_a_pacs_that_is_down(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    port = free_port()
    settings = with_pacs(settings, port)
    patient = settings.model_copy(update={"delivery_retry_seconds": (1, 2)})
    [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PACS)
    with run_worker(worker(store, patient)):
        wait_until(lambda: state_of(store, delivery).state is DeliveryState.FAILED)
        with pacs(tmp_path / "pacs", port) as archive:
            wait_until(lambda: state_of(store, delivery).is_sent)
            assert [held.sop_instance_uid for held in archive.holdings("SR")] == [delivery.sop_uid]
    assert events(store).count(AuditEvent.DELIVERY_SENT.value) == 1


@pytest.mark.slow
@pytest.mark.covers("T08", "P3")
def test_given_up_report_is_not_lost_and_a_retry_sends_it(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    port = free_port()
    settings = with_pacs(settings, port)
    [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PACS)
    with run_worker(worker(store, settings)):
        wait_until(lambda: bool(dead_letters(store, ACTOR, now=now())))
        assert state_of(store, delivery).state is DeliveryState.DEAD
        assert state_of(store, delivery).attempts == 3
        [letter] = dead_letters(store, ACTOR, now=now())
        assert (letter.study_uid, letter.attempts) == (delivery.study_uid, 3)
        with pacs(tmp_path / "pacs", port) as archive:
            retry_dead_letter(store, ACTOR, letter.dead_letter_id, now=now())
            wait_until(lambda: state_of(store, delivery).is_sent)
            assert len(archive.holdings("SR")) == 1


@pytest.mark.covers("T08")
def test_peer_that_refuses_for_good_is_not_asked_again(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    port = free_port()
    settings = with_pacs(settings, port)
    archive = Archive(tmp_path / "pacs", ae_title="PACS", peers=(Peer("SOMEBODY"),), port=port)
    archive.start()
    try:
        [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PACS)
        with run_worker(worker(store, settings)):
            wait_until(lambda: state_of(store, delivery).state is DeliveryState.DEAD)
    finally:
        archive.stop()
    assert state_of(store, delivery).attempts == 1
    assert "calling AE" in state_of(store, delivery).reason


@pytest.mark.slow
@pytest.mark.covers("S6", "T03")
def test_lost_answer_sends_the_same_object_again(
    store: Store, settings: Settings, leg_radiograph: Path
) -> None:
    received: list[str] = []

    def lose_the_first_answer(event: evt.Event) -> int:
        received.append(str(event.request.AffectedSOPInstanceUID))
        if len(received) == 1:
            event.assoc.abort()
        return 0x0000

    ae = AE("PACS")
    ae.add_supported_context(BasicTextSRStorage)
    handlers = [(evt.EVT_C_STORE, lose_the_first_answer)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        settings = with_pacs(settings, server.socket.getsockname()[1])
        [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PACS)
        with run_worker(worker(store, settings)):
            wait_until(lambda: state_of(store, delivery).is_sent)
    finally:
        server.shutdown()
    assert len(received) >= 2
    assert set(received) == {delivery.sop_uid}


def test_sent_report_is_not_sent_again(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    port = free_port()
    settings = with_pacs(settings, port)
    task = task_of(store, settings)
    with pacs(tmp_path / "pacs", port):
        [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PACS)
        task.run(delivery_id=delivery.delivery_id)
    task.run(delivery_id=delivery.delivery_id)  # nobody listens any more: it would raise
    assert state_of(store, delivery).attempts == 1
