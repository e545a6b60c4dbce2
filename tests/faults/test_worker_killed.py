"""kill -9 of workers at random moments: every job is done, and none is lost with the worker that held it.

Covered: takeover by another worker, restarts, SIGTERM during a job; for drafting, one draft for each study.
Not covered: database loss (`test_database_away`).
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFilter
from app.domain.study import StudyState
from app.services.work import dead_letters
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.supervise import environment_of
from tests.conftest import need
from tests.faults.slow_worker import JOB_SECONDS
from tests.reliability import record
from tests.workers.conftest import defer, depth, wait_until
from tests.workers.processes import system_settings
from tests.workers.stories import now, receive

KILLS = 20
JOBS = 120
SILENCE = 2


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    # a killed worker costs its job an attempt: this many kills must not make a dead letter
    chosen = system_settings(data_dir, retry_seconds=(0,) * 60, stalled_seconds=SILENCE)
    upgrade(chosen)
    return chosen


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


def start_slow_worker(settings: Settings, notes: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.slow_worker", str(notes)]
    return subprocess.Popen(command, env=environment_of(settings))


def read_notes(notes: Path) -> list[tuple[str, int, int, float]]:
    lines = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
    return [(what, int(number), int(pid), float(at)) for what, number, pid, at in lines]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.covers("T02", "P3", "R2")
def test_jobs_of_killed_workers_are_done_by_others(
    settings: Settings, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, notes = random.Random(20261122), tmp_path / "notes"
    killed: dict[int, float] = {}
    for number in range(JOBS):
        defer(store, n=number)
    workers = [start_slow_worker(settings, notes) for _ in range(3)]
    try:
        for _ in range(KILLS):
            victim = workers.pop(0)
            wait_until(lambda pid=victim.pid: works(notes, pid), 60)
            time.sleep(chance.uniform(0.0, 1.5 * JOB_SECONDS))
            victim.kill()
            victim.wait()
            killed[victim.pid] = time.time()
            workers.append(start_slow_worker(settings, notes))
        wait_until(lambda: depth(store) == (0, 0), 120)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    waits = takeovers(read_notes(notes), killed)
    with capsys.disabled():
        p95 = sorted(waits)[int(0.95 * (len(waits) - 1))] if waits else 0.0
        record(
            "kill_9_of_a_worker",
            f"`kill -9` of a slow worker, {KILLS} times",
            f"{len(waits)} during a job; every job done; takeover p95 {p95:.1f} s "
            f"after {SILENCE} s of silence",
            figures={"kills": KILLS, "during": len(waits), "p95_s": round(p95, 1)},
        )
    assert {number for what, number, *_ in read_notes(notes) if what == "end"} == set(range(JOBS))
    assert waits
    assert dead_letters(store, service_actor("test"), now=now()) == []


def works(notes: Path, pid: int) -> bool:
    """Tell whether a process has begun a job."""
    return any(what == "begin" and worker == pid for what, _, worker, _ in read_notes(notes))


def takeovers(notes: list[tuple[str, int, int, float]], killed: dict[int, float]) -> list[float]:
    """Return the seconds from each kill during a job to that job's next beginning."""
    begun: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    ended = {(number, pid) for what, number, pid, _ in notes if what == "end"}
    for what, number, pid, at in notes:
        if what == "begin":
            begun[number].append((pid, at))
    return [
        later[1] - killed[earlier[0]]
        for number, begins in begun.items()
        for earlier, later in itertools.pairwise(begins)
        if earlier[0] in killed and (number, earlier[0]) not in ended
    ]


@pytest.mark.slow
@pytest.mark.covers("T02")
def test_stopped_worker_ends_in_time_and_its_job_is_done_by_another(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    for number in range(6):
        defer(store, n=number)
    first = start_slow_worker(settings, notes)
    wait_until(lambda: any(what == "begin" for what, *_ in read_notes(notes)))
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    second = start_slow_worker(settings, notes)
    try:
        wait_until(lambda: depth(store) == (0, 0))
    finally:
        second.terminate()
        assert second.wait(30) == 0
    assert {number for what, number, *_ in read_notes(notes) if what == "end"} == set(range(6))


class Nursery:
    """A process that has loaded the drafting worker's libraries once and forks a worker whenever asked."""

    CODE = """
import os, sys, signal
import janus_med.engine, janus_med.drafting, app.workers.draft
from app.logs import set_up_logging
from app.settings import read_settings
import torch; torch.set_num_threads(1)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("loaded", flush=True)
for _ in sys.stdin:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        set_up_logging("drafting", level="ERROR")
        app.workers.draft.work(read_settings())
        os._exit(0)
    print(pid, flush=True)
"""

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.CODE],
            env=environment_of(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.alive: list[int] = []
        assert self._read() == "loaded"

    def fork(self) -> None:
        """Start one more worker."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.alive.append(int(self._read()))

    def kill_oldest(self) -> None:
        """Kill the worker that was started first, with the decoder that it may be running."""
        os.killpg(self.alive.pop(0), signal.SIGKILL)

    def close(self) -> None:
        """Kill what is left."""
        while self.alive:
            self.kill_oldest()
        self._process.kill()
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def copies(sample: Path, folder: Path, count: int) -> list[Path]:
    """Write `count` studies of one image each."""
    made = []
    for _ in range(count):
        dataset = dcmread(sample)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        made.append(path)
    return made


def times_drafted(store: Store, study_uid: str) -> int:
    """Return how often a draft, or the reason why none, was recorded for the study."""
    events = {AuditEvent.STUDY_DRAFTED.value, AuditEvent.STUDY_UNDRAFTED.value}
    with store.begin() as unit:
        entries = unit.audit.stream(AuditFilter(study_uid=study_uid))
        return sum(entry.event in events for entry in entries)


def states(store: Store, uids: list[str]) -> set[StudyState]:
    with store.begin() as unit:
        return {study.state for study in unit.studies.lock_existing(uids).values()}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.covers("T02", "P3")
def test_every_study_gets_one_draft_whoever_is_killed(
    settings: Settings,
    store: Store,
    tmp_path: Path,
    chest_radiograph: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from janus_med.checkpoint import MANIFEST, bundled_folder

    need((bundled_folder() / MANIFEST).is_file(), "the bundled model (janus-med model train --preset tiny)")
    chance, nursery = random.Random(20261122), Nursery(settings)
    uids = [receive(store, settings, file) for file in copies(chest_radiograph, tmp_path, KILLS)]
    try:
        nursery.fork()
        for _ in range(KILLS):
            nursery.fork()
            time.sleep(chance.uniform(0.3, 3.0))
            nursery.kill_oldest()
        wait_until(lambda: depth(store) == (0, 0), 300)
    finally:
        nursery.close()
    drafted = [times_drafted(store, uid) for uid in uids]
    with capsys.disabled():
        record(
            "kill_9_of_the_drafting_worker",
            f"`kill -9` of the drafting worker, {KILLS} moments, real model",
            f"{drafted.count(0)} drafts lost, {sum(n > 1 for n in drafted)} doubled",
            figures={"kills": KILLS, "lost": drafted.count(0)},
        )
    assert states(store, uids) == {StudyState.DRAFTED}
    assert drafted == [1] * len(uids)
