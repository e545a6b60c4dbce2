"""The demo and the supervisor as a person starts them: the whole path, a second run, a stop, a taken port.

Covered: real processes, real associations, signing through the services, the SR in the PACS, the audit file.
Not covered: the browser (`tests/ui`).
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from app.domain.study import StudyState
from app.services.audit import verify_file
from app.settings import Settings
from app.store.engine import open_store
from app.store.migrate import upgrade
from app.workers.supervise import environment_of
from pacs_bridge.archive import holdings
from pacs_bridge.spool import Spool
from tests.conftest import need
from tests.ports import free_port
from tests.ui import seed
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings

STOP_SECONDS = 30  # by the product 10; the machine of the tests may be busy


@pytest.fixture
def options(data_dir: Path) -> list[str]:
    """Free ports and a folder of its own, as options of `janus-med demo`."""
    ports = ("--dicom-port", str(free_port()), "--ui-port", str(free_port()), "--pacs-port", str(free_port()))
    return ["--data-dir", str(data_dir), *ports]


@contextmanager
def running(settings: Settings, *arguments: str) -> Iterator[tuple[Process, list[psutil.Process]]]:
    """Run a command; the processes put into the list must be gone when it has ended."""
    started: list[psutil.Process] = []
    with Process(settings, *arguments) as process:
        yield process, started
    wait_until(lambda: not [child for child in started if is_alive(child)], STOP_SECONDS)


def family(process: Process) -> list[psutil.Process]:
    return psutil.Process(process.process.pid).children(recursive=True)


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def demo(options: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", *options, *more],
        env=environment_of(Settings()),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.covers("S6", "A2", "O6", "L7")
def test_headless_demo_walks_the_whole_path_and_a_second_run_keeps_it(
    options: list[str], data_dir: Path
) -> None:
    from janus_med.checkpoint import MANIFEST, bundled_folder

    need((bundled_folder() / MANIFEST).is_file(), "the bundled model (janus-med model train --preset tiny)")
    first = demo(options, "--headless")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "in this run" in first.stdout
    [report] = holdings(Spool(data_dir / "pacs"), "SR")
    verify_file(data_dir / "audit.jsonl")
    second = demo(options, "--headless")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "in an earlier run" in second.stdout
    assert holdings(Spool(data_dir / "pacs"), "SR") == [report]
    with open_store(Settings(data_dir=data_dir)) as store, store.begin() as unit:
        studies = unit.studies.lock_existing([report.study_uid])
        assert studies[report.study_uid].state is StudyState.DRAFTED
        assert studies[report.study_uid].revision == 1
        assert unit.work.dead_letters() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_interrupted_demo_stops_everything(options: list[str], data_dir: Path) -> None:
    with running(Settings(), "demo", *options) as (process, started):
        wait_until(lambda: "is ready" in process.output(), 180)
        started.extend(family(process))
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(STOP_SECONDS) == 0
        shown = process.output()
    assert not (data_dir / "database" / "postmaster.pid").exists()
    for words in ("attending", "http://127.0.0.1:", "Ctrl-C"):
        assert words in shown


def with_people(settings: Settings) -> Settings:
    """Add accounts: without one the reading room does not open."""
    upgrade(settings)
    with open_store(settings) as store:
        seed.add_people(store, now=seed.now_utc())
    return settings


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.covers("R2")
def test_system_stops_in_time_and_leaves_nothing_behind(data_dir: Path) -> None:
    settings = with_people(system_settings(data_dir))
    with running(settings, "up") as (process, started):
        wait_until(lambda: "ready: http" in process.output(), 200)
        started.extend(family(process))
        assert len(started) >= 4
        began = time.monotonic()
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(STOP_SECONDS) == 0
        print(f"stopped in {time.monotonic() - began:.1f} s")
    assert not (settings.database_dir / "postmaster.pid").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_supervisor_takes_everything_with_it(data_dir: Path) -> None:
    settings = with_people(system_settings(data_dir))
    with running(settings, "up") as (process, started):
        wait_until(lambda: "ready: http" in process.output(), 200)
        started.extend(family(process))
        process.kill()
    wait_until(lambda: not (settings.database_dir / "postmaster.pid").exists(), STOP_SECONDS)


@pytest.mark.slow
@pytest.mark.covers("T17")
def test_taken_port_is_said_before_anything_starts(options: list[str], data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(options[options.index("--ui-port") + 1])))
        taken.listen()
        refused = demo(options, "--headless")
        port = taken.getsockname()[1]
    assert refused.returncode == 2
    [line] = refused.stderr.splitlines()
    for part in (str(port), "web UI", "JANUS_MED_UI_PORT"):
        assert part in line
    assert not (data_dir / "database").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_demo_in_use_is_said(options: list[str], data_dir: Path) -> None:
    import fcntl

    with (data_dir / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = demo(options, "--headless")
    assert refused.returncode == 2
    assert str(data_dir) in refused.stderr


@pytest.mark.covers("T17")
def test_demo_keeps_its_accounts_out_of_a_real_installation(options: list[str], data_dir: Path) -> None:
    (data_dir / "keys").mkdir()
    refused = demo(options, "--headless")
    assert refused.returncode == 2
    assert "not the demo's" in refused.stderr
    assert not (data_dir / "demo.lock").exists()
