"""MLLP framing: blocks of VT ... FS CR on a stream (HL7 v2, Minimal Lower Layer Protocol, release 1).

What a peer can do wrong ends here: bytes between blocks are dropped and counted, a block that begins inside
another abandons the unfinished one (it was never acknowledged, so its sender repeats it), a block that is too
large is read past and handed over as its head alone, and a block has one deadline from its first byte to its
last, however slowly it drips.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from dataclasses import dataclass

START = b"\x0b"
END = b"\x1c\x0d"
LARGEST_BLOCK = 4 * 1024**2
_HEAD = 16 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Block:
    """The content of one block.

    Attributes
    ----------
    content
        Without the framing bytes; of an oversize block the first 16 KiB.
    is_oversize
        The block was larger than the limit.
    """

    content: bytes
    is_oversize: bool = False


def wrap(content: bytes) -> bytes:
    """Return a message as a block for the wire.

    Raises
    ------
    ValueError
        If the content holds a framing byte: it would end the block or begin another.
    """
    if START in content or b"\x1c" in content:
        raise ValueError("an HL7 message holds neither VT nor FS: escape them")
    return START + content + END


class BlockReader:
    """Cuts a stream into blocks; knows neither sockets nor clocks.

    Parameters
    ----------
    largest
        Bytes of content; a block may be `largest` bytes long and no longer.
    """

    def __init__(self, largest: int = LARGEST_BLOCK) -> None:
        self._largest = largest
        self._content = bytearray()
        self._length = 0
        self._ends_with_fs = False
        self._blocks: deque[Block] = deque()
        self.is_inside = False
        self.garbage_bytes = 0
        self.abandoned_blocks = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrive, in pieces of any size."""
        position = 0
        while position < len(data):
            position = self._inside(data, position) if self.is_inside else self._outside(data, position)

    def take(self) -> Block | None:
        """Return the oldest whole block; None when there is none yet."""
        return self._blocks.popleft() if self._blocks else None

    def _outside(self, data: bytes, position: int) -> int:
        start = data.find(START, position)
        end = len(data) if start < 0 else start
        self.garbage_bytes += end - position
        if start < 0:
            return end
        self._begin()
        return start + 1

    def _inside(self, data: bytes, position: int) -> int:
        if self._ends_with_fs:
            self._ends_with_fs = False
            if data[position : position + 1] == END[1:]:
                self._finish()
                return position + 1
            self._keep(b"\x1c")
        stops = [at for at in (data.find(START, position), data.find(END[:1], position)) if at >= 0]
        stop = min(stops, default=len(data))
        self._keep(data[position:stop])
        if stop == len(data):
            return stop
        if data[stop : stop + 1] == START:
            self.abandoned_blocks += 1
            self._begin()
        else:
            self._ends_with_fs = True
        return stop + 1

    def _begin(self) -> None:
        self.is_inside, self._ends_with_fs, self._length = True, False, 0
        self._content = bytearray()

    def _keep(self, piece: bytes) -> None:
        if self._length > self._largest:
            return
        self._length += len(piece)
        self._content += piece[: self._largest - len(self._content)]
        if self._length > self._largest:
            # the rest is read past: the head is enough to refuse the message by its own identifier
            del self._content[_HEAD:]

    def _finish(self) -> None:
        self._blocks.append(Block(bytes(self._content), self._length > self._largest))
        self.is_inside, self._content = False, bytearray()


def receive_block(
    sock: socket.socket, reader: BlockReader, *, idle_seconds: float, block_seconds: float
) -> Block | None:
    """Wait for the next block of a connection.

    Parameters
    ----------
    idle_seconds
        For its first byte; bytes outside of a block do not count as one.
    block_seconds
        From its first byte to its last.

    Returns
    -------
    Block or None
        None when the peer has closed the connection, inside a block or outside.

    Raises
    ------
    TimeoutError
        If nothing came, or not all of it, in time.
    OSError
        If the connection broke.
    """
    block = reader.take()
    deadline = time.monotonic() + (block_seconds if reader.is_inside else idle_seconds)
    while block is None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole block in time")
        sock.settimeout(left)
        data = sock.recv(_CHUNK)
        if not data:
            return None
        was_inside = reader.is_inside
        reader.feed(data)
        if reader.is_inside and not was_inside:
            deadline = time.monotonic() + block_seconds
        block = reader.take()
    return block
