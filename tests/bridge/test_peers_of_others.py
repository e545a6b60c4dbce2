"""DCMTK's own commands as peers, and byte-identical storage of what they and pynetdicom send.

Covered: echoscu, storescu, every compressed syntax of pydicom's test files, a large multi-frame object.
Not covered: decoding.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from pacs_bridge import Peer
from pacs_bridge.received import read_head
from tests.bridge.peers import CR, association, encode, radiograph, store, wait_until
from tests.conftest import need

HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
MPEG4 = "1.2.840.10008.1.2.4.102"
ECHOSCU, STORESCU, DCMDUMP = (Path("/usr/bin") / name for name in ("echoscu", "storescu", "dcmdump"))


@pytest.fixture(autouse=True)
def dcmtk():
    need(STORESCU.exists() and ECHOSCU.exists(), "DCMTK (apt-get install dcmtk)")


@pytest.fixture
def dcmtk_site(start_site):
    return start_site(peers=(Peer("STORESCU"), Peer("ECHOSCU"), Peer("MODALITY1")))


def run(command, *arguments):
    return subprocess.run(
        [command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


def test_dcmtk_echo(dcmtk_site):
    done = run(ECHOSCU, "-v", "-aec", "JANUSMED", "127.0.0.1", dcmtk_site.port)
    assert done.returncode == 0
    assert "Success" in done.stdout + done.stderr


def test_dcmtk_stores_the_real_radiograph(dcmtk_site, chest_radiograph):
    done = run(STORESCU, "-v", "-aec", "JANUSMED", "127.0.0.1", dcmtk_site.port, chest_radiograph)
    assert done.returncode == 0
    assert "Received Store Response (Success)" in done.stdout + done.stderr
    (instance,) = dcmtk_site.spool.incoming()
    original, stored = dcmread(chest_radiograph), dcmread(instance.path)
    assert stored.PixelData == original.PixelData
    assert (instance.header.rows, instance.header.columns) == (1955, 1841)
    assert run(DCMDUMP, "-q", instance.path).returncode == 0


def test_dcmtk_is_told_why_it_is_rejected(dcmtk_site, ct_slice):
    done = run(STORESCU, "-aet", "EVIL", "-aec", "JANUSMED", "127.0.0.1", dcmtk_site.port, ct_slice)
    assert done.returncode != 0
    assert "Calling AE Title Not Recognized" in done.stderr
    done = run(STORESCU, "-aec", "WRONG", "127.0.0.1", dcmtk_site.port, ct_slice)
    assert "Called AE Title Not Recognized" in done.stderr
    assert run(STORESCU, "-aec", "JANUSMED", "127.0.0.1", dcmtk_site.port, ct_slice).returncode == 0


def test_dcmtk_in_parallel_sends_one_instance(dcmtk_site, ct_slice):
    command = [STORESCU, "-aec", "JANUSMED", "127.0.0.1", str(dcmtk_site.port), str(ct_slice)]
    senders = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(10)]
    assert [sender.wait(60) for sender in senders] == [0] * 10
    assert len(dcmtk_site.spool.incoming()) == 1


COMPRESSED = [
    "JPEG-lossy.dcm",
    "JPEG-LL.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEG2000.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_RLE.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "CT_small.dcm",
    "eCT_Supplemental.dcm",
    "examples_rgb_color.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
    "rtplan.dcm",
]


@pytest.mark.covers("L8")
@pytest.mark.parametrize("name", COMPRESSED)
def test_objects_are_stored_byte_identical(site, name):
    path = Path(str(get_testdata_file(name, download=False)))
    dataset = dcmread(path, stop_before_pixels=True)
    data = path.read_bytes()[144 + dataset.file_meta.FileMetaInformationGroupLength :]
    sop_class, syntax = str(dataset.SOPClassUID), str(dataset.file_meta.TransferSyntaxUID)
    with association(site.port, contexts=[(sop_class, syntax)]) as assoc:
        assert store(assoc, data, str(dataset.SOPInstanceUID), sop_class, syntax) == 0x0000
    (instance,) = site.spool.incoming()
    head, offset = read_head(instance.path)
    assert instance.path.read_bytes()[offset:] == data
    assert head.transfer_syntax == syntax == instance.header.transfer_syntax


@pytest.mark.covers("L8")
@pytest.mark.parametrize("syntax", [HTJ2K_LOSSLESS, MPEG4])
def test_syntaxes_without_test_files_are_stored_byte_identical(site, syntax):
    dataset = radiograph(pixels=False)
    fragments = encapsulate([b"\xff\x4f\xff\x51 codestream", b"\xff\x4f another"])
    data = encode(dataset) + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + fragments
    data += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    with association(site.port, contexts=[(CR, syntax)]) as assoc:
        assert store(assoc, data, str(dataset.SOPInstanceUID), CR, syntax) == 0x0000
    (instance,) = site.spool.incoming()
    assert instance.path.read_bytes().endswith(data)
    assert instance.header.transfer_syntax == syntax


@pytest.mark.slow
@pytest.mark.covers("L8")
def test_large_multiframe_object_costs_little_memory(start_site, tmp_path):
    """400 MiB through a real association from another process; the listener keeps it in a file."""
    site = start_site(peers=(Peer("STORESCU"),))
    need(shutil.disk_usage(tmp_path).free > 2 * 10**9, "2 GB of free disk")
    file = tmp_path / "large.dcm"
    dataset = radiograph(NumberOfFrames=200, Rows=1024, Columns=1024)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7.3"
    dataset.PixelData = b""
    with file.open("wb") as out:
        from pacs_bridge.received import FileHead

        head = FileHead(dataset.SOPClassUID, dataset.SOPInstanceUID, "1.2.840.10008.1.2.1", "A", "B")
        frames = 200 * 1024 * 1024 * 2
        body = encode(dataset)
        out.write(head.encode() + body[:-4] + frames.to_bytes(4, "little"))
        for _ in range(200):
            out.write(os.urandom(1024) * 2048)
    process = psutil.Process()
    before = process.memory_info().rss
    sender = subprocess.Popen([STORESCU, "-aec", "JANUSMED", "127.0.0.1", str(site.port), str(file)])
    peak = before
    while sender.poll() is None:
        peak = max(peak, process.memory_info().rss)
        wait_until(lambda: sender.poll() is not None, 0.05)
    assert sender.returncode == 0
    (instance,) = site.spool.incoming()
    assert instance.size > frames
    print(f"{frames / 2**20:.0f} MiB received, RSS grew by {(peak - before) / 2**20:.0f} MiB")
    assert peak - before < 300 * 2**20


def test_every_storage_class_and_useful_syntax_is_offered():
    from pacs_bridge.listener_config import supported_contexts

    contexts = {str(cx.abstract_syntax): {str(s) for s in cx.transfer_syntax} for cx in supported_contexts()}
    assert len(contexts) > 100
    syntaxes = contexts[CR]
    for wanted in ("", ".1", ".2", ".4.50", ".4.57", ".4.70", ".4.80", ".4.90", ".4.201", ".5", ".4.102"):
        assert f"1.2.840.10008.1.2{wanted}" in syntaxes
    assert "1.2.840.10008.1.2.1.99" not in syntaxes
