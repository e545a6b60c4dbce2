"""Decoding ahead: what a case shows first, in the background, without taking the decoders from a reader.

Not covered: whether the next case comes sooner (`bench.reading`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.study import Instance
from app.services.decoder import PixelsUnreadable
from app.ui.pixels import PixelCache, StoredPixels
from app.ui.warming import Warming, shown_first
from tests.ui.seed import put_into_spool

IMAGE = Instance(
    "1.2.3", "1.2", "1.2.1", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.1.2.1", "CR", 1,
    100, 80, "", 16000, 1, datetime(2026, 11, 27, tzinfo=UTC),
)  # fmt: skip


class Gate:
    """A decoder that decodes when it is let, and says what it was given."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.decoded: list[str] = []
        self.is_started = False

    def start(self) -> None:
        self.is_started = True

    def decode(self, path: Path, frame: int) -> StoredPixels:
        self.begun.set()
        assert self.open.wait(10)
        self.decoded.append(path.stem)
        if path.read_bytes() == b"broken":
            raise PixelsUnreadable("the image is broken")
        return StoredPixels(b"pixels", {"frame": frame})

    def close(self) -> None:
        self.open.set()


@pytest.fixture
def decoders() -> Iterator[tuple[Gate, Gate]]:
    pair = Gate(), Gate()
    yield pair
    for decoder in pair:
        decoder.close()


def test_wish_is_decoded_in_the_background_and_the_reader_gets_it_at_once(
    tmp_path: Path, decoders: tuple[Gate, Gate]
) -> None:
    cache = PixelCache(tmp_path / "objects", *decoders)
    warming = Warming(cache)
    first, second = (replace(IMAGE, sha256=put_into_spool(tmp_path, name)) for name in (b"1", b"2"))
    warming.soon(lambda: [first, second])
    for decoder in decoders:
        decoder.open.set()
    warming.finish()
    assert sorted(decoders[0].decoded + decoders[1].decoded) == sorted([first.sha256, second.sha256])
    assert cache.get(first.sha256).data == b"pixels"
    assert len(decoders[0].decoded + decoders[1].decoded) == 2, "nothing is decoded twice"
    assert all(decoder.is_started for decoder in decoders)


def test_what_cannot_be_decoded_or_found_does_not_end_it(tmp_path: Path, decoders: tuple[Gate, Gate]) -> None:
    cache = PixelCache(tmp_path / "objects", *decoders)
    warming = Warming(cache)
    broken, good = (replace(IMAGE, sha256=put_into_spool(tmp_path, name)) for name in (b"broken", b"good"))

    def fail() -> list[Instance]:
        raise OSError("the database is away")

    for decoder in decoders:
        decoder.open.set()
    warming.soon(fail)
    warming.soon(lambda: [broken])
    warming.soon(lambda: [good])
    warming.finish()
    assert cache.held_bytes == len(b"pixels")


def test_last_free_decoder_is_left_to_readers(tmp_path: Path, decoders: tuple[Gate, Gate]) -> None:
    cache = PixelCache(tmp_path / "objects", *decoders)
    asked, ahead = (put_into_spool(tmp_path, name) for name in (b"asked", b"ahead"))
    reader = threading.Thread(target=cache.get, args=(asked,))
    reader.start()
    assert any(decoder.begun.wait(5) for decoder in decoders[::-1])
    cache.warm(ahead)  # returns at once: one decoder is busy, the other is for whoever comes
    for decoder in decoders:
        decoder.open.set()
    reader.join(10)
    assert decoders[0].decoded + decoders[1].decoded == [asked]


def test_readers_of_two_images_do_not_wait_for_each_other(
    tmp_path: Path, decoders: tuple[Gate, Gate]
) -> None:
    cache = PixelCache(tmp_path / "objects", *decoders)
    digests = [put_into_spool(tmp_path, name) for name in (b"one", b"two")]
    readers = [threading.Thread(target=cache.get, args=(digest,)) for digest in digests]
    for reader in readers:
        reader.start()
    assert all(decoder.begun.wait(5) for decoder in decoders)
    for decoder in decoders:
        decoder.open.set()
    for reader in readers:
        reader.join(10)
    assert cache.held_bytes == 2 * len(b"pixels")


def test_all_who_wait_for_one_image_hear_why_it_cannot_be_shown(
    tmp_path: Path, decoders: tuple[Gate, Gate]
) -> None:
    cache = PixelCache(tmp_path / "objects", *decoders)
    digest, reasons = put_into_spool(tmp_path, b"broken"), []

    def ask() -> None:
        with pytest.raises(PixelsUnreadable) as refused:
            cache.get(digest)
        reasons.append(str(refused.value))

    readers = [threading.Thread(target=ask) for _ in range(3)]
    for reader in readers:
        reader.start()
    for decoder in decoders:
        decoder.open.set()
    for reader in readers:
        reader.join(10)
    assert reasons == ["the image is broken"] * 3


def test_a_study_is_opened_with_its_radiographs_or_with_the_first_of_each_stack() -> None:
    films = [replace(IMAGE, sop_uid=f"1.{number}") for number in range(4)]
    report = replace(IMAGE, sop_uid="9", rows=None, columns=None)
    assert shown_first([*films, report]) == tuple(films)
    stacks = [
        replace(IMAGE, sop_uid=f"{series}.{number}", series_uid=str(series))
        for series in (1, 2)
        for number in range(300)
    ]
    assert [image.sop_uid for image in shown_first(stacks)] == ["1.0", "2.0"]
