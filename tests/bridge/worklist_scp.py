"""DCMTK's modality worklist SCP (`wlmscpfs`) with a folder of worklist files made by its `dump2dcm`."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import need
from tests.ports import free_port

WLMSCPFS, DUMP2DCM = Path("/usr/bin/wlmscpfs"), Path("/usr/bin/dump2dcm")
AE_TITLE = "RIS"

_ENTRY = """
(0008,0005) CS [{charset}]
(0008,0050) SH [{accession}]
(0010,0010) PN [{name}]
(0010,0020) LO [{patient_id}]
(0010,0030) DA [19700101]
(0010,0040) CS [F]
(0010,2000) LO [Pacemaker]
(0010,2110) LO [Iodinated contrast]
(0010,21c0) US 1
(0020,000d) UI [1.2.3.4]
(0032,1032) PN [Order^Olga]
(0032,1060) LO [{procedure}]
(0032,1064) SQ
(fffe,e000) -
(0008,0100) SH [RPID2503]
(0008,0102) SH [RADLEX]
(0008,0104) LO [XR Chest 2 Views]
(fffe,e00d) -
(fffe,e0dd) -
(0040,0100) SQ
(fffe,e000) -
(0008,0060) CS [CR]
(0040,0001) AE [STATION1]
(0040,0002) DA [20261122]
(0040,0003) TM [101500]
(0040,0007) LO [Chest upright]
(0040,0009) SH [SPS1]
(fffe,e00d) -
(fffe,e0dd) -
(0040,1001) SH [RP1]
(0040,1002) LO [{indication}]
(0040,1003) SH [{priority}]
(0040,2016) LO [PL1]
(0040,2017) LO [FI1]
"""


def write_entry(
    folder: Path,
    number: str,
    *,
    accession: str = "A1",
    name: str = "Example^Person",
    patient_id: str = "P1",
    procedure: str = "Chest 2 views",
    indication: str = "Cough, rule out pneumothorax",
    priority: str = "STAT",
    charset: str = "ISO_IR 192",
    encoding: str = "utf-8",
) -> None:
    """Put one worklist file into the SCP's folder."""
    ae_folder = folder / AE_TITLE
    ae_folder.mkdir(parents=True, exist_ok=True)
    (ae_folder / "lockfile").touch()
    text = _ENTRY.format(
        charset=charset,
        accession=accession,
        name=name,
        patient_id=patient_id,
        procedure=procedure,
        indication=indication,
        priority=priority,
    )
    dump = folder / f"{number}.dump"
    dump.write_bytes(text.encode(encoding))
    subprocess.run([DUMP2DCM, "-q", "+te", dump, ae_folder / f"{number}.wl"], check=True, capture_output=True)


@contextmanager
def run_worklist_scp(folder: Path) -> Iterator[int]:
    """Run the SCP on a free port of loopback until the block ends; gives the port."""
    need(WLMSCPFS.exists() and DUMP2DCM.exists(), "DCMTK (apt-get install dcmtk)")
    (folder / AE_TITLE).mkdir(parents=True, exist_ok=True)
    port = free_port()
    process = subprocess.Popen(
        [WLMSCPFS, "--single-process", "--keep-char-set", "-dfp", folder, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_up(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_up(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "wlmscpfs ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("wlmscpfs does not listen")
