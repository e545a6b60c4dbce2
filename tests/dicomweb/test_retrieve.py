"""WADO-RS, and the whole round trip with an independent client (dicomweb-client).

Covered: byte-identical retrieval, re-encoding, metadata, frames, pictures, 404 and 406.
Not covered: video; frames and bulk data (`test_frames.py`), pictures in detail (`test_rendered.py`).
"""

from __future__ import annotations

from pathlib import Path

from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import dcmread

from tests.dicomweb.bodies import data_set_of, read, read_parts
from tests.dicomweb.conftest import TOKENS, Site, sample

ANY = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


def path_of(file: Path) -> str:
    header = dcmread(file, stop_before_pixels=True)
    study, series = header.StudyInstanceUID, header.SeriesInstanceUID
    return f"/studies/{study}/series/{series}/instances/{header.SOPInstanceUID}"


def test_independent_client_stores_finds_and_retrieves(site: Site, ct_slice: Path) -> None:
    session = create_session()
    session.headers["Authorization"] = f"Bearer {TOKENS['both']}"
    client = DICOMwebClient(site.url, session=session)
    sent = dcmread(ct_slice)
    stored = client.store_instances([sent])
    assert stored.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == sent.SOPInstanceUID
    site.intake()
    uids = (sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    [study] = client.search_for_studies(search_filters={"PatientID": sent.PatientID})
    assert study["0020000D"]["Value"] == [uids[0]]
    [back] = client.retrieve_study(uids[0])
    assert back == sent
    assert client.retrieve_instance(*uids) == sent
    [frame] = client.retrieve_instance_frames(*uids, frame_numbers=[1])
    assert frame == sent.PixelData
    assert client.retrieve_instance_metadata(*uids)["00100010"]["vr"] == "PN"


def test_stored_syntax_comes_back_byte_by_byte_and_implicit_is_re_encoded(site: Site) -> None:
    compressed, implicit = sample("MR_small_RLE.dcm"), sample("MR_small_implicit.dcm")
    site.have(compressed)
    client = site.client("viewer")
    [(kind, content)] = read_parts(client.get(path_of(compressed), headers=ANY))
    assert kind == "application/dicom; transfer-syntax=1.2.840.10008.1.2.5"
    assert data_set_of(content) == data_set_of(compressed.read_bytes())
    explicit = {"Accept": ANY["Accept"].replace("=*", "=1.2.840.10008.1.2.1")}
    assert client.get(path_of(compressed), headers=explicit).status_code == 406
    other = read(implicit.read_bytes()).SOPInstanceUID
    if path_of(implicit) != path_of(compressed):
        site.have(implicit)
        [(_, content)] = read_parts(client.get(path_of(implicit), headers=explicit))
        assert read(content).SOPInstanceUID == other


def test_what_is_not_there_is_not_found(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    client, path = site.client("viewer"), path_of(ct_slice)
    for missing in (
        "/studies/1.2.3",
        "/studies/../x",
        path + "/frames/2",
        path + "9",
        path + "/bulkdata/00100010x",
    ):
        assert client.get(missing).status_code == 404
    assert client.get(path + "/frames/0").status_code == 400
    assert client.get(path, headers={"Accept": "text/html"}).status_code == 406


def test_picture_is_drawn(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    answer = site.client("viewer").get(path_of(ct_slice) + "/rendered", headers={"Accept": "image/png"})
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\x89PNG")
