"""One process of the system as its supervisor sees it: started, ready, ended, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.workers.lifeline import Lifeline

Emit = Callable[[str, str], None]
_SHORTEST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_SOUND_AFTER_SECONDS = 60.0


@dataclass(frozen=True)
class ChildPlan:
    """What to start.

    Attributes
    ----------
    name
        Shown in front of its lines.
    command
        Program and arguments.
    port
        It is ready when this port of this machine takes connections.
    url
        It is ready when this address answers with success.

    Without port and url it is ready when it has logged the event ``ready``.
    """

    name: str
    command: tuple[str, ...]
    port: int | None = None
    url: str = ""


@dataclass
class Child:
    """A process in a group of its own: Ctrl-C at the terminal reaches the supervisor alone."""

    plan: ChildPlan
    environment: Mapping[str, str]
    lifeline: Lifeline
    emit: Emit
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=20), init=False)
    starts: int = field(default=0, init=False)
    _process: subprocess.Popen[str] | None = field(default=None, init=False)
    _said_ready: threading.Event = field(default_factory=threading.Event, init=False)
    _started_at: float = field(default=0.0, init=False)
    _wait: float = field(default=_SHORTEST_WAIT, init=False)
    _start_again_at: float | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process and begin to pass its lines on."""
        self._said_ready.clear()
        self._start_again_at = None
        self._started_at = time.monotonic()
        self.starts += 1
        self._process = subprocess.Popen(
            self.plan.command,
            env=dict(self.environment) | self.lifeline.environment,
            pass_fds=self.lifeline.descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._pass_on, args=(self._process,), daemon=True).start()

    @property
    def pid(self) -> int | None:
        """Process id, also of one that has ended."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether it does its work."""
        if not self.is_running:
            return False
        if self.plan.url:
            return answers(self.plan.url)
        if self.plan.port is not None:
            return takes_connections(self.plan.port)
        return self._said_ready.is_set()

    def start_again_when_due(self) -> float | None:
        """Start an ended process again after a wait that doubles; return the wait when it has just begun."""
        if self.is_running:
            return None
        now = time.monotonic()
        if self._start_again_at is None:
            sound = now - self._started_at > _SOUND_AFTER_SECONDS
            self._wait = _SHORTEST_WAIT if sound else self._wait
            self._start_again_at, wait = now + self._wait, self._wait
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
            return wait
        if now >= self._start_again_at:
            self.start()
        return None

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and whatever it started."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def wait(self, until: float) -> bool:
        """Wait for its end until the monotonic time `until`; tell whether it has ended."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _pass_on(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                text = line.rstrip("\n")
                self.last_lines.append(text)
                if self._process is process and _is_ready(text):
                    self._said_ready.set()
                self.emit(self.plan.name, text)


def takes_connections(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether somebody listens on the port of an address of this machine."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def answers(url: str) -> bool:
    """Tell whether a web server answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:  # noqa: S310  # nosec B310 - our own address
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _is_ready(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return bool(json.loads(line).get("event") == "ready")
    except ValueError:
        return False
