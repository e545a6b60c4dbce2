"""The file of the routing rules: read whole, written so that a reader sees the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from app.domain.errors import RulesBroken
from app.domain.rules_toml import LARGEST_FILE

State = tuple[int, int, int] | None


def read_file(path: Path) -> bytes:
    """Return the content; empty when there is no file.

    Raises
    ------
    RulesBroken
        If it is there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise RulesBroken(f"{path} cannot be read: {error.strerror}") from None


def state_of(path: Path) -> State:
    """Return what changes when the file does: inode, time and size; None when it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def write_file(path: Path, content: bytes) -> None:
    """Replace the file: the new content is on the disk before its name is.

    Raises
    ------
    OSError
        If the folder cannot be written; the old file is untouched.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
