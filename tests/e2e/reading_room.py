"""A real reading room as a process of its own, on a free port, over an embedded database with real studies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class ReadingRoom:
    """The server; it can be killed and started again on the same port and data."""

    settings: Settings
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.ui_port}"

    def start(self) -> None:
        """Start, and wait until it is ready."""
        environment = os.environ | self.environment | _environment(self.settings)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.ui.server"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        wait_for(f"{self.url}/ready", self.process, self.log)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None


def free_port() -> int:
    """Return a port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 60.0) -> None:
    """Wait until an address answers; fail with the log when the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server has ended:\n{log.read_text(errors='replace')}"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer:\n{log.read_text(errors='replace')}")


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "JANUS_MED_DATA_DIR": str(settings.data_dir),
        "JANUS_MED_UI_PORT": str(settings.ui_port),
        "JANUS_MED_INSTITUTION": settings.institution,
        "JANUS_MED_IDLE_MINUTES": str(settings.idle_minutes),
        "JANUS_MED_DESTINATIONS": "[" + ",".join(to.model_dump_json() for to in settings.destinations) + "]",
    }
