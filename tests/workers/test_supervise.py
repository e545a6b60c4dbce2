"""The supervisor: children start again, stop in time, and never outlive it.

Covered: restart, refusal of a configuration, stop in time, children of a killed supervisor.
Not covered: the real processes under it (`tests/e2e`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from app.domain.errors import ConfigurationError, Fatal
from app.settings import Settings
from app.workers.child import ChildPlan
from app.workers.ports import require_free
from app.workers.supervise import Supervisor, environment_of
from tests.ports import free_port
from tests.workers.conftest import wait_until

READY = 'import time; print(\'{"event": "ready"}\', flush=True); time.sleep(600)'
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"
REFUSING = "import sys; print('janus-med: JANUS_MED_X is wrong'); sys.exit(2)"


def plan(name: str, code: str) -> ChildPlan:
    return ChildPlan(name, (sys.executable, "-c", code))


class Lines:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.seen.append((name, line))


@pytest.fixture
def environment() -> dict[str, str]:
    return dict(os.environ)


@pytest.fixture
def lines() -> Lines:
    return Lines()


def test_killed_child_starts_again_and_the_others_stay(environment: dict[str, str], lines: Lines) -> None:
    stop = threading.Event()
    with Supervisor([plan("one", READY), plan("two", READY)], environment, emit=lines) as supervisor:
        one, two = supervisor.children
        assert supervisor.wait_until_ready(30, stop=stop)
        watch = threading.Thread(target=supervisor.watch, args=(stop,))
        watch.start()
        former, other = one.pid, two.pid
        assert former is not None
        os.kill(former, signal.SIGKILL)
        wait_until(lambda: one.starts == 2 and one.is_ready)
        assert one.pid != former
        assert two.pid == other
        stop.set()
        watch.join()
    assert any("one ended" in line for _, line in lines.seen)


def test_waits_between_starts_grow(environment: dict[str, str], lines: Lines) -> None:
    with Supervisor([plan("one", "pass")], environment, emit=lines) as supervisor:
        with pytest.raises(Fatal, match="one"):
            supervisor.wait_until_ready(2.5, stop=threading.Event())
        waits = [line.split(" in ")[1] for name, line in lines.seen if name == "supervisor"]
    assert waits[:2] == ["0.5 s", "1 s"]


def test_refused_configuration_ends_everything_with_its_words(
    environment: dict[str, str], lines: Lines
) -> None:
    with (
        Supervisor([plan("one", REFUSING), plan("two", READY)], environment, emit=lines) as supervisor,
        pytest.raises(ConfigurationError, match="one: JANUS_MED_X is wrong"),
    ):
        supervisor.wait_until_ready(30, stop=threading.Event())
    assert not supervisor.children[1].is_running


@pytest.mark.slow
def test_child_that_does_not_stop_is_killed_with_its_own_children(
    environment: dict[str, str], lines: Lines
) -> None:
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); {STUBBORN}"
    with Supervisor([plan("one", code)], environment, emit=lines) as supervisor:
        assert supervisor.wait_until_ready(30, stop=threading.Event())
        pid = supervisor.children[0].pid
        assert pid is not None
        wait_until(lambda: len(psutil.Process(pid).children()) == 1)
        family = [psutil.Process(pid), *psutil.Process(pid).children()]
    wait_until(lambda: not any(is_alive(process) for process in family))


def test_children_of_a_killed_supervisor_end(tmp_path: Path) -> None:
    held = (
        "from app.workers.lifeline import hold_lifeline; hold_lifeline(); import os, pathlib; "
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); {READY}"
    )
    code = (
        "import sys, os, threading\n"
        "from app.workers.child import ChildPlan\n"
        "from app.workers.supervise import Supervisor\n"
        f"plan = ChildPlan('one', (sys.executable, '-c', {held!r}))\n"
        "with Supervisor([plan], dict(os.environ), emit=lambda *_: None) as supervisor:\n"
        "    supervisor.watch(threading.Event())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_alive(child))


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.covers("T17")
def test_taken_port_is_named_with_who_has_it_and_what_to_set() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError) as refused:
            require_free("127.0.0.1", port, setting="JANUS_MED_UI_PORT", purpose="web UI")
    message = str(refused.value)
    for part in (str(port), "web UI", "JANUS_MED_UI_PORT", str(os.getpid())):
        assert part in message


def test_free_port_and_any_port_pass() -> None:
    require_free("127.0.0.1", free_port(), setting="X", purpose="x")
    require_free("127.0.0.1", 0, setting="X", purpose="x")


def test_children_read_the_settings_of_their_parent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JANUS_MED_AE_TITLE", "OTHER")
    monkeypatch.setenv("JANUS_MED_CONFIG", str(tmp_path / "config.toml"))
    settings = Settings(
        data_dir=tmp_path,
        ae_title="OURS",
        allowed_ae_titles=("A", "B"),
        quiet_seconds=0.5,
        destinations=({"name": "p", "ae_title": "P", "host": "h", "port": 104},),  # type: ignore[arg-type]
    )
    environment = environment_of(settings)
    assert "JANUS_MED_CONFIG" not in environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("JANUS_MED_CONFIG")
    assert Settings() == settings
