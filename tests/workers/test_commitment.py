"""Storage commitment of signed reports: committed, lost and sent again, or silent and shown to a person.

Covered: a real archive on the network that confirms on the same association, later, never, denies, refuses,
is down, sends garbage; late, doubled and unknown reports; the listener's intake.
Not covered: Orthanc (`test_commitment_orthanc.py`), our answers to others (`tests/bridge`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFilter
from app.domain.commitment import Commitment, CommitmentState
from app.domain.delivery import Delivery, DeliveryState
from app.domain.identifiers import derived_uid
from app.services.commitment import MOST_LOSSES, ask_again
from app.services.decoder import DecoderProcess
from app.services.work import dead_letters, retry_dead_letter
from app.settings import Destination, Settings
from app.store.engine import Store
from app.workers.commit import AskCommitment
from app.workers.commitment_intake import CommitmentIntake
from app.workers.commitment_log import CommitmentLog
from app.workers.deliver import DeliverReport
from app.workers.runtime import Worker
from app.workers.senders import Site
from pacs_bridge import CommitmentService, Listener, ListenerConfig, LoggedEvents, Peer, SpoolSink
from pacs_bridge.results.document import SECONDARY_CAPTURE
from pacs_bridge.spool import Spool
from tests.bridge.commitment_peer import event_information, report
from tests.ports import free_port
from tests.workers.committing_archive import CommittingArchive, on_the_same_association
from tests.workers.conftest import run_worker, wait_until
from tests.workers.stories import now, receive, sign_by_hand, sign_draft

ACTOR = service_actor("delivery")
CONFIRM = on_the_same_association(lambda archive: archive.confirmation())
DENY = on_the_same_association(lambda archive: archive.denial(), event_type=2)


@dataclass
class Story:
    """A signed report, the worker that sends it, and the intake that takes reports."""

    store: Store
    settings: Settings
    delivery: Delivery
    spool: Spool

    def now_is(self) -> Delivery:
        with self.store.begin() as unit:
            return unit.deliveries.get(self.delivery.delivery_id)

    def requests(self) -> list[Commitment]:
        with self.store.begin() as unit:
            return list(unit.commitments.of_delivery(self.delivery.delivery_id))

    def events(self) -> list[str]:
        with self.store.begin() as unit:
            return [entry.event for entry in unit.audit.stream(AuditFilter())]

    def take_reports(self) -> None:
        CommitmentIntake(self.spool.layout).step(self.store)

    def becomes(self, state: DeliveryState) -> bool:
        self.take_reports()
        return self.now_is().state is state

    def states(self) -> list[CommitmentState]:
        return [request.state for request in self.requests()]

    def time_out(self) -> list[int]:
        return ask_again(self.store, waiting=timedelta(0), now=now() + timedelta(seconds=1))

    @contextmanager
    def working(self) -> Iterator[None]:
        deliver = DeliverReport(self.store, ACTOR, self.settings, Site(self.settings, DecoderProcess()))
        tasks = [deliver, AskCommitment(self.store, ACTOR, self.settings)]
        with run_worker(Worker(self.store, self.settings, ACTOR, tasks, concurrency=2)):
            yield

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Run our listener as the archive knows it."""
        peers = (Peer("PACS"),)
        service = CommitmentService(self.spool.layout, peers, CommitmentLog())
        config = ListenerConfig(peers=peers, port=0)
        listener = Listener(config, SpoolSink(self.spool), LoggedEvents(), services=(service,))
        listener.start()
        try:
            yield listener.port
        finally:
            listener.stop()


def settings_with(folder: Path, port: int, *, wait: float, **destination: Any) -> Settings:
    """Settings of an archive that is asked twice at most."""
    to = Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, **destination)
    return Settings(
        data_dir=folder,
        retry_seconds=(1, 1),
        stalled_seconds=2,
        destinations=(to,),
        commitment_wait_seconds=wait,
        commitment_requests=2,
    )


@pytest.fixture
def tell(store: Store, tmp_path: Path, leg_radiograph: Path):
    def tell(port: int, *, commitment: bool = True, wait: float = 0.0) -> Story:
        settings = settings_with(tmp_path, port, wait=wait, commitment=commitment)
        study_uid = receive(store, settings, leg_radiograph)
        [delivery] = sign_by_hand(store, study_uid, ("pacs", "report_sr"))
        return Story(store, settings, delivery, Spool(settings.spool_dir))

    return tell


@pytest.mark.covers("S6")
def test_report_is_committed_on_the_association_that_asks(tell) -> None:
    archive = CommittingArchive(then=CONFIRM)
    with archive.run() as port:
        story = tell(port, wait=20.0)
        with story.working():
            wait_until(lambda: story.becomes(DeliveryState.COMMITTED))
            wait_until(lambda: AuditEvent.COMMITMENT_ASKED.value in story.events())
    assert archive.references() == [(archive.references()[0][0], story.delivery.sop_uid)]
    assert archive.answers == [0x0000]
    assert story.states() == [CommitmentState.COMMITTED]
    assert story.events().count(AuditEvent.DELIVERY_COMMITTED.value) == 1
    assert archive.stored == [story.delivery.sop_uid]


@pytest.fixture
def two_pictures(store: Store, tmp_path: Path, leg_radiograph: Path):
    """A report whose secondary captures are two objects: of an image each."""
    again = dcmread(leg_radiograph)
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = derived_uid("another image")
    again.save_as(tmp_path / "again.dcm")

    def tell(port: int) -> Story:
        settings = settings_with(tmp_path, port, wait=20.0, commitment=True, formats=("secondary_capture",))
        study_uid = receive(store, settings, leg_radiograph, tmp_path / "again.dcm")
        [delivery] = sign_draft(store, study_uid, ("pacs", "secondary_capture"), images=2)
        return Story(store, settings, delivery, Spool(settings.spool_dir))

    return tell


@pytest.mark.covers("S6")
def test_every_object_of_a_delivery_is_asked_for(two_pictures) -> None:
    archive = CommittingArchive(then=CONFIRM)
    with archive.run() as port:
        story = two_pictures(port)
        with story.working():
            wait_until(lambda: story.becomes(DeliveryState.COMMITTED))
    assert [uid for _, uid in archive.references()] == archive.stored
    assert len(set(archive.stored)) == 2
    assert {sop_class for sop_class, _ in archive.references()} == {SECONDARY_CAPTURE}


@pytest.mark.covers("S6")
def test_archive_that_keeps_all_objects_but_the_last_gets_them_again(two_pictures) -> None:
    def lacks_the_last(archive: CommittingArchive) -> Dataset:
        kept, lost = archive.references()
        return event_information(str(archive.asked[-1].TransactionUID), [kept], failed=[(*lost, 0x0112)])

    def at_first_only(archive: CommittingArchive, event: object) -> None:
        lacking = on_the_same_association(lacks_the_last, event_type=2)
        (lacking if len(archive.asked) == 1 else CONFIRM)(archive, event)

    archive = CommittingArchive(then=at_first_only)
    with archive.run() as port:
        story = two_pictures(port)
        with story.working():
            wait_until(lambda: story.becomes(DeliveryState.COMMITTED))
    first, second = archive.stored[:2]
    assert archive.stored == [first, second, first, second]
    assert story.states() == [CommitmentState.LOST, CommitmentState.COMMITTED]


def test_archive_that_is_not_to_be_asked_is_not(tell) -> None:
    archive = CommittingArchive()
    with archive.run() as port:
        story = tell(port, commitment=False)
        with story.working():
            wait_until(lambda: story.becomes(DeliveryState.SENT))
        [delivered] = [story.now_is()]
    assert (archive.asked, story.requests(), delivered.state) == ([], [], DeliveryState.SENT)


def test_report_is_committed_later_on_an_association_of_the_archive(tell) -> None:
    archive = CommittingArchive()
    with archive.run() as port:
        story = tell(port)
        with story.working():
            wait_until(lambda: story.states() == [CommitmentState.ASKED])
        with story.listening() as listener:
            assert report(listener, archive.confirmation()) == 0x0000
            assert story.now_is().state is DeliveryState.SENT
            # the archive lost our answer and tells us twice
            assert report(listener, archive.confirmation()) == 0x0000
            story.take_reports()
            assert report(listener, archive.confirmation()) == 0x0000
            story.take_reports()
    assert story.now_is().state is DeliveryState.COMMITTED
    assert story.events().count(AuditEvent.DELIVERY_COMMITTED.value) == 1


def test_strange_reports_are_refused_and_change_nothing(tell) -> None:
    archive = CommittingArchive()
    with archive.run() as port:
        story = tell(port)
        with story.working():
            wait_until(lambda: story.states() == [CommitmentState.ASKED])
    [pair] = archive.references()
    transaction, nothing_of_use = str(archive.asked[0].TransactionUID), Dataset()
    nothing_of_use.RetrieveAETitle = "PACS"
    with story.listening() as listener:
        assert report(listener, event_information("1.2.3", [pair])) == 0x0115
        assert report(listener, event_information(transaction, [(pair[0], "1.2.3")])) == 0x0115
        assert (
            report(listener, event_information(transaction, [pair], [(*pair, 0x0112)]), event_type=2)
            == 0x0115
        )
        assert report(listener, archive.denial(), event_type=1) == 0x0115
        assert report(listener, archive.confirmation(), event_type=2) == 0x0115
        assert report(listener, archive.confirmation(), event_type=3) == 0x0113
        assert report(listener, archive.confirmation(), instance="1.2.3") == 0x0112
        assert report(listener, nothing_of_use) == 0x0115
        assert report(listener, None) == 0x0115
        story.take_reports()
        assert story.states() == [CommitmentState.ASKED]
        assert report(listener, archive.confirmation()) == 0x0000
    story.take_reports()
    assert story.now_is().state is DeliveryState.COMMITTED


@pytest.mark.slow
@pytest.mark.covers("S6", "T08")
def test_what_the_archive_has_lost_is_sent_again(tell) -> None:
    def deny_once(archive: CommittingArchive, event: object) -> None:
        (DENY if len(archive.asked) == 1 else CONFIRM)(archive, event)

    archive = CommittingArchive(then=deny_once)
    with archive.run() as port:
        story = tell(port, wait=20.0)
        with story.working():
            wait_until(lambda: story.becomes(DeliveryState.COMMITTED))
    assert archive.stored == [story.delivery.sop_uid] * 2
    assert story.states() == [CommitmentState.LOST, CommitmentState.COMMITTED]
    assert "no such object instance" in story.requests()[0].reason
    assert story.events().count(AuditEvent.COMMITMENT_FAILED.value) == 1


@pytest.mark.slow
@pytest.mark.covers("T08")
def test_archive_that_loses_it_every_time_is_not_believed_for_ever(tell) -> None:
    archive = CommittingArchive(then=DENY)
    with archive.run() as port:
        story = tell(port, wait=20.0)
        with story.working():
            wait_until(lambda: story.becomes(DeliveryState.DEAD))
            wait_until(lambda: bool(dead_letters(story.store, ACTOR, now=now())))
            [letter] = dead_letters(story.store, ACTOR, now=now())
            assert archive.stored == [story.delivery.sop_uid] * MOST_LOSSES
            assert "does not keep it" in letter.reason
            archive.then = CONFIRM
            retry_dead_letter(story.store, ACTOR, letter.dead_letter_id, now=now())
            wait_until(lambda: story.becomes(DeliveryState.COMMITTED))


@pytest.mark.slow
@pytest.mark.covers("T08")
def test_archive_that_never_commits_is_asked_again_and_then_shown_to_a_person(tell) -> None:
    archive = CommittingArchive()
    with archive.run() as port:
        story = tell(port)
        with story.working():
            wait_until(lambda: story.states() == [CommitmentState.ASKED])
            assert story.time_out() == [story.delivery.delivery_id]
            wait_until(lambda: story.states()[1:] == [CommitmentState.ASKED])
            assert story.time_out() == [story.delivery.delivery_id]
            wait_until(lambda: bool(dead_letters(story.store, ACTOR, now=now())))
            [letter] = dead_letters(story.store, ACTOR, now=now())
            assert letter.task == "ask_commitment"
            assert "has not said that it keeps them" in letter.reason
            assert story.now_is().state is DeliveryState.SENT
            assert story.states() == [CommitmentState.ABANDONED] * 2
            assert AuditEvent.COMMITMENT_FAILED.value in story.events()
            # a person retries: it is asked a third time, under a third transaction
            retry_dead_letter(story.store, ACTOR, letter.dead_letter_id, now=now())
            wait_until(lambda: story.states()[2:] == [CommitmentState.ASKED])
    assert len({str(asked.TransactionUID) for asked in archive.asked}) == 3
    with story.listening() as listener:
        # and the answer to the first one counts when it comes after all
        assert report(listener, archive.confirmation(0)) == 0x0000
    story.take_reports()
    assert story.now_is().state is DeliveryState.COMMITTED
    assert story.time_out() == []


@pytest.mark.covers("T08")
def test_archive_without_storage_commitment_is_shown_to_a_person(tell) -> None:
    archive = CommittingArchive(status=0x0122)
    with archive.run() as port:
        story = tell(port)
        with story.working():
            wait_until(lambda: bool(dead_letters(story.store, ACTOR, now=now())))
    assert story.now_is().state is DeliveryState.SENT
    assert story.states() == [CommitmentState.ABANDONED]
    assert len(archive.asked) == 1


@pytest.mark.slow
def test_archive_that_is_down_when_it_is_to_be_asked_is_asked_later(tell) -> None:
    port, archive = free_port(), CommittingArchive(status=0x0110)
    story = tell(port)
    with archive.run(port), story.working():
        wait_until(lambda: len(archive.asked) == 1)
        archive.status, archive.then = 0x0000, CONFIRM
        wait_until(lambda: CommitmentState.ASKED in story.states())
    assert story.states() == [CommitmentState.PENDING, CommitmentState.ASKED]
    assert story.now_is().state is DeliveryState.SENT


def test_denial_from_before_the_last_sending_sends_nothing_again(tell) -> None:
    archive = CommittingArchive()
    with archive.run() as port:
        story = tell(port)
        with story.working():
            wait_until(lambda: story.states() == [CommitmentState.ASKED])
    with story.store.begin() as unit:
        sent = unit.deliveries.lock(story.delivery.delivery_id)
        unit.deliveries.save(sent.lose("lost").acknowledge(now=now()))
    with story.listening() as listener:
        assert report(listener, archive.denial(), event_type=2) == 0x0000
    story.take_reports()
    assert story.now_is().state is DeliveryState.SENT
    assert story.states() == [CommitmentState.LOST]


def test_damaged_report_is_set_aside(tell) -> None:
    story = tell(free_port())
    folder = story.spool.layout.commitment_reports
    story.take_reports()
    (folder / "damaged.json").write_text('{"report": 1}')
    story.take_reports()
    assert [path.name for path in folder.glob("**/*.json")] == ["damaged.json"]
    assert (folder / "dead" / "damaged.json").is_file()
