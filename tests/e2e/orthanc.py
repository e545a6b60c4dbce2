"""A real Orthanc as the PACS, on free ports."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import need
from tests.ports import free_port

ORTHANC = Path("/usr/sbin/Orthanc")


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    dicom_port: int
    http_port: int

    def read(self, path: str) -> bytes:
        """Read from its REST interface."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=20) as answer:
            return bytes(answer.read())

    def store(self, file: bytes) -> None:
        """Put a file into it over its REST interface."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/instances", data=file, method="POST"
        )
        urllib.request.urlopen(request, timeout=20).close()

    def post(self, path: str, content: Any) -> Any:
        """Tell its REST interface something and return what it answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}", data=json.dumps(content).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def delete(self, path: str) -> None:
        """Delete something that its REST interface names."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method="DELETE")
        urllib.request.urlopen(request, timeout=20).close()

    def reports(self) -> list[bytes]:
        """Return the files of all structured reports that it holds."""
        every: list[Any] = [
            json.loads(self.read(f"/series/{name}")) for name in json.loads(self.read("/series"))
        ]
        reports = [series for series in every if series["MainDicomTags"]["Modality"] == "SR"]
        return [self.read(f"/instances/{one}/file") for series in reports for one in series["Instances"]]


@contextmanager
def run_orthanc(
    folder: Path,
    modalities: dict[str, Any] | None = None,
    *,
    plugins: tuple[Path, ...] = (),
    **changes: Any,
) -> Iterator[Orthanc]:
    """Run an Orthanc until the block ends.

    It knows `modalities` and loads `plugins`; `changes` go into its configuration.
    """
    need(ORTHANC.is_file(), "Orthanc (apt-get install orthanc)")
    orthanc = Orthanc(free_port(), free_port())
    configuration = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "DicomAet": "ORTHANC",
        "DicomPort": orthanc.dicom_port,
        "HttpPort": orthanc.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": modalities or {},
        "Plugins": [str(plugin) for plugin in plugins],
    } | changes
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([ORTHANC, folder / "orthanc.json"], stdout=log, stderr=log)
    try:
        _wait_until_up(orthanc, process)
        yield orthanc
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_up(orthanc: Orthanc, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, "Orthanc has ended"
        try:
            orthanc.read("/system")
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("Orthanc did not start")
