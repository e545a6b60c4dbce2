"""Links and receivers that fail, behind the real worker: each report is accepted once, or a person is told.

Covered: 20 seeded failures of MLLP and FHIR links; a PACS that is down, slow, refuses, aborts or answers
wrongly. Not covered: kills of our own process (`test_deliverer_killed.py`), storage commitment.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hl7
import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import BasicTextSRStorage

from app.domain.access import service_actor
from app.domain.delivery import Delivery, DeliveryState
from app.services.alerts import open_alerts
from app.services.decoder import DecoderProcess
from app.settings import Settings
from app.store.engine import Store
from app.workers.deliver import DeliverReport
from app.workers.runtime import Worker
from app.workers.senders import Site
from tests.bridge import hl7_sink
from tests.bridge.hl7_sink import run_sink
from tests.bridge.web_receivers import FhirServer, run_web
from tests.faults.test_worker_killed import copies
from tests.ports import free_port
from tests.workers.conftest import run_worker, wait_until
from tests.workers.stories import receive, sign_by_hand

ACTOR = service_actor("delivery")
# never started here: a text document needs no pixels
DECODER = DecoderProcess()
FAILURES = 20


def settings_for(folder: Path, *destinations: dict[str, Any], waits: tuple[int, ...]) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": folder,
            "delivery_retry_seconds": waits,
            "stalled_seconds": 2,
            "destinations": destinations,
        }
    )


def worker(store: Store, settings: Settings) -> Worker:
    task = DeliverReport(store, ACTOR, settings, Site(settings, DECODER))
    return Worker(store, settings, ACTOR, [task], concurrency=4)


def now_of(store: Store, delivery: Delivery) -> Delivery:
    with store.begin() as unit:
        return unit.deliveries.get(delivery.delivery_id)


@pytest.mark.slow
@pytest.mark.covers("S6")
def test_each_report_is_accepted_once_over_twenty_random_failures(
    store: Store, tmp_path: Path, ct_slice: Path
) -> None:
    chance = random.Random(20261126)
    broken = [hl7_sink.HANG_UP, hl7_sink.TAKE_AND_HANG_UP, hl7_sink.GARBAGE]
    with run_sink() as ris, run_web(FhirServer()) as fhir:
        settings = settings_for(
            tmp_path,
            {"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris.port},
            {"kind": "fhir", "name": "EHR", "url": fhir.url},
            waits=(0,) * FAILURES,
        )
        ris.script = chance.choices(broken, k=FAILURES // 2)
        fhir.script = chance.choices([500, 503, 429, "lost"], k=FAILURES // 2)
        deliveries = [
            delivery
            for file in copies(ct_slice, tmp_path, 5)
            for delivery in sign_by_hand(
                store, receive(store, settings, file), ("RIS", "hl7_oru"), ("EHR", "fhir_report")
            )
        ]
        with run_worker(worker(store, settings)):
            wait_until(lambda: all(now_of(store, delivery).is_sent for delivery in deliveries))
    assert (ris.script, fhir.script) == ([], [])
    assert sum(now_of(store, delivery).attempts - 1 for delivery in deliveries) == FAILURES
    assert len(ris.accepted) == 5
    assert len(fhir.of_kind("DiagnosticReport")) == len(fhir.of_kind("Provenance")) == 5
    sent = Counter(str(hl7.parse(message.decode()).segment("MSH")[10]) for message in ris.received)
    assert set(sent) == set(ris.accepted), "a resend has the same MSH-10"
    assert len({bytes(message) for message in ris.received}) == 5, "and is the same message"


@dataclass
class Pacs:
    """A PACS that behaves as scripted for its first requests, and then as it should."""

    port: int
    misbehave: Callable[[Any], int]
    times: int
    seen: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)

    def store(self, event: Any) -> int:
        self.seen.append(str(event.request.AffectedSOPInstanceUID))
        status = self.misbehave(event) if len(self.seen) <= self.times else 0x0000
        if status == 0x0000:
            self.held.add(self.seen[-1])
        return status


def abort(event: Any) -> int:
    event.assoc.abort()
    return 0xC000


def be_slow(event: Any) -> int:
    threading.Event().wait(1.5)
    return 0x0000


BEHAVIOURS: dict[str, tuple[Callable[[Any], int], int, DeliveryState]] = {
    "slow": (be_slow, 1, DeliveryState.SENT),
    "aborts in the C-STORE": (abort, 4, DeliveryState.SENT),
    "out of resources, then well": (lambda _: 0xA700, 2, DeliveryState.SENT),
    "wrong status": (lambda _: 0xC123, 99, DeliveryState.DEAD),
    "out of resources for ever": (lambda _: 0xA700, 99, DeliveryState.DEAD),
}


@contextmanager
def run_pacs(pacs: Pacs, *, callers: list[str] | None = None) -> Iterator[Pacs]:
    ae = AE("PACS")
    ae.add_supported_context(BasicTextSRStorage)
    ae.require_calling_aet = callers or []
    server = ae.start_server(
        ("127.0.0.1", pacs.port), block=False, evt_handlers=[(evt.EVT_C_STORE, pacs.store)]
    )
    try:
        yield pacs
    finally:
        server.shutdown()


@pytest.mark.slow
@pytest.mark.covers("T08")
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_pacs_that_misbehaves_has_the_report_once_or_a_person_is_told(
    store: Store, tmp_path: Path, ct_slice: Path, name: str
) -> None:
    misbehave, times, expected = BEHAVIOURS[name]
    with run_pacs(Pacs(free_port(), misbehave, times)) as pacs:
        deliver_to(store, tmp_path, ct_slice, pacs, expected)
    assert len(set(pacs.seen)) == 1
    assert len(pacs.held) == (1 if expected is DeliveryState.SENT else 0)
    assert bool(open_alerts(store)) is (expected is DeliveryState.DEAD)


@pytest.mark.slow
@pytest.mark.covers("T08")
def test_pacs_that_refuses_us_is_asked_once_and_a_person_is_told(
    store: Store, tmp_path: Path, ct_slice: Path
) -> None:
    with run_pacs(Pacs(free_port(), lambda _: 0, 0), callers=["SOMEBODY"]) as pacs:
        delivery = deliver_to(store, tmp_path, ct_slice, pacs, DeliveryState.DEAD)
    assert delivery.attempts == 1
    assert open_alerts(store)


@pytest.mark.slow
@pytest.mark.covers("T08")
def test_pacs_that_is_down_gets_the_report_when_it_is_back(
    store: Store, tmp_path: Path, ct_slice: Path
) -> None:
    pacs = Pacs(free_port(), lambda _: 0, 0)
    delivery = sign_for(store, tmp_path, ct_slice, pacs)
    with run_worker(worker(store, settings_of(tmp_path, pacs, waits=(1,) * 60))):
        wait_until(lambda: now_of(store, delivery).attempts >= 3)
        assert [alert.subject for alert in open_alerts(store)] == ["PACS"]
        with run_pacs(pacs):
            wait_until(lambda: now_of(store, delivery).is_sent)
    assert pacs.held == {delivery.sop_uid}
    assert open_alerts(store) == ()


def settings_of(folder: Path, pacs: Pacs, *, waits: tuple[int, ...] = (0, 0, 0)) -> Settings:
    destination = {"name": "PACS", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port}
    return settings_for(folder, destination, waits=waits)


def sign_for(store: Store, folder: Path, image: Path, pacs: Pacs) -> Delivery:
    [delivery] = sign_by_hand(store, receive(store, settings_of(folder, pacs), image), ("PACS", "report_sr"))
    return delivery


def deliver_to(store: Store, folder: Path, image: Path, pacs: Pacs, expected: DeliveryState) -> Delivery:
    delivery = sign_for(store, folder, image, pacs)
    with run_worker(worker(store, settings_of(folder, pacs))):
        wait_until(lambda: now_of(store, delivery).state is expected)
        wait_until(lambda: bool(open_alerts(store)) is (expected is DeliveryState.DEAD))
    return now_of(store, delivery)
