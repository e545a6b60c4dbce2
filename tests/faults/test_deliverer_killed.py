"""kill -9 of the deliverer around C-STORE to a real Orthanc and around the ACK of a real MLLP receiver.

Every report arrives, and none twice. A relay in each connection kills the worker before or after one of the
pieces that pass: association request and answer, C-STORE request and response, release; message and ACK.
`JANUS_TEST_CASES` sets the number of kills (10 by default; the release is made with 100).
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from app.domain.access import service_actor
from app.domain.delivery import Delivery
from app.services.work import dead_letters
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from tests.bridge.hl7_sink import run_sink
from tests.e2e.orthanc import Orthanc, run_orthanc
from tests.faults.relay import Relay, relay_to
from tests.faults.test_worker_killed import Nursery, copies
from tests.reliability import record
from tests.workers.conftest import wait_until
from tests.workers.processes import system_settings
from tests.workers.stories import now, receive, sign_by_hand

KILLS = int(os.environ.get("JANUS_TEST_CASES", "10"))
# points of one delivery: two for each piece that passes
POINTS = {"PACS": 12, "RIS": 4}
WANTED = (("PACS", "report_sr"), ("RIS", "hl7_oru"))


class DelivererNursery(Nursery):
    """Forks delivery workers."""

    CODE = (
        Nursery.CODE.replace(
            "import janus_med.engine, janus_med.drafting, app.workers.draft",
            "import app.workers.deliver, pacs_bridge.results.report_sr, pacs_bridge.hl7_report",
        )
        .replace("import torch; torch.set_num_threads(1)\n", "")
        .replace("app.workers.draft.work(", "app.workers.deliver.deliver(")
        .replace('"drafting"', '"delivery"')
    )


def settings_for(data_dir: Path, pacs_port: int, ris_port: int) -> Settings:
    return system_settings(
        data_dir,
        retry_seconds=(0,) * 200,
        delivery_retry_seconds=(1,) * 50,
        stalled_seconds=2,
        destinations=(
            {"name": "PACS", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": pacs_port},
            {"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris_port},
        ),
    )


def all_sent(store: Store, deliveries: list[Delivery]) -> bool:
    with store.begin() as unit:
        return all(unit.deliveries.get(d.delivery_id).is_sent for d in deliveries)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.covers("T03", "S6")
def test_every_report_arrives_once_whenever_the_deliverer_dies(
    data_dir: Path, tmp_path: Path, ct_slice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(20261126)
    with run_orthanc(tmp_path) as orthanc, run_sink() as ris:
        with relay_to(orthanc.dicom_port) as to_pacs, relay_to(ris.port) as to_ris:
            settings = settings_for(data_dir, to_pacs.port, to_ris.port)
            upgrade(settings)
            relays = {"PACS": to_pacs, "RIS": to_ris}
            with open_store(settings) as store:
                files = copies(ct_slice, tmp_path, KILLS)
                sent, killed = kill_again_and_again(settings, store, relays, files, chance)
                assert dead_letters(store, service_actor("test"), now=now()) == []
        held = instances_of(orthanc)
    uids = {delivery.sop_uid for delivery in sent if delivery.kind == "report_sr"}
    missing, extra = uids - set(held), len(held) - len(uids)
    with capsys.disabled():
        record(
            "kill_9_of_the_deliverer",
            f"`kill -9` of the deliverer at {KILLS} points around C-STORE and the acknowledgement of MLLP",
            f"{len(sent)} deliveries, missing {len(missing)}, extra {extra}; {len(ris.received)} messages "
            f"for {len(ris.accepted)} reports at the RIS",
            figures={"kills": killed, "missing": len(missing), "extra": extra},
        )
    assert (missing, extra) == (set(), 0)
    assert len(ris.accepted) == KILLS
    assert killed == KILLS


def kill_again_and_again(
    settings: Settings, store: Store, relays: dict[str, Relay], files: list[Path], chance: random.Random
) -> tuple[list[Delivery], int]:
    """Sign one report after another, kill the worker at a random point of each, and see it delivered."""
    nursery, sent, killed = DelivererNursery(settings), [], 0
    try:
        nursery.fork()
        for file in files:
            victim = chance.choice(list(POINTS))
            last, struck = chance.randrange(POINTS[victim]), []

            def strike(point: int, last: int = last, struck: list[int] = struck) -> None:
                if point == last and not struck:
                    struck.append(point)
                    nursery.kill_oldest()

            relays[victim].arm(strike)
            deliveries = sign_by_hand(store, receive(store, settings, file), *WANTED)
            wait_until(lambda struck=struck, d=deliveries: bool(struck) or all_sent(store, d), 60)
            if struck:
                killed += 1
                nursery.fork()
            wait_until(lambda d=deliveries: all_sent(store, d), 90)
            sent += deliveries
    finally:
        for relay in relays.values():
            relay.arm(lambda _: None)
        nursery.close()
    return sent, killed


def instances_of(orthanc: Orthanc) -> list[str]:
    """The SOP Instance UID of everything that Orthanc holds."""
    names = json.loads(orthanc.read("/instances"))
    return [
        json.loads(orthanc.read(f"/instances/{name}"))["MainDicomTags"]["SOPInstanceUID"] for name in names
    ]


def test_points_of_a_delivery_are_all_among_those_that_are_struck() -> None:
    chance = random.Random(20261126)
    struck = set()
    for _ in range(100):
        victim = chance.choice(list(POINTS))
        struck.add((victim, chance.randrange(POINTS[victim])))
    assert struck == {(name, point) for name, count in POINTS.items() for point in range(count)}
