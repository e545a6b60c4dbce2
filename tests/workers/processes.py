"""The system's own processes, started as an administrator starts them, on free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from app.settings import Settings
from app.workers.supervise import environment_of
from tests.ports import free_port
from tests.workers.conftest import wait_until


class Process:
    """A command of ours that runs until the block ends; its lines are kept."""

    def __init__(self, settings: Settings, *arguments: str, **environment: str) -> None:
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end of the block
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            env=environment_of(settings) | environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            print(self.output())
        self._output.close()

    def output(self) -> str:
        """Return everything that it has said."""
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the log lines of one event."""
        lines = [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def wait_until_ready(self) -> dict[str, object]:
        """Wait for the event ``ready`` and return it; fail when the process ends instead."""

        def ready() -> bool:
            assert self.process.poll() is None, self.output()
            return bool(self.events("ready"))

        wait_until(ready, 120)
        return self.events("ready")[-1]

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to stop and return its exit status; fail when it takes longer."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop in {seconds} s:\n{self.output()}") from None


def system_settings(data_dir: Path, **settings: object) -> Settings:
    """Return settings of a system in a folder of its own: free ports and short waits."""
    chosen: dict[str, object] = {
        "data_dir": data_dir,
        "dicom_port": free_port(),
        "ui_port": free_port(),
        "allowed_ae_titles": ("SENDER",),
        "quiet_seconds": 0.5,
        "stalled_seconds": 2,
        "retry_seconds": (1, 1),
        "free_space_floor_gb": 0.0,
    }
    return Settings(**(chosen | settings))  # type: ignore[arg-type]
