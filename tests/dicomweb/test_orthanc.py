"""Orthanc's DICOMweb plugin as the other side: it sends to us, searches here and fetches from here.

Covered: STOW-RS, QIDO-RS and WADO-RS as Orthanc asks for them, with a bearer token.
Not covered: Orthanc as the archive of earlier studies (`tests/e2e/test_priors.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.conftest import need
from tests.dicomweb.bodies import copy_of, data_set_of, read
from tests.dicomweb.conftest import TOKENS, Site, sample
from tests.e2e.orthanc import Orthanc, run_orthanc
from tests.workers.conftest import wait_until

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def orthanc(site: Site, tmp_path: Path) -> Iterator[Orthanc]:
    """An Orthanc that knows us as a DICOMweb server."""
    need(PLUGIN.is_file(), "Orthanc's DICOMweb plugin (apt-get install orthanc-dicomweb)")
    ours = {"Url": site.url, "HttpHeaders": {"Authorization": f"Bearer {TOKENS['both']}"}}
    web = {"Enable": True, "Servers": {"janus": ours}}
    with run_orthanc(tmp_path, Plugins=[str(PLUGIN)], DicomWeb=web) as running:
        yield running


def test_orthanc_sends_searches_and_fetches(site: Site, orthanc: Orthanc, ct_slice: Path) -> None:
    second, compressed = copy_of(ct_slice), sample("MR_small_RLE.dcm").read_bytes()
    sent = [ct_slice.read_bytes(), second, compressed]
    for file in sent:
        orthanc.store(file)
    studies = json.loads(orthanc.read("/studies"))
    orthanc.post("/dicom-web/servers/janus/stow", {"Resources": studies, "Synchronous": True})
    wait_until(lambda: len(site.spool.incoming()) == 3, 60)
    site.intake()
    assert [e.detail["reason"] for e in site.events() if e.event == "instance quarantined"] == []
    with site.store.begin() as tx:
        held = [tx.studies.instance(str(read(file).SOPInstanceUID)) for file in sent]
    for file, instance in zip(sent, held, strict=True):
        ours = site.spool.open_object(instance.sha256).read_bytes()
        assert read(ours).PixelData == read(file).PixelData

    header = dcmread(ct_slice, stop_before_pixels=True)
    arguments = {"PatientID": header.PatientID, "includefield": "StudyDescription"}
    found = orthanc.post("/dicom-web/servers/janus/qido", {"Uri": "/studies", "Arguments": arguments})
    # Orthanc hands our DICOM JSON on in a form of its own: names beside tags, single values alone
    [study] = [{tag.replace(",", "").upper(): value for tag, value in row.items()} for row in found]
    assert study["0020000D"]["Value"] == header.StudyInstanceUID

    for study in studies:
        orthanc.delete(f"/studies/{study}")
    assert json.loads(orthanc.read("/instances")) == []
    wanted = [{"Study": instance.study_uid} for instance in (held[0], held[2])]
    orthanc.post("/dicom-web/servers/janus/retrieve", {"Resources": wanted, "Synchronous": True})
    wait_until(lambda: len(json.loads(orthanc.read("/instances"))) == 3, 60)
    back = [orthanc.read(f"/instances/{name}/file") for name in json.loads(orthanc.read("/instances"))]
    stored = {i.sop_uid: data_set_of(site.spool.open_object(i.sha256).read_bytes()) for i in held}
    assert {str(read(file).SOPInstanceUID): data_set_of(file) for file in back} == stored
