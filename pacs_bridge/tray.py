"""A folder of small JSON documents that survive a crash: what is to be done, one file each.

Names are SHA-256 of a key, so no value of a peer is ever part of one. Threads and processes may share a
tray: every change is one rename.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pacs_bridge.durable import make_private_folder, sync_folder, temporary_name, write_new_file

_UNFINISHED = ".part"
_ABANDONED = timedelta(hours=1)


class Tray:
    """Documents under keys.

    Parameters
    ----------
    folder
        Made when it is not there, with the folder ``dead`` below it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dead = folder / "dead"
        for path in (folder, self.dead):
            if not path.is_dir():
                make_private_folder(path)
                sync_folder(path.parent)

    def path_of(self, *key: str) -> Path:
        """Return where the document of a key lies."""
        return self.folder / f"{hashlib.sha256(chr(31).join(key).encode()).hexdigest()}.json"

    def put(self, path: Path, document: dict[str, Any]) -> None:
        """Write a document, durably, in the place of the one that may be there.

        Raises
        ------
        OSError
            The disk cannot take it; what was there stays.
        """
        temporary = temporary_name(self.folder, _UNFINISHED)
        write_new_file(temporary, json.dumps(document, sort_keys=True).encode() + b"\n")
        try:
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def read(self, path: Path) -> dict[str, Any] | None:
        """Return the document at a path, None when there is none.

        Raises
        ------
        ValueError
            If what lies there is no document.
        """
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        if not isinstance(document, dict):
            raise ValueError("not a document")  # noqa: TRY004 - one error for every damaged file
        return document

    def paths(self) -> list[Path]:
        """Return every document, the one that was written first first."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    with suppress(FileNotFoundError):
                        found.append((entry.stat().st_mtime_ns, Path(entry.path)))
        return [path for _, path in sorted(found)]

    def remove(self, path: Path) -> None:
        """Take a document away; safe to repeat."""
        path.unlink(missing_ok=True)

    def bury(self, path: Path, document: dict[str, Any] | None = None) -> None:
        """Move a document to the dead, as it is or as given; nothing reads it there."""
        if document is None:
            os.replace(path, self.dead / path.name)
            sync_folder(self.dead)
            return
        self.put(self.dead / path.name, document)
        path.unlink(missing_ok=True)

    def is_dead(self, path: Path) -> bool:
        """Tell whether the document of a path was buried."""
        return (self.dead / path.name).is_file()

    def revive(self, path: Path) -> None:
        """Forget that a document was buried."""
        (self.dead / path.name).unlink(missing_ok=True)

    def sweep(self, *, now: datetime) -> int:
        """Remove unfinished files that a killed process left an hour ago or earlier; return how many."""
        unfinished = self.folder.glob(f"*{_UNFINISHED}")
        return sum(_remove_old(path, now - _ABANDONED) for path in unfinished)

    def expire(self, *, before: datetime) -> int:
        """Remove documents that were last written before a time; return how many."""
        return sum(_remove_old(path, before) for path in self.paths())


def _remove_old(path: Path, before: datetime) -> bool:
    try:
        if path.stat().st_mtime >= before.timestamp():
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True
