"""Overlay planes (PS3.3 C.9.2) as the sandbox reads them out of files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite

from janus_med.frame import decode_frame
from tests.films import make_film

ROWS, COLUMNS = 7, 9  # 63 bits: a second frame begins within a byte


def drawn(*places: tuple[int, int]) -> np.ndarray:
    """A plane with these pixels set."""
    plane = np.zeros((ROWS, COLUMNS), np.uint8)
    for row, column in places:
        plane[row, column] = 1
    return plane


def add_plane(image: Dataset, group: int, *planes: np.ndarray, **changes: Any) -> None:
    """Put an overlay into a data set; `changes` are elements by their number."""
    data = np.packbits(np.concatenate([plane.ravel() for plane in planes]), bitorder="little").tobytes()
    elements = {
        "0010": ("US", planes[0].shape[0]),
        "0011": ("US", planes[0].shape[1]),
        "0040": ("CS", "G"),
        "0050": ("SS", [1, 1]),
        "0100": ("US", 1),
        "0102": ("US", 0),
        "3000": ("OW", data + b"\0" * (len(data) % 2)),
    }
    for number, (kind, value) in (elements | changes).items():
        image.add_new(group << 16 | int(number, 16), kind, value)


def counted(path: Path, *planes: np.ndarray, **changes: Any) -> tuple[int, int]:
    """How many planes of a film are shown, and how many are left out."""
    planes_of(path, *planes, **changes)
    facts = decode_frame(path / "overlay.dcm", path / "out.raw")
    return len(facts["overlay_planes"]), facts["overlay_planes_left_out"]


def planes_of(path: Path, *planes: np.ndarray, group: int = 0x6000, **changes: Any) -> list[dict[str, Any]]:
    """What comes out of a small film with one overlay."""
    image = dcmread(make_film(path / "film.dcm", rows=40, columns=40, at=(20, 20)))
    add_plane(image, group, *planes, **changes)
    dcmwrite(path / "overlay.dcm", image)
    return decode_frame(path / "overlay.dcm", path / "out.raw")["overlay_planes"]


def pixels(plane: dict[str, Any]) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(plane["bits_base64"]), np.uint8), bitorder="little")
    return bits[: plane["rows"] * plane["columns"]].reshape(plane["rows"], plane["columns"])


def test_plane_arrives_bit_by_bit_with_its_place(tmp_path: Path) -> None:
    plane = drawn((0, 0), (3, 8), (6, 1))
    [read] = planes_of(tmp_path, plane, group=0x6004, **{"0040": ("CS", "R"), "0050": ("SS", [4, -2])})
    np.testing.assert_array_equal(pixels(read), plane)
    assert (read["group"], read["kind"], read["top"], read["left"]) == (2, "R", 3, -3)


def test_film_without_planes_has_none(tmp_path: Path) -> None:
    assert decode_frame(make_film(tmp_path / "film.dcm"), tmp_path / "out.raw")["overlay_planes"] == []


def test_frames_of_an_overlay_belong_to_frames_of_the_image(tmp_path: Path) -> None:
    image = dcmread(make_film(tmp_path / "film.dcm", rows=40, columns=40, at=(20, 20)))
    image.NumberOfFrames, image.PixelData = 4, image.PixelData * 4
    first, second = drawn((1, 1)), drawn((6, 8), (0, 3))
    add_plane(image, 0x6000, first, second, **{"0015": ("IS", 2), "0051": ("US", 2)})
    add_plane(image, 0x6002, first)
    dcmwrite(tmp_path / "frames.dcm", image)
    seen = []
    for frame in range(4):
        facts = decode_frame(tmp_path / "frames.dcm", tmp_path / "out.raw", frame=frame)
        seen.append([(plane["group"], pixels(plane).tolist()) for plane in facts["overlay_planes"]])
    every = (1, first.tolist())
    assert seen == [[every], [(0, first.tolist()), every], [(0, second.tolist()), every], [every]]


def test_planes_that_are_short_or_too_large_or_have_no_size_are_left_out(tmp_path: Path) -> None:
    plane = drawn((1, 1))
    large = np.ones((200, 200), np.uint8)  # 5,000 bytes over 40 x 40 pixels
    assert counted(tmp_path, plane, **{"3000": ("OW", b"\1\0")}) == (0, 1)
    assert counted(tmp_path, plane, **{"0010": ("US", 0)}) == (0, 1)
    assert counted(tmp_path, plane, **{"0015": ("IS", 3)}) == (0, 1)
    assert counted(tmp_path, plane, **{"0100": ("US", 16)}) == (0, 1), "a plane within the pixels"
    assert counted(tmp_path, large) == (0, 1)
    assert counted(tmp_path, plane) == (1, 0)
    assert counted(tmp_path, plane, **{"0015": ("IS", 1), "0051": ("US", 2)}) == (0, 0), "of another frame"
