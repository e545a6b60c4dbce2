"""Mutated associations against a living listener: `python -m tests.fuzz.live [--associations N] [--seed N]`.

Every sender replays a whole session with some of its bytes changed, dropped, doubled or moved, reads what
comes back and goes away. In between a good peer must be answered, always. At the end the listener must be
the same process, with no more threads, descriptors and files than before.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.bridge.peers import echo_works
from tests.bridge.test_kill import start
from tests.fuzz.targets import session

_SENDERS = 8
_GOOD_EVERY = 250


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to six changes."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(changed))
        length = min(chance.choice((1, 1, 2, 4, 16, 64)), len(changed) - place)
        act = chance.randrange(5)
        if act == 0:
            changed[place] = chance.randrange(256)
        elif act == 1:
            changed[place : place + length] = chance.randbytes(length)
        elif act == 2:
            del changed[place : place + length]
        elif act == 3:
            changed[place:place] = changed[place : place + length]
        else:
            changed[place : place + length] = b"\xff" * length
        if not changed:
            return b"\0"
    return bytes(changed)


def attack(port: int, data: bytes) -> int:
    """Send the bytes, read until the peer has nothing more to say, go away; returns the bytes read."""
    read = 0
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(data)
        with suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
        peer.settimeout(2)
        while piece := peer.recv(65_536):
            read += len(piece)
    return read


def run(associations: int, seed: int, folder: Path) -> dict[str, object]:
    """Attack a listener of its own in `folder` and return the figures."""
    process, hello = start(folder)
    port, watched = int(hello["port"]), psutil.Process(process.pid)
    valid, numbers, lock = session(), iter(range(associations)), threading.Lock()
    good, refused, answered = 0, 0, 0
    assert echo_works(port)
    before = (watched.memory_info().rss, watched.num_threads(), watched.num_fds())
    began = time.monotonic()

    def send() -> None:
        nonlocal good, refused, answered
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            chance = random.Random(f"{seed}/{number}")
            read = attack(port, mutate(valid, chance))
            with lock:
                answered += bool(read)
            if number % _GOOD_EVERY == 0:
                works = echo_works(port)
                with lock:
                    good, refused = good + works, refused + (not works)

    senders = [threading.Thread(target=send) for _ in range(_SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    seconds = time.monotonic() - began
    alive = process.poll() is None
    _settle(watched, before)
    after = (watched.memory_info().rss, watched.num_threads(), watched.num_fds())
    temporary = len(list((folder / "temp").iterdir())) if (folder / "temp").is_dir() else 0
    process.terminate()
    process.wait(30)
    return {
        "associations": associations,
        "seed": seed,
        "per_second": round(associations / seconds),
        "answered": answered,
        "good_peer_served": good,
        "good_peer_refused": refused,
        "alive": alive,
        "rss_growth_mb": round((after[0] - before[0]) / 2**20, 1),
        "threads_delta": after[1] - before[1],
        "descriptors_delta": after[2] - before[2],
        "temporary_files": temporary,
    }


def _settle(watched: psutil.Process, before: tuple[int, int, int]) -> None:
    """Give the listener the time that a peer has for its last words."""
    for _ in range(150):
        if watched.num_fds() <= before[2] and watched.num_threads() <= before[1]:
            return
        time.sleep(0.1)


def main() -> None:
    """Attack and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--associations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(options.associations, options.seed, Path(folder, "spool"))))


if __name__ == "__main__":
    main()
