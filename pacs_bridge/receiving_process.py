"""A receiving process: ``python -m pacs_bridge.receiving_process CONTROL CONNECTIONS``, started by a parent.

It inherits two sockets: one to talk to the parent, one over which the parent gives it connections. It ends
when the parent says so, and at once when the parent is gone: what it has acknowledged is durable.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import sys
import threading
from datetime import UTC, datetime

from pacs_bridge.channel import Channel
from pacs_bridge.orders import Orders
from pacs_bridge.receiving import Receiving
from pacs_bridge.reclaiming import freeze_what_is_loaded
from pacs_bridge.remote_desk import RemoteDesk
from pacs_bridge.sink import SpoolSink
from pacs_bridge.spool import Spool


def main() -> None:
    """Receive until the parent says stop or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # they reach the whole group; the parent decides what they mean
        signal.signal(number, signal.SIG_IGN)
    control, connections = (socket.socket(fileno=int(text)) for text in sys.argv[1:3])
    # the orders are the parent's own words, over a pipe that nobody else can write to
    orders: Orders = pickle.load(sys.stdin.buffer)  # noqa: S301  # nosec B301
    channel = Channel(control)
    desk = RemoteDesk(channel)
    sink = SpoolSink(Spool(orders.spool, floor=orders.floor))
    receiving = Receiving(orders.config, sink, desk, orders.service_classes, lambda: datetime.now(UTC))
    receiving.start()
    threading.Thread(target=_take, args=(connections, receiving), name="connections", daemon=True).start()
    freeze_what_is_loaded()
    channel.send({"call": "ready"})
    for message in channel.messages():
        if "stop" in message:
            threading.Thread(target=_stop, args=(receiving, float(message["stop"])), daemon=True).start()
        else:
            desk.settle(message["number"], message["value"])
    os._exit(1)


def _take(connections: socket.socket, receiving: Receiving) -> None:
    """Attend each connection that the parent gives."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(connections, 4096, 1)
        if not data:
            return
        given = json.loads(data)
        sock = socket.socket(fileno=descriptors[0])
        sock.setblocking(False)
        receiving.attend(sock, given["address"], encrypted=given["encrypted"])


def _stop(receiving: Receiving, timeout: float) -> None:
    receiving.stop(timeout)
    os._exit(0)


if __name__ == "__main__":
    main()
