"""A listener in a process of its own, to be killed: prints its port, and what its janitor found."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from pacs_bridge import (
    FreeSpaceFloor,
    Listener,
    ListenerConfig,
    ListenerGroup,
    LoggedEvents,
    Peer,
    Spool,
    SpoolSink,
)
from pacs_bridge.reclaiming import freeze_what_is_loaded


def main() -> None:
    spool = Spool(Path(sys.argv[1]), floor=FreeSpaceFloor(fraction=0.0, size=0))
    report = spool.recover(patience=5.0)
    processes = int(sys.argv[2])
    config = ListenerConfig(peers=(Peer("MODALITY1"), Peer("STORESCU")), port=0)
    listener: Listener | ListenerGroup
    if processes > 1:
        listener = ListenerGroup(config, spool, LoggedEvents(), processes=processes)
    else:
        listener = Listener(config, SpoolSink(spool), LoggedEvents())
    listener.start()
    freeze_what_is_loaded()
    hello = {"pid": os.getpid(), "port": listener.port, "report": asdict(report)}
    hello["children"] = listener.process_ids if isinstance(listener, ListenerGroup) else ()
    print(json.dumps(hello), flush=True)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not stopping.wait(0.5):
        # a signal that another thread takes does not wake an endless wait
        continue
    listener.stop()


if __name__ == "__main__":
    main()
