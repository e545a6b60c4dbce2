"""Decoded images in memory: bounded, decoded once, from where the listener puts them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from app.domain.errors import NotFound
from app.ui.pixels import PixelCache, StoredPixels
from tests.ui.seed import put_into_spool


class CountingDecoder:
    """Returns a kilobyte for every file, slowly, and counts."""

    def __init__(self) -> None:
        self.decoded: list[str] = []

    def start(self) -> None:
        """Always ready."""

    def decode(self, path: Path, frame: int) -> StoredPixels:
        self.decoded.append(path.name)
        time.sleep(0.02)
        return StoredPixels(bytes(1024), {"frame": frame})

    def close(self) -> None:
        self.decoded.clear()


@pytest.fixture
def decoder() -> CountingDecoder:
    return CountingDecoder()


def test_memory_is_bounded_and_the_longest_unused_goes_first(
    tmp_path: Path, decoder: CountingDecoder
) -> None:
    cache = PixelCache(tmp_path / "objects", decoder, memory_bytes=2048)
    first, second, third = (put_into_spool(tmp_path, name) for name in (b"1", b"2", b"3"))
    cache.get(first)
    cache.get(second)
    cache.get(first)
    cache.get(third)
    assert cache.held_bytes == 2048
    cache.get(first)
    assert len(decoder.decoded) == 3
    cache.get(second)
    assert len(decoder.decoded) == 4


def test_twenty_readers_of_one_image_decode_it_once(tmp_path: Path, decoder: CountingDecoder) -> None:
    cache = PixelCache(tmp_path / "objects", decoder)
    digest = put_into_spool(tmp_path, b"image")
    readers = [threading.Thread(target=cache.get, args=(digest,)) for _ in range(20)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(decoder.decoded) == 1


def test_frames_of_one_object_are_apart(tmp_path: Path, decoder: CountingDecoder) -> None:
    cache = PixelCache(tmp_path / "objects", decoder)
    digest = put_into_spool(tmp_path, b"cine")
    assert [cache.get(digest, frame).facts["frame"] for frame in (0, 3, 0)] == [0, 3, 0]


def test_object_that_is_gone_is_not_found(tmp_path: Path, decoder: CountingDecoder) -> None:
    with pytest.raises(NotFound):
        PixelCache(tmp_path / "objects", decoder).get("0" * 64)


def test_objects_lie_where_the_listener_puts_them(tmp_path: Path) -> None:
    """The reading room may not import the bridge, so this holds their two ideas of the spool together."""
    from pacs_bridge.spool import Spool

    spool = Spool(tmp_path)
    spool.recover()
    digest = put_into_spool(tmp_path, b"anything")
    assert spool.open_object(digest) == tmp_path / "objects" / digest[:2] / f"{digest}.dcm"
    spool.close()


def test_pixels_of_a_removed_image_are_forgotten(tmp_path: Path, decoder: CountingDecoder) -> None:
    cache = PixelCache(tmp_path / "objects", decoder)
    first, second, third = (put_into_spool(tmp_path, name) for name in (b"1", b"2", b"3"))
    cache.get(first)
    cache.get(second)
    for digest in (first, second):
        (tmp_path / "objects" / digest[:2] / f"{digest}.dcm").unlink()
    cache.get(third)
    assert cache.held_bytes == 1024, "decoding another image is enough"
    with pytest.raises(NotFound):
        cache.get(first)
