"""A real reading room as a process of its own, over an embedded database with real studies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.identifiers import derived_uid
from app.domain.intake import ReceivedInstance
from app.domain.report import Report
from app.settings import Destination, Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.supervise import environment_of
from tests.ports import free_port
from tests.postgres import OpenFolder
from tests.ui import seed

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class ReadingRoom:
    """The server; it can be killed and started again on the same port and data."""

    settings: Settings
    log: Path
    process: subprocess.Popen[bytes] | None = None
    command: tuple[str, ...] = ("-m", "app.ui.server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.ui_port}"

    def start(self) -> None:
        """Start, and wait until it answers: without a listener it is never ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                cwd=ROOT,
                env=environment_of(self.settings),
                stdout=log,
                stderr=log,
            )
        wait_for(f"{self.url}/live", self.process, self.log)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None


@dataclass
class House:
    """A reading room with the means to bring studies into it."""

    room: ReadingRoom
    store: Store

    def chest(self, name: str, **changes: Any) -> str:
        """Bring in RG1 as a study of its own with a draft; return the study's UID."""
        lesion = changes.pop("lesion_text", "")
        received, now = self.send(name, "RG1_UNCR.dcm", **changes), seed.now_utc()
        seed.record(self.store, received, seed.chest_draft(received, lesion_text=lesion), now=now)
        return received.study_uid

    def normal(self, name: str, file: str = "RG1_UNCR.dcm", **changes: Any) -> str:
        """Bring in a film as a study of its own with a draft that finds nothing; return the study's UID."""
        received = self.send(name, file, **changes)
        seed.record(self.store, received, seed.normal_draft(), now=seed.now_utc())
        return received.study_uid

    def send(self, name: str, file: str, **changes: Any) -> ReceivedInstance:
        """Spool and index a sample file as an image of the study called `name`."""
        from pydicom.data import get_testdata_file

        path = Path(str(get_testdata_file(file, download=False)))
        uids = {part: derived_uid(name, part) for part in ("study_uid", "series_uid", "sop_uid")}
        known = {"patient_name": f"Reader^{name.title()}", "patient_id": f"ID-{name}"}
        known |= {"birth_date": "19580312", "sex": "F"}
        spool_dir = self.room.settings.spool_dir
        return seed.receive(self.store, spool_dir, path, now=seed.now_utc(), **uids | known | changes)

    def report_of(self, study_uid: str) -> Report:
        """The newest report of a study, as the database has it."""
        with self.store.begin() as tx:
            return tx.reports.get(tx.reports.summaries(study_uid)[-1].report_id)

    def events(self, study_uid: str) -> list[tuple[str, str]]:
        """The audit entries of a study: event and user."""
        from app.domain.audit import AuditFilter

        with self.store.begin() as tx:
            return [(e.event, e.username) for e in tx.audit.stream(AuditFilter(study_uid=study_uid))]


@contextmanager
def open_house(
    log: Path, *, command: tuple[str, ...] = ("-m", "app.ui.server"), **changes: Any
) -> Iterator[House]:
    """Open a house with its people; everything of it is gone afterwards; `changes` are further settings."""
    with OpenFolder() as folder:
        settings = Settings(
            data_dir=folder,
            ui_port=free_port(),
            institution="General Hospital",
            destinations=(Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=4242),),
            **changes,
        )
        upgrade(settings)
        room = ReadingRoom(settings, log, command=command)
        try:
            with open_store(settings) as store:
                seed.add_people(store, now=seed.now_utc())
                room.start()
                yield House(room, store)
        finally:
            room.stop()
            EmbeddedPostgres(settings).stop()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120.0) -> None:
    """Wait until an address answers; fail with the log when the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server has ended:\n{log.read_text(errors='replace')}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer:\n{log.read_text(errors='replace')}")
