"""A listener in a process of its own, to be killed: prints its port, and what its janitor found."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from pacs_bridge import FreeSpaceFloor, Listener, ListenerConfig, LoggedEvents, Peer, Spool, SpoolSink


def main() -> None:
    spool = Spool(Path(sys.argv[1]), floor=FreeSpaceFloor(fraction=0.0, size=0))
    report = spool.recover()
    config = ListenerConfig(peers=(Peer("MODALITY1"), Peer("STORESCU")), port=0)
    listener = Listener(config, SpoolSink(spool), LoggedEvents())
    listener.start()
    print(json.dumps({"pid": os.getpid(), "port": listener.port, "report": asdict(report)}), flush=True)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not stopping.wait(0.5):
        # a signal that another thread takes does not wake an endless wait
        continue
    listener.stop()


if __name__ == "__main__":
    main()
