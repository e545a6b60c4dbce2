"""WADO-RS frames, bulk data and metadata: native, big-endian, encapsulated, colour.

Covered: bytes of each frame against pydicom's decoding, offset tables, what is refused.
Not covered: video; the decoder's own results (`tests/model`).
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate_extended, generate_frames

from tests.dicomweb.bodies import changed, copy_of, read, read_parts
from tests.dicomweb.conftest import Site, sample

OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}
ANY = {"Accept": "multipart/related; type=*/*; transfer-syntax=*"}


def address_of(file: Path | bytes) -> str:
    header = read(file if isinstance(file, bytes) else file.read_bytes())
    study, series = header.StudyInstanceUID, header.SeriesInstanceUID
    return f"/studies/{study}/series/{series}/instances/{header.SOPInstanceUID}"


def frames(site: Site, file: Path | bytes, numbers: str, accept: dict[str, str]) -> list[tuple[str, bytes]]:
    answer = site.client("viewer").get(f"{address_of(file)}/frames/{numbers}", headers=accept)
    assert answer.status_code == 200, answer.text
    return read_parts(answer)


@pytest.mark.parametrize(
    "name",
    ["emri_small.dcm", "emri_small_big_endian.dcm", "emri_small_RLE.dcm"],
    ids=lambda name: name[10:-4],
)
def test_frames_as_octets_are_little_endian_samples_in_the_order_asked_for(site: Site, name: str) -> None:
    file = sample(name)
    site.have(file)
    expected = dcmread(file).pixel_array.astype("<u2")
    for (kind, content), index in zip(frames(site, file, "10,1,5", OCTETS), (9, 0, 4), strict=True):
        assert kind == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
        assert content == expected[index].tobytes()


def test_stored_frames_come_as_they_are_with_the_media_type_of_their_syntax(site: Site) -> None:
    file = sample("emri_small_RLE.dcm")
    site.have(file)
    held = list(generate_frames(dcmread(file).PixelData, number_of_frames=10))
    got = frames(site, file, "2,3", ANY)
    assert [content for _, content in got] == held[1:3]
    assert {kind for kind, _ in got} == {"image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"}


def test_extended_offset_table_leads_to_each_frame(site: Site) -> None:
    dataset = dcmread(sample("emri_small_RLE.dcm"))
    held = list(generate_frames(dataset.PixelData, number_of_frames=10))
    data, offsets, lengths = encapsulate_extended(held)
    dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = (
        data,
        offsets,
        lengths,
    )
    out = io.BytesIO()
    dataset.save_as(out)
    site.have(out.getvalue())
    assert [content for _, content in frames(site, out.getvalue(), "10,1", ANY)] == [held[9], held[0]]


@pytest.mark.parametrize("numbers", ["0", "-1", "1,,2", "a", "1;2", "1," * 20])
def test_malformed_frame_list_is_refused(site: Site, numbers: str) -> None:
    file = sample("emri_small.dcm")
    site.have(file)
    client = site.client("viewer")
    assert client.get(f"{address_of(file)}/frames/{numbers}", headers=ANY).status_code == 400


def test_frames_that_are_not_there_are_not_found(site: Site) -> None:
    file = sample("emri_small.dcm")
    short = copy_of(file, PixelData=dcmread(file).PixelData[: 3 * 64 * 64 * 2])
    site.have(file, short)
    client = site.client("viewer")
    assert client.get(f"{address_of(file)}/frames/1,11", headers=ANY).status_code == 404
    assert client.get(f"{address_of(short)}/frames/4", headers=ANY).status_code == 404
    assert len(frames(site, short, "3", ANY)) == 1


def test_colour_comes_as_stored_and_is_not_decoded(site: Site) -> None:
    native, compressed = sample("SC_rgb.dcm"), copy_of(sample("SC_rgb_rle.dcm"))
    site.have(native, compressed)
    [(_, content)] = frames(site, native, "1", OCTETS)
    assert content == dcmread(native).PixelData
    answer = site.client("viewer").get(f"{address_of(compressed)}/frames/1", headers=OCTETS)
    assert answer.status_code == 406
    [(kind, _)] = frames(site, compressed, "1", ANY)
    assert kind.startswith("image/dicom-rle")


def test_frames_that_do_not_begin_at_bytes_and_frames_in_other_forms_are_refused(site: Site) -> None:
    file = sample("SC_rgb_rle.dcm")
    bits = copy_of(sample("liver_1frame.dcm"), Rows=511, Columns=511)
    site.have(file, bits)
    client = site.client("viewer")
    assert client.get(f"{address_of(bits)}/frames/1", headers=OCTETS).status_code == 406
    for accept in ("application/dicom", "multipart/related; type=image/jp2", "image/png"):
        answer = client.get(f"{address_of(file)}/frames/1", headers={"Accept": accept})
        assert answer.status_code == 406, accept


def test_bulk_data_stands_at_the_address_that_metadata_names(site: Site, ct_slice: Path) -> None:
    large = changed(ct_slice, EncapsulatedDocument=bytes(range(256)) * 20)
    site.have(large)
    client = site.client("viewer")
    [described] = client.get(address_of(large) + "/metadata").json()
    for tag, value in (("00420011", bytes(range(256)) * 20), ("7FE00010", read(large).PixelData)):
        address = described[tag]["BulkDataURI"]
        [(_, content)] = read_parts(client.get(address, headers=OCTETS))
        assert content == value
    answer = client.get(described["7FE00010"]["BulkDataURI"], headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert client.get(address_of(large) + "/bulkdata/00420012", headers=OCTETS).status_code == 404


def test_big_endian_bulk_data_is_refused_and_its_frames_are_not(site: Site) -> None:
    file = sample("MR_small_bigendian.dcm")
    site.have(file)
    answer = site.client("viewer").get(f"{address_of(file)}/bulkdata/7FE00010", headers=OCTETS)
    assert answer.status_code == 406
    [(_, content)] = frames(site, file, "1", OCTETS)
    assert np.array_equal(np.frombuffer(content, "<i2").reshape(64, 64), dcmread(file).pixel_array)


def test_encapsulated_pixels_as_bulk_data_are_their_frames(site: Site) -> None:
    file = sample("emri_small_RLE.dcm")
    site.have(file)
    answer = site.client("viewer").get(f"{address_of(file)}/bulkdata/7FE00010", headers=ANY)
    held = list(generate_frames(dcmread(file).PixelData, number_of_frames=10))
    assert [content for _, content in read_parts(answer)] == held


def test_study_of_which_a_part_is_gone_is_given_as_partial_content(site: Site, ct_slice: Path) -> None:
    second = copy_of(ct_slice)
    site.have(ct_slice, second)
    study = f"/studies/{dcmread(ct_slice).StudyInstanceUID}"
    client = site.client("viewer")
    with site.store.begin() as tx:
        gone = tx.studies.instance(str(read(second).SOPInstanceUID))
    site.spool.layout.object_path(gone.sha256).unlink()
    answer = client.get(study)
    assert (answer.status_code, len(read_parts(answer))) == (206, 1)
    metadata = client.get(f"{study}/metadata")
    assert (metadata.status_code, len(metadata.json())) == (206, 1)
    assert client.get(address_of(second)).status_code == 404
    assert client.get(address_of(second) + "/frames/1", headers=ANY).status_code == 404


def test_single_instance_is_given_alone_and_in_ranges_of_bytes(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    client, accept = site.client("viewer"), {"Accept": "application/dicom; transfer-syntax=*"}
    whole = client.get(address_of(ct_slice), headers=accept)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/dicom")
    assert read(whole.content) == dcmread(ct_slice)
    part = client.get(address_of(ct_slice), headers=accept | {"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, whole.content[100:300])
