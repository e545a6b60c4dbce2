"""MLLP framing: what comes out of a stream that is cut anywhere and holds anything.

Covered: round trips in pieces of any size, garbage between blocks, a block that begins inside another,
oversize blocks, the deadline of a block that drips.
Not covered here: what a message means (`test_hl7_message.py`) and how it is answered (`test_mllp.py`).
"""

from __future__ import annotations

import itertools
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs_bridge.mllp_framing import Block, BlockReader, receive_block, wrap

contents = st.binary(max_size=80).map(lambda data: data.replace(b"\x0b", b"").replace(b"\x1c", b""))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The stream as it arrives: cut at some places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def read_all(pieces: list[bytes], largest: int = 1000) -> tuple[list[Block], BlockReader]:
    reader, blocks = BlockReader(largest), []
    for piece in pieces:
        reader.feed(piece)
        while (block := reader.take()) is not None:
            blocks.append(block)
    return blocks, reader


@given(st.lists(contents, max_size=5), st.lists(st.integers(min_value=0), max_size=12))
def test_messages_come_out_as_they_went_in_wherever_the_stream_is_cut(
    messages: list[bytes], places: list[int]
) -> None:
    stream = b"".join(wrap(message) for message in messages)

    blocks, reader = read_all(cut(stream, places))

    assert [block.content for block in blocks] == messages
    assert not reader.is_inside
    assert reader.garbage_bytes == 0


@given(contents, st.binary(max_size=40).map(lambda data: data.replace(b"\x0b", b"")))
def test_bytes_between_blocks_are_dropped_and_counted(message: bytes, garbage: bytes) -> None:
    blocks, reader = read_all([garbage + wrap(message) + garbage + wrap(message)])

    assert [block.content for block in blocks] == [message, message]
    assert reader.garbage_bytes == 2 * len(garbage)


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=8))
def test_how_a_stream_is_cut_never_changes_what_comes_out(stream: bytes, places: list[int]) -> None:
    assert read_all(cut(stream, places), 20)[0] == read_all([stream], 20)[0]


def test_a_block_that_begins_inside_another_abandons_the_first() -> None:
    blocks, reader = read_all([b"\x0bMSH|unfinished" + wrap(b"MSH|whole")])

    assert [block.content for block in blocks] == [b"MSH|whole"]
    assert reader.abandoned_blocks == 1


def test_fs_without_cr_does_not_end_a_block() -> None:
    blocks, _ = read_all([b"\x0ba\x1c", b"b\x1c\x1c", b"\r"])

    assert [block.content for block in blocks] == [b"a\x1cb\x1c"]


def test_an_oversize_block_is_read_past_and_keeps_its_head_only() -> None:
    blocks, _ = read_all([wrap(b"MSH" + b"x" * 20_000_000) + wrap(b"next")], largest=1_000_000)

    assert blocks[0].is_oversize
    assert blocks[0].content.startswith(b"MSHx")
    assert len(blocks[0].content) <= 16 * 1024
    assert blocks[1] == Block(b"next")


def test_a_block_of_exactly_the_limit_is_whole() -> None:
    blocks, _ = read_all([wrap(b"x" * 20) + wrap(b"x" * 21)], largest=20)

    assert [(len(block.content), block.is_oversize) for block in blocks] == [(20, False), (20, True)]


@pytest.mark.parametrize("content", [b"a\x0bb", b"a\x1cb"])
def test_framing_bytes_are_never_sent_inside_a_block(content: bytes) -> None:
    with pytest.raises(ValueError, match="neither VT nor FS"):
        wrap(content)


def test_a_block_that_drips_is_ended_by_its_deadline() -> None:
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def drip() -> None:
        theirs.sendall(b"\x0bMSH")
        while not stop.wait(0.02):
            theirs.sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with pytest.raises(TimeoutError):
            receive_block(ours, BlockReader(), idle_seconds=60, block_seconds=0.3)
    finally:
        stop.set()
        dripping.join()
        ours.close()
        theirs.close()


def test_a_peer_that_leaves_inside_a_block_leaves_nothing() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"\x0bMSH|half")
    theirs.close()

    assert receive_block(ours, BlockReader(), idle_seconds=5, block_seconds=5) is None
    ours.close()
