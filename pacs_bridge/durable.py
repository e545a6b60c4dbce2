"""The file operations durability is made of: private folders, fsync of files and folders, exclusive links."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacs_bridge.errors import OUT_OF_RESOURCES, Rejected

PRIVATE_FOLDER = 0o700
UNFINISHED = 0o600
FINISHED = 0o400


def make_private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter, whatever the umask."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    path.chmod(PRIVATE_FOLDER)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new_file(path: Path, *parts: bytes | memoryview, sync: bool = True) -> None:
    """Write a file that must not exist, and fsync it if `sync`; nothing of it stays when the disk is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, UNFINISHED)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for part in parts:
                write_all(file, part)
            if sync:
                os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_all(file: Any, data: bytes | memoryview) -> None:
    """Write every byte to an unbuffered file (one `write` may take fewer: PS POSIX.1 write)."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def link_once(source: Path, target: Path) -> bool:
    """Give a file a second name; False when the name is taken. Exclusive between threads and processes."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    return True


def lock_file(descriptor: int) -> bool:
    """Lock an open file for this process and those that inherit it; False when another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def temporary_name(folder: Path, suffix: str) -> Path:
    """Return a fresh name in the folder of unfinished files."""
    return folder / f"{secrets.token_hex(16)}{suffix}"


@dataclass(frozen=True)
class FreeSpaceFloor:
    """The low-water mark of a disk: below it nothing new is taken.

    Parameters
    ----------
    fraction
        Of the size of the file system.
    size
        Bytes; the smaller of both counts.
    usage
        Gives ``total`` and ``free`` bytes of the file system that holds a path.
    """

    fraction: float = 0.10
    size: int = 5_000_000_000
    usage: Callable[[Path], Any] = shutil.disk_usage

    def check(self, folder: Path, incoming: int = 0) -> None:
        """Refuse when storing `incoming` bytes would leave less than the floor.

        Raises
        ------
        Rejected
            Status 0xA700, which tells the sender to try later (PS3.4 B.2.3).
        """
        usage = self.usage(folder)
        floor = min(self.fraction * usage.total, self.size)
        if usage.free - incoming < floor:
            raise Rejected(OUT_OF_RESOURCES, "the disk of the spool is below its low-water mark")
