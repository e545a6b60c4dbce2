"""The signed SR on its way: to our archive and to a real Orthanc, fetched back and read by dsrdump.

Covered: what arrives equals what was built, a repeated delivery makes no second object.
"""

from __future__ import annotations

import io
import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from pydicom import dcmread

from pacs_bridge import Destination, Peer, send_instances
from pacs_bridge.archive import Archive
from pacs_bridge.results import SourceInstance, SourceStudy, build_report_sr
from tests.bridge.peers import EXPLICIT, encode, radiograph, wait_until, with_meta
from tests.bridge.result_cases import make_case
from tests.bridge.result_objects import build_objects
from tests.bridge.test_report_sr import content, items
from tests.conftest import need
from tests.ports import free_port

ORTHANC = Path("/usr/sbin/Orthanc")


def report_for(image):
    from pacs_bridge import read_header

    header = read_header(encode(image), EXPLICIT)
    source = SourceInstance(
        header.study_uid, header.series_uid, header.sop_class_uid, header.sop_instance_uid
    )
    return build_report_sr(
        content(study=SourceStudy.of(header), evidence=(source,), sections=content().sections[1:])
    )


def same(one, other):
    """Whether two data sets are equal, element by element, group lengths aside."""
    return one.to_json_dict() == other.to_json_dict()


@pytest.mark.covers("T26")
def test_report_is_stored_to_the_archive_unchanged(fast_folder):
    report = report_for(radiograph(PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 192"))
    archive = Archive(fast_folder / "pacs", peers=(Peer("JANUSMED"),))
    archive.start()
    try:
        destination = Destination("ARCHIVE", "127.0.0.1", archive.port)
        for _ in range(2):
            (outcome,) = send_instances([report], destination, calling_ae="JANUSMED")
            assert outcome.status == 0x0000
        (held,) = archive.holdings("SR")
    finally:
        archive.stop()
    assert same(dcmread(held.path), report)


@pytest.fixture
def orthanc(tmp_path):
    """A real Orthanc on free ports; gives its DICOM port and a function that reads its REST interface."""
    need(ORTHANC.exists(), "Orthanc (apt-get install orthanc)")
    dicom, http = free_port(), free_port()
    configuration = {
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(configuration))
    process = subprocess.Popen(
        [ORTHANC, tmp_path / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def read(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=20) as answer:
            return answer.read()

    def up():
        try:
            return bool(read("/system"))
        except OSError:
            return False

    try:
        assert wait_until(up, 60), "Orthanc did not start"
        yield dicom, read
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
@pytest.mark.covers("T26", "O4")
def test_report_comes_back_from_orthanc_and_is_read_by_dsrdump(orthanc, tmp_path):
    port, read = orthanc
    image = with_meta(
        radiograph(PatientName="Müller^Jörg", PatientID="P 7", SpecificCharacterSet="ISO_IR 192")
    )
    report = report_for(image)
    destination = Destination("ORTHANC", "127.0.0.1", port)
    for _ in range(2):
        outcomes = send_instances([image, report], destination, calling_ae="JANUSMED")
        assert [outcome.status for outcome in outcomes] == [0x0000, 0x0000]
    assert len(json.loads(read("/studies"))) == 1
    series = [json.loads(read(f"/series/{identifier}")) for identifier in json.loads(read("/series"))]
    assert sorted(s["MainDicomTags"]["Modality"] for s in series) == ["CR", "SR"]
    (instance,) = next(s["Instances"] for s in series if s["MainDicomTags"]["Modality"] == "SR")
    data = read(f"/instances/{instance}/file")
    fetched = dcmread(io.BytesIO(data))
    assert same(fetched, report)
    assert [i.TextValue for i in items(fetched, "Impression", "TEXT")] == ["Cardiomegaly."]
    (tmp_path / "fetched.dcm").write_bytes(data)
    done = subprocess.run(
        ["/usr/bin/dsrdump", tmp_path / "fetched.dcm"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Cardiomegaly." in done.stdout
    assert not any(line.startswith(("E:", "F:")) for line in done.stderr.splitlines())


@pytest.mark.slow
@pytest.mark.covers("T26", "T27", "O4")
def test_every_kind_of_object_comes_back_from_orthanc_unchanged(orthanc):
    """All objects of some reports, sent twice: each is there once, with the bytes of its data set."""
    port, read = orthanc
    sent = {o.SOPInstanceUID: o for seed in range(5) for o in build_objects(make_case(seed)).values()}
    destination = Destination("ORTHANC", "127.0.0.1", port)
    for _ in range(2):
        outcomes = send_instances(list(sent.values()), destination, calling_ae="JANUSMED")
        assert {outcome.status for outcome in outcomes} == {0x0000}
    held = json.loads(read("/instances"))
    assert len(held) == len(sent)
    for identifier in held:
        fetched = dcmread(io.BytesIO(read(f"/instances/{identifier}/file")))
        assert encode(fetched) == encode(sent[fetched.SOPInstanceUID])
