"""The receivers of `bench.ingest`: ours, Orthanc and DCMTK's storescp, each fresh in an empty folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.ports import free_port

ECHOSCU, STORESCP, ORTHANC = Path("/usr/bin/echoscu"), Path("/usr/bin/storescp"), Path("/usr/sbin/Orthanc")
AE_TITLE = "BENCH"


@dataclass(frozen=True)
class Receiver:
    """A receiver that is running.

    Attributes
    ----------
    process
        Its first process; children count with it.
    """

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far; of those that ended, what their parent has waited for."""
        total = 0.0
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        times = self.process.cpu_times()
        return total + times.children_user + times.children_system

    def peak_megabytes(self) -> float:
        """Sum of the peaks of resident memory of its processes."""
        return sum(_peak(process) for process in self._processes())

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def _peak(process: psutil.Process) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0  # it has ended


@contextmanager
def run(name: str, folder: Path, *, no_delay: bool, processes: int = 0) -> Iterator[Receiver]:
    """Run a receiver until the block ends.

    Parameters
    ----------
    name
        ``ours``, ``orthanc``, ``orthanc tuned`` or ``storescp``.
    no_delay
        TCP_NODELAY for the receivers that take it from the environment; ours decides itself.
    processes
        Of our listener; 0 for its default.
    """
    folder.mkdir(parents=True)
    port = free_port()
    command, environment = _command(name, folder, port, processes)
    if no_delay:
        environment["TCP_NODELAY"] = "1"
    if name == "ours":
        migrate = [sys.executable, "-m", "app.cli", "db", "upgrade"]
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _wait_until_it_answers(port, process, folder)
        yield Receiver(port, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _command(name: str, folder: Path, port: int, processes: int) -> tuple[list[str], dict[str, str]]:
    environment = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    if name == "ours":
        return [sys.executable, "-m", "app.cli", "listen"], environment | {
            "JANUS_MED_DATA_DIR": str(folder),
            "JANUS_MED_DICOM_PORT": str(port),
            "JANUS_MED_AE_TITLE": AE_TITLE,
            "JANUS_MED_ALLOWED_AE_TITLES": '["SENDER"]',
            "JANUS_MED_LISTENER_PROCESSES": str(processes),
            "JANUS_MED_FREE_SPACE_FLOOR_GB": "0",
            "JANUS_MED_LOG_LEVEL": "WARNING",
        }
    if name == "storescp":
        return [
            str(STORESCP), "--fork", "+B", "-aet", AE_TITLE, "-pdu", "131072", "-od", str(folder), str(port)
        ], environment  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(_orthanc(folder, port, tuned=name.endswith("tuned"))))
    return [str(ORTHANC), str(folder / "orthanc.json")], environment


def _orthanc(folder: Path, port: int, *, tuned: bool) -> dict[str, object]:
    """Orthanc's configuration; tuned keeps what makes it durable and drops what costs time without it."""
    configuration: dict[str, object] = {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomAet": AE_TITLE,
        "DicomPort": port,
        "HttpServerEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True,
        "Plugins": [],
    }
    if tuned:
        configuration |= {
            "StoreMD5ForAttachments": False,
            "MaximumPduLength": 131072,
            "SaveJobs": False,
            "DicomScpTimeout": 0,
            "MaximumStorageCacheSize": 256,
        }
    return configuration


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    command = [ECHOSCU, "-aet", "SENDER", "-aec", AE_TITLE, "127.0.0.1", str(port)]
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the receiver ended:\n{(folder / 'receiver.log').read_text()[-2000:]}")
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise SystemExit("the receiver does not answer C-ECHO")
