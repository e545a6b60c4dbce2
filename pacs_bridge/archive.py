"""A small archive for demonstrations and tests: "the PACS" that images come from and reports go to.

It is the listener with a spool, so what it acknowledges it has. Nothing is ever indexed away.
"""

from __future__ import annotations

import argparse
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from pacs_bridge.admission import Peer
from pacs_bridge.durable import FreeSpaceFloor
from pacs_bridge.errors import BridgeError
from pacs_bridge.listener import Listener
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.listener_events import ListenerEvents, LoggedEvents
from pacs_bridge.sink import SpoolSink
from pacs_bridge.spool import Spool
from pacs_bridge.spool_layout import files_below
from pacs_bridge.spool_record import Record


@dataclass(frozen=True)
class HeldInstance:
    """An instance the archive holds."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str
    path: Path


class Archive:
    """An archive SCP on a folder.

    Parameters
    ----------
    folder
        Its spool; what it held before is still there.
    ae_title
        Its AE title.
    peers
        Who may send; empty means nobody.
    address, port
        Where it listens; port 0 takes a free one.
    events
        Who is told; the log when absent.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "ARCHIVE",
        peers: tuple[Peer, ...] = (),
        address: str = "127.0.0.1",
        port: int = 0,
        events: ListenerEvents | None = None,
    ) -> None:
        # a demonstration must run on a laptop whose disk is nearly full
        self._spool = Spool(folder, floor=FreeSpaceFloor(size=200_000_000))
        config = ListenerConfig(ae_title=ae_title, peers=peers, address=address, port=port)
        self._listener = Listener(config, SpoolSink(self._spool), events or LoggedEvents())

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port

    def start(self) -> None:
        """Take the folder and listen.

        Raises
        ------
        Fatal
            If the folder or the port is in use.
        """
        self._spool.recover()
        self._listener.start()

    def stop(self) -> None:
        """Stop listening and give the folder free."""
        self._listener.stop()
        self._spool.close()

    def holdings(self, modality: str = "") -> list[HeldInstance]:
        """List what is held, oldest first, of one modality when it is given."""
        return holdings(self._spool, modality)


def holdings(spool: Spool, modality: str = "") -> list[HeldInstance]:
    """List what an archive's spool holds, oldest first, of one modality when it is given."""
    records = [Record.decode(Path(e.path).read_bytes()) for e in files_below(spool.layout.records, ".json")]
    found = []
    for record in sorted(records, key=lambda record: record.received_at):
        header = record.header
        if header is not None and modality in {"", header.modality}:
            found.append(
                HeldInstance(
                    header.study_uid,
                    header.series_uid,
                    header.sop_instance_uid,
                    header.sop_class_uid,
                    header.modality,
                    spool.layout.object_path(record.digest),
                )
            )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the archive until SIGTERM or SIGINT, or list what it holds.

    Returns
    -------
    int
        Exit status: 0, or 1 with a message.
    """
    parser = argparse.ArgumentParser(prog="python -m pacs_bridge.archive", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where instances are kept")
    parser.add_argument("--port", type=int, default=11113, help="0 takes a free one")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--ae-title", default="ARCHIVE")
    parser.add_argument("--allow", action="append", default=[], metavar="AE[@NETWORK]", help="who may send")
    parser.add_argument("--list", action="store_true", help="list what is held and exit")
    parser.add_argument("--modality", default="", help="with --list: only this modality, for example SR")
    options = parser.parse_args(arguments)
    if options.list:
        for held in holdings(Spool(options.folder), options.modality):
            print(held.modality, held.study_uid, held.sop_instance_uid, held.path, sep="\t")
        return 0
    try:
        _serve(options)
    except (BridgeError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    return 0


def _serve(options: argparse.Namespace) -> None:
    archive = Archive(
        options.folder,
        ae_title=options.ae_title,
        peers=tuple(Peer.parse(text) for text in options.allow),
        address=options.address,
        port=options.port,
    )
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    archive.start()
    print(f"{options.ae_title} listens on {options.address}:{archive.port}", flush=True)
    while not stopping.wait(0.5):
        # a signal that another thread takes does not wake an endless wait
        continue
    archive.stop()


if __name__ == "__main__":
    raise SystemExit(main())
