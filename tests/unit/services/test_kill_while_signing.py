"""A process that is killed while it signs leaves each report signed with all that follows, or not at all."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.errors import DatabaseUnavailable
from app.domain.report import ReportState
from app.services.signing import sign
from app.store.attestations import Attestations
from app.store.audit_log import AuditLog
from app.store.deliveries import Deliveries
from app.store.engine import Store
from app.store.leases import Leases
from app.store.reports import Reports
from app.store.work_queue import WorkQueue
from tests.postgres import Database
from tests.reliability import record
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House

KILLS = int(os.environ.get("JANUS_TEST_KILLS", "15"))
REPORTS = 4 * KILLS
CHILD = """
import json, sys
from datetime import datetime
from app.domain.access import Actor, Role
from app.services.signing import sign
from app.store.engine import open_database
from tests.postgres import TEST_KEYS

order = json.loads(sys.stdin.readline())
store = open_database(order["conninfo"], TEST_KEYS)
actor = Actor("attending", "Dr Attending", Role.ATTENDING, "10.0.0.9", user_id=order["user_id"])
print("ready", flush=True)
for report_id, version in order["reports"]:
    sign(store, actor, report_id, version=version, password=order["password"],
         destinations=[tuple(order["pacs"])], now=datetime.fromisoformat(order["now"]))
    print("signed", flush=True)
"""


_STEPS: list[tuple[type[Any], str]] = [
    (Attestations, "add"),
    (Reports, "save"),
    (Leases, "drop"),
    (Deliveries, "add"),
    (WorkQueue, "defer"),
    (AuditLog, "append"),
]


@pytest.mark.covers("T04", "A1", "T32")
@pytest.mark.parametrize("death", ["error", "connection lost"])
@pytest.mark.parametrize("step", _STEPS, ids=lambda step: f"{step[0].__name__}.{step[1]}")
def test_a_signature_that_dies_in_the_middle_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, step: tuple[type[Any], str], death: str
) -> None:
    report = house.accepted(house.drafted(), "attending")

    def signed() -> object:
        return sign(
            house.store,
            house["attending"],
            report.report_id,
            version=report.version,
            password=PASSWORD,
            destinations=[PACS],
            now=NOW + QUIET,
        )

    owner, name = step
    original = getattr(owner, name)
    died: list[int] = []

    def dies(self: Any, *args: Any, **kwargs: Any) -> Any:
        done = original(self, *args, **kwargs)
        died.append(1)
        if death == "error":
            raise RuntimeError("killed")
        self._session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return done

    monkeypatch.setattr(owner, name, dies)
    with pytest.raises((RuntimeError, DatabaseUnavailable)):
        signed()
    monkeypatch.undo()
    assert died
    assert house.report(report.report_id) == report
    assert house.count("attestations") == house.count("deliveries") == 0
    assert house.jobs("deliver_report") == house.log("report signed") == []
    signed()
    assert house.report(report.report_id).state is ReportState.SIGNED


@pytest.mark.slow
@pytest.mark.covers("T04")
@pytest.mark.timeout(900)
def test_a_killed_signer_leaves_all_or_nothing(house: House, database: Database, store: Store) -> None:
    assert store is database.store
    now = NOW + QUIET
    left = []
    for number in range(REPORTS):
        report = house.accepted(house.drafted(f"s{number}"), "attending", now=now)
        left.append((report.report_id, report.version))
    rng, kills, cut = random.Random(4), 0, 0
    while kills < KILLS and left:
        order = {
            "conninfo": database.application,
            "user_id": house["attending"].user_id,
            "reports": left,
            "password": PASSWORD,
            "pacs": PACS,
            "now": now.isoformat(),
        }
        _run_and_kill(order, after=rng.randint(1, 2), part=rng.uniform(0, 1.2))
        kills += 1
        states = _states(house, [report_id for report_id, _ in left])
        assert set(states.values()) <= {"signed", "unsigned"}, "half-signed"
        cut += "unsigned" in states.values()
        left = [(report_id, version) for report_id, version in left if states[report_id] == "unsigned"]
    record(
        "kill_9_of_a_signer",
        f"`kill -9` of a signer, {kills} times",
        f"{REPORTS - len(left)} signed whole, {len(left)} not at all, 0 half signed",
        seed=4,
        figures={"kills": kills, "signed": REPORTS - len(left), "unsigned": len(left)},
    )
    assert cut, "no kill came before the last signature"
    assert len(left) < REPORTS, "no signature came before the first kill"
    assert house.count("attestations") == REPORTS - len(left)


def _run_and_kill(order: dict[str, object], *, after: int, part: float) -> None:
    """Kill the child after some signatures, a part of the time that one takes into the next."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        child.stdin.write(json.dumps(order) + "\n")
        child.stdin.flush()
        assert child.stdout.readline() == "ready\n"
        took = 0.0
        for _ in range(after):
            began = time.monotonic()
            child.stdout.readline()
            took = time.monotonic() - began
        time.sleep(part * took)
        child.kill()


def _states(house: House, report_ids: list[int]) -> dict[int, str]:
    """What there is of each signature: all five traces, or none."""
    with house.store.begin() as tx:
        # waits for what the server has not ended yet of the killed process
        for report_id in report_ids:
            tx.reports.lock(report_id)
    jobs = [job["delivery_id"] for job in house.jobs("deliver_report")]
    logged = [entry.detail["report_id"] for entry in house.log("report signed")]
    states = {}
    for report_id in report_ids:
        with house.store.begin() as tx:
            report = tx.reports.get(report_id)
            attestations = tx.reports.attestations.of_report(report_id)
            deliveries = tx.deliveries.of_report(report_id)
        traces = (
            report.state is ReportState.SIGNED,
            len(attestations) == 1 and attestations[0].verifies(),
            len(deliveries) == 1,
            sum(delivery.delivery_id in jobs for delivery in deliveries) == 1,
            logged.count(report_id) == 1,
        )
        nothing = report.state is ReportState.IN_REVIEW and not attestations and not deliveries
        states[report_id] = (
            "signed" if all(traces) else "unsigned" if nothing and not any(traces) else f"half: {traces}"
        )
    return states
