"""Storage commitment as SCP: a request is durable before its answer, and the report says what is here.

Covered: real N-ACTION and N-EVENT-REPORT, exact lists, every malformed request, a peer that is down, refuses
or has no address, purged and damaged objects, kill -9 between answer and report.
Not covered: Orthanc as the one who asks (test_commitment_orthanc), our own requests (test_commitment_scu).
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import evt

from pacs_bridge import CommitmentLoop, CommitmentService, Peer
from tests.bridge.commitment_peer import ReportTaker, action_information, ask, report, report_scp, serve
from tests.bridge.conftest import RecordedEvents, put
from tests.bridge.peers import CR, CT, radiograph, store_dataset, wait_until
from tests.conftest import ROOT
from tests.ports import free_port

QUICKLY = (0.05,) * 5


class Custodian:
    """A listener with the commitment service and the loop that reports."""

    def __init__(
        self,
        start_site: Callable[..., Any],
        *,
        peer_port: int,
        waits: tuple[float, ...] = QUICKLY,
        tls: dict[str, ssl.SSLContext] | None = None,
    ):
        self.events = RecordedEvents()
        peers = (Peer("MODALITY1", host="127.0.0.1", port=peer_port), Peer("NOWHERE"))
        self._start = start_site
        self._peers = peers
        self._waits = waits
        self._tls = tls
        self.site: Any = None
        self.loop: CommitmentLoop | None = None

    def listen(self, spool: Any) -> None:
        service = CommitmentService(spool.layout, self._peers, self.events)
        self.site = self._start(peers=self._peers, services=(service,))

    def report(self, spool: Any) -> None:
        self.loop = CommitmentLoop(
            spool.layout,
            self._peers,
            calling_ae="JANUSMED",
            events=self.events,
            waits=self._waits,
            tls=self._tls,
        )
        self.loop.start()

    def waiting(self) -> list[Path]:
        return sorted(self.site.spool.layout.commitments.glob("*.json"))

    def dead(self) -> list[dict[str, Any]]:
        return [json.loads(p.read_text()) for p in self.site.spool.layout.commitments.glob("dead/*.json")]


@pytest.fixture
def start_custodian(start_site, spool) -> Iterator[Callable[..., Custodian]]:
    running: list[Custodian] = []

    def start(*, reporting: bool = True, **options: Any) -> Custodian:
        custodian = Custodian(start_site, **options)
        custodian.listen(spool)
        if reporting:
            custodian.report(spool)
        running.append(custodian)
        return custodian

    yield start
    for custodian in running:
        if custodian.loop is not None:
            custodian.loop.stop()


def stored(spool: Any, count: int) -> list[tuple[str, str]]:
    datasets = [radiograph(pixels=False) for _ in range(count)]
    for dataset in datasets:
        assert put(spool, dataset).status == 0
    return [(CR, str(dataset.SOPInstanceUID)) for dataset in datasets]


@pytest.mark.covers("L10")
def test_request_for_500_instances_is_answered_with_exact_lists(start_custodian, spool):
    here, unknown = stored(spool, 490), [(CR, generate_uid()) for _ in range(6)]
    other_class = [(CT, uid) for _, uid in stored(spool, 4)]
    taker, content = ReportTaker(), action_information(here + unknown + other_class)
    with report_scp(taker) as port:
        custodian = start_custodian(peer_port=port)
        assert ask(custodian.site.port, content) == 0x0000
        assert wait_until(lambda: taker.reports and not custodian.waiting())
    [said] = taker.reports
    assert (said.event_type, said.calling_ae, said.transaction_uid) == (
        2,
        "JANUSMED",
        content.TransactionUID,
    )
    assert said.committed == set(here)
    assert said.failed == dict.fromkeys(unknown, 0x0112) | dict.fromkeys(other_class, 0x0119)


def test_instance_sent_a_moment_ago_is_committed(start_custodian):
    dataset, taker = radiograph(), ReportTaker()
    with report_scp(taker) as port:
        custodian = start_custodian(peer_port=port)
        assert store_dataset(custodian.site.port, dataset) == 0x0000
        assert ask(custodian.site.port, action_information([(CR, dataset.SOPInstanceUID)])) == 0x0000
        assert wait_until(lambda: taker.reports)
    assert taker.reports[0].event_type == 1
    assert taker.reports[0].committed == {(CR, dataset.SOPInstanceUID)}
    assert "FailedSOPSequence" not in taker.reports[0].content


@pytest.mark.covers("L10")
def test_peer_that_takes_tls_alone_gets_its_report_over_tls_from_who_it_trusts(start_custodian, spool):
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.issue_cert("janus-med").configure_cert(client)
    authority.configure_trust(server)
    authority.configure_trust(client)
    server.verify_mode = ssl.CERT_REQUIRED
    references, taker = stored(spool, 1), ReportTaker()
    with report_scp(taker, tls=server) as port:
        custodian = start_custodian(peer_port=port, tls={"MODALITY1": client})
        assert ask(custodian.site.port, action_information(references)) == 0x0000
        assert wait_until(lambda: taker.reports and not custodian.waiting())
    assert taker.reports[0].committed == set(references)


def test_plain_report_is_not_taken_by_a_peer_that_takes_tls_alone(start_custodian, spool):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server)
    references, taker = stored(spool, 1), ReportTaker()
    with report_scp(taker, tls=server) as port:
        custodian = start_custodian(peer_port=port, waits=(0.05,))
        assert ask(custodian.site.port, action_information(references)) == 0x0000
        assert wait_until(custodian.dead, seconds=30.0)
    assert not taker.reports


def test_report_follows_what_is_there_when_it_is_made(start_custodian, spool):
    references = stored(spool, 3)
    kept, purged, cut = (spool.layout.record_path(uid) for _, uid in references)
    purged.unlink()
    cut_object = spool.layout.object_path(json.loads(cut.read_text())["digest"])
    cut_object.chmod(0o600)
    cut_object.write_bytes(b"")
    cut_object.chmod(0o400)
    taker = ReportTaker()
    with report_scp(taker) as port:
        custodian = start_custodian(peer_port=port)
        assert ask(custodian.site.port, action_information(references)) == 0x0000
        assert wait_until(lambda: taker.reports)
    assert kept.exists()
    assert taker.reports[0].committed == {references[0]}
    assert taker.reports[0].failed == {references[1]: 0x0112, references[2]: 0x0110}


def test_record_without_its_object_is_not_committed(start_custodian, spool):
    [reference] = stored(spool, 1)
    digest = json.loads(spool.layout.record_path(reference[1]).read_text())["digest"]
    spool.layout.object_path(digest).unlink()
    taker = ReportTaker()
    with report_scp(taker) as port:
        custodian = start_custodian(peer_port=port)
        ask(custodian.site.port, action_information([reference]))
        assert wait_until(lambda: taker.reports)
    assert taker.reports[0].failed == {reference: 0x0112}


@pytest.mark.covers("L10")
def test_peer_that_is_down_is_tried_again_five_times_and_then_given_up(start_custodian):
    custodian = start_custodian(peer_port=free_port())
    content = action_information([(CR, generate_uid())])
    assert ask(custodian.site.port, content) == 0x0000
    assert wait_until(lambda: custodian.events.of("commitment_given_up"))
    assert [told[1] for told in custodian.events.of("commitment_report_failed")] == [1, 2, 3, 4, 5]
    [(ae_title, attempts, reason)] = custodian.events.of("commitment_given_up")
    assert (ae_title, attempts) == ("MODALITY1", 6)
    assert "cannot be reached" in reason
    [dead] = custodian.dead()
    assert dead["request"]["transaction_uid"] == content.TransactionUID
    assert (dead["attempts"], dead["reason"]) == (0, reason)
    assert custodian.waiting() == []


@pytest.mark.covers("L10")
def test_peer_that_comes_back_gets_its_report_once(start_custodian, spool):
    port, references = free_port(), stored(spool, 2)
    custodian = start_custodian(peer_port=port, waits=(0.05,) * 100)
    assert ask(custodian.site.port, action_information(references)) == 0x0000
    assert wait_until(lambda: custodian.events.of("commitment_report_failed"))
    taker = ReportTaker()
    with report_scp(taker, port=port):
        assert wait_until(lambda: custodian.waiting() == [])
    assert [said.committed for said in taker.reports] == [set(references)]


def test_asking_again_revives_what_was_given_up(start_custodian, spool):
    port, content = free_port(), action_information(stored(spool, 1))
    custodian = start_custodian(peer_port=port, waits=())
    ask(custodian.site.port, content)
    assert wait_until(custodian.dead)
    taker = ReportTaker()
    with report_scp(taker, port=port):
        assert ask(custodian.site.port, content) == 0x0000
        assert wait_until(lambda: taker.reports)
    assert custodian.dead() == []


def test_report_that_the_peer_refuses_is_sent_again(start_custodian, spool):
    taker = ReportTaker(statuses=(0x0110, 0x0115, 0x0000))
    with report_scp(taker) as port:
        custodian = start_custodian(peer_port=port)
        ask(custodian.site.port, action_information(stored(spool, 1)))
        assert wait_until(lambda: len(taker.reports) == 3 and custodian.waiting() == [])
    assert len({said.transaction_uid for said in taker.reports}) == 1


def test_two_transactions_of_a_peer_are_both_reported(start_custodian, spool):
    taker, first, second = ReportTaker(), stored(spool, 1), stored(spool, 2)
    with report_scp(taker) as port:
        custodian = start_custodian(peer_port=port, reporting=False)
        ask(custodian.site.port, action_information(first))
        ask(custodian.site.port, action_information(second))
        custodian.report(spool)
        assert wait_until(lambda: len(taker.reports) == 2)
    assert [said.committed for said in taker.reports] == [set(first), set(second)]


def test_same_request_twice_is_one_and_another_under_its_uid_is_refused(start_custodian):
    custodian = start_custodian(peer_port=free_port(), reporting=False)
    content = action_information([(CR, generate_uid())])
    assert [ask(custodian.site.port, content) for _ in range(2)] == [0x0000, 0x0000]
    assert len(custodian.waiting()) == 1
    other = action_information([(CR, generate_uid())], content.TransactionUID)
    assert ask(custodian.site.port, other) == 0x0115
    assert len(custodian.waiting()) == 1


def test_peer_without_an_address_is_refused_and_the_setting_is_named(start_custodian):
    custodian = start_custodian(peer_port=free_port(), reporting=False)
    content = action_information([(CR, generate_uid())])
    assert ask(custodian.site.port, content, calling="NOWHERE") == 0x0110
    [(_, status, reason)] = custodian.events.of("commitment_refused")
    assert status == 0x0110
    assert "JANUS_MED_PEERS" in reason
    assert "NOWHERE" in reason
    assert custodian.waiting() == []


def without(keyword: str) -> Dataset:
    content = action_information([(CR, generate_uid())])
    delattr(content, keyword)
    return content


def with_broken_reference() -> Dataset:
    content = action_information([(CR, generate_uid())])
    with warnings.catch_warnings(action="ignore"):
        content.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.x"
    return content


REFUSED = {
    "another instance": (action_information([(CR, "1.2.3")]), {"instance": "1.2.3.4"}, 0x0112),
    "another action": (action_information([(CR, "1.2.3")]), {"action_type": 2}, 0x0123),
    "nothing": (None, {}, 0x0115),
    "no transaction": (without("TransactionUID"), {}, 0x0115),
    "no references": (without("ReferencedSOPSequence"), {}, 0x0115),
    "an empty list": (action_information([]), {}, 0x0115),
    "a value that is no UID": (with_broken_reference(), {}, 0x0115),
    "an instance twice": (action_information([(CR, "1.2.3")] * 2), {}, 0x0115),
    "an instance under two classes": (action_information([(CR, "1.2.3"), (CT, "1.2.3")]), {}, 0x0115),
    "too many": (action_information([(CR, f"1.2.{n}") for n in range(5001)]), {}, 0x0213),
}


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("name", REFUSED)
def test_malformed_request_is_refused_with_its_status(start_custodian, name):
    content, options, status = REFUSED[name]
    custodian = start_custodian(peer_port=free_port(), reporting=False)
    assert ask(custodian.site.port, content, **options) == status
    assert custodian.waiting() == []
    assert ask(custodian.site.port, action_information([(CR, "1.2.3")])) == 0x0000


def test_report_of_a_transaction_that_we_did_not_begin_is_refused(start_custodian):
    custodian = start_custodian(peer_port=free_port(), reporting=False)
    content = action_information([(CR, "1.2.3")])
    assert report(custodian.site.port, content, calling="MODALITY1") == 0x0115
    assert list(custodian.site.spool.layout.commitment_reports.glob("*.json")) == []


def test_full_disk_refuses_the_request_for_now(start_custodian, monkeypatch):
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    custodian = start_custodian(peer_port=free_port(), reporting=False)
    monkeypatch.setattr("pacs_bridge.tray.write_new_file", no_space)
    assert ask(custodian.site.port, action_information([(CR, "1.2.3")])) == 0x0213
    assert custodian.waiting() == []


def test_damaged_file_is_set_aside_and_the_others_are_reported(start_custodian, spool):
    taker, references = ReportTaker(), stored(spool, 1)
    with report_scp(taker) as port:
        custodian = start_custodian(peer_port=port, reporting=False)
        (spool.layout.commitments / "damaged.json").write_text("{")
        ask(custodian.site.port, action_information(references))
        custodian.report(spool)
        assert wait_until(lambda: taker.reports)
    assert (spool.layout.commitments / "dead" / "damaged.json").is_file()


@pytest.mark.slow
@pytest.mark.covers("L10")
def test_report_survives_kill_between_answer_and_report(fast_folder):
    folder, port, taker = fast_folder / "killed", free_port(), ReportTaker()
    dataset = radiograph()
    with committing_process(folder, port) as (process, listening):
        assert store_dataset(listening, dataset) == 0x0000
        assert ask(listening, action_information([(CR, dataset.SOPInstanceUID)])) == 0x0000
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
    with report_scp(taker, port=port), committing_process(folder, port):
        assert wait_until(lambda: taker.reports)
    assert [said.committed for said in taker.reports] == [{(CR, dataset.SOPInstanceUID)}]


@pytest.mark.slow
def test_peer_that_never_answers_does_not_hold_up_the_end_of_the_process(fast_folder):
    released, asked = threading.Event(), threading.Event()

    def hang(_: Any) -> tuple[int, None]:
        asked.set()
        released.wait(60)
        return 0x0000, None

    with serve("MODALITY1", [(evt.EVT_N_EVENT_REPORT, hang)]) as port:
        with committing_process(fast_folder / "hung", port) as (process, listening):
            assert ask(listening, action_information([(CR, generate_uid())])) == 0x0000
            assert asked.wait(20)
            process.terminate()
            # pynetdicom would wait 30 s for the answer
            assert process.wait(20) == 0
        released.set()
    assert len(list((fast_folder / "hung" / "commitments").glob("*.json"))) == 1


@contextmanager
def committing_process(folder: Path, peer_port: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "tests.bridge.committing_process", str(folder), str(peer_port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["port"]
        process.terminate()
