"""A receiving process as its parent sees it: started, given connections, listened to, stopped."""

from __future__ import annotations

import json
import logging
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from pacs_bridge.channel import Channel, pack, unpack, unpack_request
from pacs_bridge.desk import FrontDesk
from pacs_bridge.orders import Orders
from pacs_bridge.received import AssociationFacts

LOGGER = logging.getLogger(__name__)
# what a receiving process may tell; rejections are told where they are decided
EVENTS = frozenset(
    {"association_opened", "association_rejected", "association_aborted", "association_closed"}
    | {"handshake_refused", "instance_stored", "instance_refused", "instance_quarantined"}
)
_LARGEST_ORDERS_WAIT = 30.0


class Receiver:
    """One receiving process.

    Parameters
    ----------
    orders
        What it has to do.
    desk
        Answers what it asks.
    inherited
        Descriptors that it keeps open as long as it lives.
    services
        Threads for answers that may take time.
    ended
        Called once, in a thread, when the process is gone.
    """

    def __init__(
        self,
        orders: Orders,
        desk: FrontDesk,
        inherited: tuple[int, ...],
        services: ThreadPoolExecutor,
        ended: Callable[[Receiver], None],
    ) -> None:
        self._desk = desk
        self._services = services
        self._ended = ended
        self._admitted: dict[str, AssociationFacts] = {}
        self._ready = threading.Event()
        self.load = 0
        ours, theirs = socket.socketpair()
        self._gifts, their_gifts = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._gifts.setblocking(False)
        self._channel = Channel(ours)
        with theirs, their_gifts:
            descriptors = (theirs.fileno(), their_gifts.fileno())
            command = [sys.executable, "-m", "pacs_bridge.receiving_process", *map(str, descriptors)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=(*descriptors, *inherited)
            )
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as pipe:
            pickle.dump(orders, pipe)
        self._thread = threading.Thread(target=self._listen, name="receiver", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it can be given connections."""
        return self._ready.is_set() and self._process.poll() is None

    def wait_until_ready(self) -> bool:
        """Wait for its first word; False when that does not come."""
        return self._ready.wait(_LARGEST_ORDERS_WAIT) and self.is_ready

    def give(self, sock: socket.socket, source_address: str, *, encrypted: bool) -> bool:
        """Hand a connection over; False when it cannot take one now."""
        gift = json.dumps({"address": source_address, "encrypted": encrypted}).encode()
        try:
            socket.send_fds(self._gifts, [gift], [sock.fileno()])
        except OSError:
            return False
        self.load += 1
        return True

    def stop(self, timeout: float) -> None:
        """Ask it to stop; `join` waits."""
        with suppress(OSError):
            self._channel.send({"stop": timeout})

    def join(self, timeout: float) -> None:
        """Wait for its end, and kill it when it does not come."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(timeout)

    def _listen(self) -> None:
        for message in self._channel.messages():
            try:
                self._hear(message)
            except (KeyError, TypeError, ValueError):
                LOGGER.exception("receiving_process_unintelligible")
                break
            except OSError:
                break
        self._process.kill()
        self._process.wait()
        for association_id, facts in self._admitted.items():
            self._desk.leave(association_id)
            self._desk.tell("association_aborted", facts, "its receiving process ended")
        self._channel.close()
        self._gifts.close()
        self._ready.set()
        self._ended(self)

    def _hear(self, message: dict[str, Any]) -> None:
        call = message["call"]
        if call == "tell" and message["event"] in EVENTS:
            self._desk.tell(message["event"], *map(unpack, message["arguments"]))
        elif call == "admit":
            self._admit(message)
        elif call == "carry":
            self._desk.carry(message["association"], message["study"])
            self._reply(message, None)
        elif call == "vacate":
            self._desk.vacate(message["association"])
        elif call == "leave":
            self._admitted.pop(message["association"], None)
            self._desk.leave(message["association"])
            self.load -= 1
        elif call == "answer":
            self._services.submit(self._answer, message)
        elif call == "ready":
            self._ready.set()

    def _admit(self, message: dict[str, Any]) -> None:
        facts = unpack(message["facts"])
        rejection = self._desk.admit(facts)
        if rejection is None:
            self._admitted[facts.association_id] = facts
        self._reply(message, pack(rejection))

    def _answer(self, message: dict[str, Any]) -> None:
        with suppress(OSError):
            self._reply(message, self._desk.answer(unpack_request(message["request"])))

    def _reply(self, message: dict[str, Any], value: Any) -> None:
        self._channel.send({"number": message["number"], "value": value})
