"""Covered: transfer syntaxes, the header held against the bytes, bombs stopped in the sandbox (T20, T21).

Not covered: bombs sent over C-STORE, which the listener's own tests send.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from janus_med.codestream import CodestreamSize, read_codestream_size
from janus_med.decode import Limits
from janus_med.decoding import Decoder
from janus_med.dicom_file import inflate
from janus_med.errors import (
    DecodeFailed,
    ImpossibleSize,
    NoPixelData,
    NotDicom,
    TruncatedFile,
    UnreadableInput,
    UnsupportedImage,
)
from tests.model.input.made import make_radiograph, phantom_chest

REAL = [
    "MR_small_RLE.dcm",
    "JPGExtended.dcm",
    "JPEG-LL.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "JPEGLSNearLossless_16.dcm",
    "emri_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "emri_small_RLE.dcm",
]


def sample(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


@pytest.mark.parametrize("name", REAL)
def test_real_files_of_every_syntax_decode_as_pydicom_does(name: str, decoder: Decoder) -> None:
    expected = pydicom.dcmread(sample(name)).pixel_array
    decoded = decoder.decode(sample(name))
    np.testing.assert_array_equal(decoded.stored, expected[0] if expected.ndim == 3 else expected)
    assert decoded.stored.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_native_syntaxes_keep_every_stored_value(syntax, dtype, save, decoder) -> None:
    pixels = (phantom_chest(64, 51).astype(np.int32) // (32 if dtype == np.uint8 else 1)).astype(dtype)
    ds = make_radiograph(pixels)
    ds.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_array_equal(decoder.decode(save(ds)).stored, pixels)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_compression_keeps_every_stored_value(syntax, save, decoder) -> None:
    pixels = phantom_chest(200, 180)
    ds = make_radiograph(pixels, BitsStored=12, HighBit=11)
    ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(decoder.decode(save(ds)).stored, pixels)


def test_jpeg_2000_twin_of_the_chest_radiograph_has_the_same_pixels(chest_radiograph, decoder) -> None:
    plain, twin = decoder.decode(chest_radiograph), decoder.decode(sample("RG1_J2KR.dcm"))
    np.testing.assert_array_equal(plain.stored, twin.stored)


def test_any_frame_can_be_asked_for(decoder) -> None:
    path = sample("emri_small.dcm")
    frames = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(decoder.decode(path, frame=7).stored, frames[7])
    with pytest.raises(UnsupportedImage, match="there is no frame 99"):
        decoder.decode(path, frame=99)


def test_colour_is_decoded_for_a_viewer_as_rgb(decoder) -> None:
    decoded = decoder.decode(sample("SC_rgb.dcm"))
    assert decoded.stored.shape == (100, 100, 3)
    assert decoded.facts["photometric_interpretation"] == "RGB"


def test_facts_say_what_a_viewer_needs(chest_radiograph, decoder) -> None:
    facts = decoder.decode(chest_radiograph).facts
    assert (facts["rows"], facts["columns"], facts["dtype"]) == (1955, 1841, "<u2")
    assert facts["photometric_interpretation"] == "MONOCHROME1"
    assert facts["windows"] == [{"center": 15000.0, "width": 30000.0}]
    assert facts["spacing_source"] == "none"  # this file declares a PixelSpacing of 0\\0
    assert (facts["minimum"], facts["maximum"]) == (874, 26479)


BAD = {
    "not DICOM": (lambda tmp: write(tmp, b"GIF89a" + b"\0" * 500), NotDicom, "no DICM marker"),
    "empty": (lambda tmp: write(tmp, b""), NotDicom, "no DICM marker"),
    "missing": (lambda tmp: tmp / "x.dcm", NotDicom, "cannot be opened"),
    "a folder": (lambda tmp: tmp, NotDicom, "cannot be opened"),
    "no pixel data": (lambda tmp: broken(tmp, PixelData=None), NoPixelData, "no pixel data"),
    "no rows": (lambda tmp: broken(tmp, Rows=0), ImpossibleSize, "image is empty"),
    "no columns": (lambda tmp: broken(tmp, Rows=0, Columns=0), ImpossibleSize, "0 x 0"),
    "30000 x 30000": (lambda tmp: broken(tmp, Rows=30000, Columns=30000), ImpossibleSize, "30000 x 30000"),
    "more rows than bytes": (lambda tmp: broken(tmp, Rows=4000), TruncatedFile, "of pixels; send it again"),
    "no bits": (lambda tmp: broken(tmp, BitsAllocated=0, BitsStored=0), UnsupportedImage, "bits a pixel"),
    "one bit": (lambda tmp: broken(tmp, BitsAllocated=1, BitsStored=1), UnsupportedImage, "bits a pixel"),
    "no Rows": (lambda tmp: broken(tmp, Rows=None), NotDicom, "Rows is missing"),
    "several Rows": (lambda tmp: broken(tmp, Rows=[60, 60]), NotDicom, "Rows has several values"),
    "palette": (
        lambda tmp: broken(tmp, PhotometricInterpretation="PALETTE COLOR"),
        UnsupportedImage,
        "PALETTE",
    ),
    "many frames": (lambda tmp: broken(tmp, NumberOfFrames=500), TruncatedFile, "of pixels"),
    "cut pixels": (lambda tmp: cut(tmp, 100), TruncatedFile, "of pixels; send it again"),
    "cut header": (lambda tmp: cut(tmp, -300), UnreadableInput, "image.dcm"),
}


def write(folder: Path, data: bytes) -> Path:
    (folder / "image.dcm").write_bytes(data)
    return folder / "image.dcm"


def broken(folder: Path, **attributes: object) -> Path:
    make_radiograph(phantom_chest(64, 60), **attributes).save_as(folder / "image.dcm")
    return folder / "image.dcm"


def cut(folder: Path, length: int) -> Path:
    """Cut bytes off the end (positive), or keep the first ones only (negative)."""
    data = broken(folder).read_bytes()
    return write(folder, data[:-length])


@pytest.mark.covers("T21")
@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_named_with_what_to_do(case: str, tmp_path: Path, decoder: Decoder) -> None:
    make, kind, words = BAD[case]
    path = make(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        decoder.decode(path)
    assert str(caught.value).startswith(f"{path.name}: ")
    assert "Made^Up" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.covers("T20")
def test_deflated_bomb_is_refused_before_it_grows(tmp_path: Path, decoder: Decoder) -> None:
    ds = make_radiograph(np.zeros((8, 8), dtype=np.uint16))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = tmp_path / "bomb.dcm"
    ds.save_as(path, enforce_file_format=True)
    meta_end = 144 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    blank = bytes(2**20)
    bomb = b"".join(deflater.compress(blank) for _ in range(260)) + deflater.flush()
    path.write_bytes(path.read_bytes()[:meta_end] + bomb)
    assert len(bomb) < 2**20
    with pytest.raises(ImpossibleSize, match="inflates to more than 256 MiB"):
        decoder.decode(path)


@pytest.mark.covers("T20")
def test_rle_that_cannot_hold_its_size_is_refused_unread(tmp_path: Path, decoder: Decoder) -> None:
    ds = make_radiograph(np.zeros((8, 8), dtype=np.uint16), Rows=8000, Columns=8000)
    ds.file_meta.TransferSyntaxUID = RLELossless
    ds.PixelData = encapsulate([b"\x02\0\0\0" + b"\x40\0\0\0" + b"\0" * 56 + b"\x81\0" * 500])
    ds["PixelData"].VR = "OB"
    ds.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    with pytest.raises(ImpossibleSize, match="more pixels than its RLE data can hold"):
        decoder.decode(tmp_path / "bomb.dcm")


@pytest.mark.covers("T20")
@pytest.mark.parametrize(
    "name", ["MR_small_jp2klossless.dcm", "JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_codestream_that_claims_another_size_is_refused(name: str, tmp_path: Path, decoder: Decoder) -> None:
    ds = pydicom.dcmread(sample(name))
    ds.Rows, ds.Columns = 512, 512
    ds.save_as(tmp_path / "lie.dcm")
    with pytest.raises(ImpossibleSize, match="but its header says 512 x 512"):
        decoder.decode(tmp_path / "lie.dcm")


@pytest.mark.slow
@pytest.mark.covers("T20")
def test_decode_over_its_memory_is_stopped_and_the_next_one_works(tmp_path: Path) -> None:
    ds = make_radiograph(np.zeros((8000, 8000), dtype=np.uint16))
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    assert len(ds.PixelData) < 2**20
    ds.save_as(tmp_path / "bomb.dcm")
    with Decoder(Limits(memory_bytes=450 * 2**20)) as small:
        before = psutil.Process().memory_info().rss
        with pytest.raises(DecodeFailed, match=r"^bomb\.dcm: "):
            small.decode(tmp_path / "bomb.dcm")
        assert psutil.Process().memory_info().rss - before < 20 * 2**20
        assert small.decode(sample("MR_small.dcm")).stored.shape == (64, 64)
    with Decoder() as normal:
        assert not normal.decode(tmp_path / "bomb.dcm").stored.any()


@pytest.mark.slow
@pytest.mark.covers("T20")
@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(cpu_s=1), "processor time"), (Limits(wall_s=1), "took longer")],
    ids=["processor", "clock"],
)
def test_decode_over_its_time_is_killed_and_the_next_one_works(
    limits: Limits, words: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    ds = make_radiograph(rng.integers(0, 4096, (7000, 7000), dtype=np.uint16))
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)  # noise: many seconds of real work
    ds.save_as(tmp_path / "slow.dcm")
    with Decoder(limits) as strict:
        with pytest.raises(DecodeFailed, match=words):
            strict.decode(tmp_path / "slow.dcm")
        assert strict.decode(sample("MR_small.dcm")).stored.shape == (64, 64)


def test_a_dead_server_is_an_error_once_and_replaced(decoder: Decoder) -> None:
    with Decoder() as own:
        own.decode(sample("MR_small.dcm"))
        own._server.kill()
        own._server.wait()
        with pytest.raises(DecodeFailed, match="decoder"):
            own.decode(sample("MR_small.dcm"))
        assert own.decode(sample("MR_small.dcm")).stored.shape == (64, 64)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with Decoder() as own:
        folder, server = Path(own._folder.name), None
        own.decode(sample("MR_small.dcm"))
        server = own._server.pid
        assert list(folder.iterdir()) == []
    assert not folder.exists()
    assert not psutil.pid_exists(server)


def test_the_server_knows_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANUS_MED_DATABASE_URL", "postgresql://secret@nowhere/x")
    with Decoder() as own:
        own.decode(sample("MR_small.dcm"))
        assert b"secret" not in Path(f"/proc/{own._server.pid}/environ").read_bytes()


def run_command(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "janus_med.decode", *args]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ}, check=False, timeout=60
    )


def test_command_writes_raw_pixels_and_one_line_of_facts(tmp_path: Path) -> None:
    done = run_command(str(sample("CT_small.dcm")), "--out", str(tmp_path / "raw"))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    facts = json.loads(done.stdout)
    stored = np.fromfile(tmp_path / "raw", dtype=facts["dtype"]).reshape(facts["rows"], facts["columns"])
    np.testing.assert_array_equal(stored, pydicom.dcmread(sample("CT_small.dcm")).pixel_array)
    assert (facts["rescale_slope"], facts["rescale_intercept"]) == (1, -1024)
    assert facts["row_spacing"] == pytest.approx(0.661468)


@pytest.mark.parametrize(("name", "status"), [("test-SR.dcm", 5), ("MR_truncated.dcm", 4), ("README.txt", 3)])
def test_command_says_why_not_in_one_line(name: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("not an image")
    path = tmp_path / name if name == "README.txt" else sample(name)
    done = run_command(str(path), "--out", str(tmp_path / "raw"))
    assert done.returncode == status
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert name in done.stderr


def test_command_imports_no_heavy_library() -> None:
    heavy = "{'torch', 'monai', 'transformers'}"
    code = f"import sys, janus_med.decode, janus_med.decode_server; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_codestream_sizes_are_read_from_real_frames() -> None:
    for name in ("MR_small_jp2klossless.dcm", "JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm"):
        ds = pydicom.dcmread(sample(name))
        frame = next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))
        assert read_codestream_size(frame) == CodestreamSize(ds.Rows, ds.Columns, 1)
        for length in range(60):
            read_codestream_size(frame[:length])
    assert read_codestream_size(b"") is None


def test_inflation_of_a_cut_stream_is_an_error(tmp_path: Path) -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflater.compress(bytes(range(256)) * 50) + deflater.flush()
    path = write(tmp_path, data[:-5])
    with path.open("rb") as stream, pytest.raises(TruncatedFile, match="end too early"):
        inflate("x", stream, 2**20, partly=True)


@pytest.mark.slow
@pytest.mark.covers("T21")
@pytest.mark.parametrize("name", [*REAL[:2], "JPEG-LL.dcm", *REAL[5:8], "image_dfl.dcm"])
def test_mutated_file_is_pixels_or_a_named_error(name: str, tmp_path: Path, decoder: Decoder) -> None:
    original, path = sample(name).read_bytes(), tmp_path / "mutant.dcm"
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        data = bytearray(original)
        for position in rng.integers(132, len(data), rng.integers(1, 30)):
            data[position] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            decoded = decoder.decode(path)
        except UnreadableInput as error:
            refused += str(error).startswith("mutant.dcm: ")
        else:
            assert decoded.stored.shape[:2] == (decoded.facts["rows"], decoded.facts["columns"])
            continue
    assert refused > 0


def test_jpeg_baseline_is_read(save, decoder) -> None:
    from io import BytesIO

    from PIL import Image

    picture = (phantom_chest(120, 100) // 16).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    ds = make_radiograph(picture)
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.PixelData = encapsulate([buffer.getvalue()])
    ds["PixelData"].VR = "OB"
    difference = decoder.decode(save(ds)).stored.astype(int) - picture
    assert np.abs(difference).mean() < 3
