"""Which studies the requests of processes beside the receiving one still carry (L11).

The receiving process knows its own associations. A process that joined the spool says what it carries in its
workplace: one small file for each study of a request, there before the first instance of that study is
stored, gone when the request has ended. The files count as long as the workplace's lock is held, so that
nothing a killed process left behind keeps a study open.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pacs_bridge.durable import temporary_name
from pacs_bridge.errors import OUT_OF_RESOURCES, Rejected
from pacs_bridge.workplace import is_held, workplaces

MARK = ".study"


class CarriedStudies:
    """The studies of one request; for one thread at a time.

    Parameters
    ----------
    workplace
        Folder of unfinished files of the process, its lock held (`Spool.join`).
    """

    def __init__(self, workplace: Path) -> None:
        self._workplace = workplace
        self._request = secrets.token_hex(8)
        self._marks: dict[str, Path] = {}

    def carry(self, study_uid: str) -> None:
        """Say that the request brings instances of a study; call it before the first is stored.

        Raises
        ------
        Rejected
            Status 0xA700, when the disk does not take the mark.
        """
        if study_uid in self._marks:
            return
        written = temporary_name(self._workplace, ".mark")
        mark = self._workplace / f"{self._request}-{len(self._marks)}{MARK}"
        try:
            written.write_text(study_uid, "ascii")
            os.rename(written, mark)  # whole or not there; a crash ends the lock, so nothing is synced
        except OSError as error:
            written.unlink(missing_ok=True)
            raise Rejected(OUT_OF_RESOURCES, f"the spool cannot take it: {type(error).__name__}") from error
        self._marks[study_uid] = mark

    def close(self) -> None:
        """Say that the request has ended; safe to repeat."""
        for mark in self._marks.values():
            mark.unlink(missing_ok=True)
        self._marks.clear()


def carried_beside(temp: Path) -> frozenset[str]:
    """Return the StudyInstanceUIDs that living processes beside the receiving one carry.

    Parameters
    ----------
    temp
        Folder of unfinished files of the receiving process; the workplaces lie below it.
    """
    uids: set[str] = set()
    for folder in workplaces(temp):
        marks = _marks_in(folder)
        if marks and is_held(folder):
            uids.update(uid for mark in marks if (uid := _read(mark)))
    return frozenset(uids)


def _marks_in(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.endswith(MARK)]
    except FileNotFoundError:
        return []  # its process was gone, and another has just cleared it


def _read(mark: Path) -> str:
    try:
        return mark.read_text("ascii")
    except FileNotFoundError:
        return ""  # the request has just ended
