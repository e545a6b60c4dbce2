"""A listener with storage commitment in a process of its own, to be killed; prints its port."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from pacs_bridge import (
    CommitmentLoop,
    CommitmentService,
    FreeSpaceFloor,
    Listener,
    ListenerConfig,
    LoggedCommitments,
    LoggedEvents,
    Peer,
    Spool,
    SpoolSink,
)


def main() -> None:
    folder, port = sys.argv[1:]
    spool = Spool(Path(folder), floor=FreeSpaceFloor(fraction=0.0, size=0))
    spool.recover()
    peers = (Peer("MODALITY1", host="127.0.0.1", port=int(port)),)
    events = LoggedCommitments()
    service = CommitmentService(spool.layout, peers, events)
    config = ListenerConfig(peers=peers, port=0)
    listener = Listener(config, SpoolSink(spool), LoggedEvents(), services=(service,))
    listener.start()
    loop = CommitmentLoop(spool.layout, peers, calling_ae="JANUSMED", events=events, waits=(0.2,) * 100)
    loop.start()
    print(json.dumps({"port": listener.port}), flush=True)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not stopping.wait(0.5):
        # a signal that another thread takes does not wake an endless wait
        continue
    listener.stop()
    loop.stop()


if __name__ == "__main__":
    main()
