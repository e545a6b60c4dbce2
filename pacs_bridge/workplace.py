"""Unfinished files of a process that stores beside the receiving one: a folder of its own, held by a lock.

The janitor of the receiving process deletes what a crash left in ``temp/``. It must not take the files of a
process that lives, so each such process works in a folder below ``temp/`` whose lock (flock) it holds; the
lock ends with the process, however that ends. Objects and records are placed by rename and link, so that
two processes exclude each other as two threads do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from pacs_bridge.durable import make_private_folder, temporary_name

_SUFFIX = ".process"


def take_workplace(temp: Path) -> tuple[Path, int]:
    """Make a folder below `temp` and hold its lock; folders of processes that are gone are deleted.

    Returns
    -------
    tuple of Path and int
        The folder, and the descriptor that holds the lock until it is closed.
    """
    for entry in workplaces(temp):
        clear_workplace(entry)
    while True:
        folder = temporary_name(temp, _SUFFIX)
        make_private_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_still_there(folder, descriptor):
            return folder, descriptor
        # a janitor came between making and locking; nothing was in the folder yet
        os.close(descriptor)


def workplaces(temp: Path) -> list[Path]:
    """Return the folders of processes, those that are gone among them."""
    return list(temp.glob(f"*{_SUFFIX}"))


def is_held(folder: Path) -> bool:
    """Tell whether the process of a folder lives."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def clear_workplace(folder: Path) -> int:
    """Delete the folder of a process that is gone, and tell how many files it held; leave one that lives."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    else:
        count = len(list(folder.glob("*.part"))) + len(list(folder.glob("*.json")))
        shutil.rmtree(folder)
        return count
    finally:
        os.close(descriptor)


def _is_still_there(folder: Path, descriptor: int) -> bool:
    try:
        named = os.stat(folder)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))
