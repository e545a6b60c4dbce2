"""A server on loopback with DICOMweb, over a real database and spool, and the intake that indexes it."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from psycopg import sql
from pydicom.data import get_testdata_file
from starlette.applications import Starlette

from app.dicomweb.routes import dicomweb_routes
from app.domain.audit import AuditEntry, AuditFilter
from app.neighbours import DicomwebClient
from app.services.decoder import DecoderProcess
from app.settings import Settings
from app.store.engine import Store
from app.ui.middleware import room_middleware
from app.ui.pixels import PixelCache
from app.ui.room import Room
from app.workers.intake_loop import IntakeLoop
from app.workers.listener_audit import ListenerAudit
from pacs_bridge import FreeSpaceFloor, Spool
from tests.dicomweb.bodies import multipart
from tests.postgres import Database
from tests.ui import seed

TOKENS = {"modality": "store-only-token", "viewer": "read-only-token", "both": "read-and-store-token"}
JSON = {"Accept": "application/dicom+json"}


def sample(name: str) -> Path:
    """Return one of pydicom's test files."""
    path = get_testdata_file(name, download=False)
    assert path, name
    return Path(str(path))


def clients() -> tuple[DicomwebClient, ...]:
    rights = {"modality": (True, False), "viewer": (False, True), "both": (True, True)}
    return tuple(
        DicomwebClient(
            name=name,
            token_sha256=hashlib.sha256(TOKENS[name].encode()).hexdigest(),
            may_store=store,
            may_read=read,
        )
        for name, (store, read) in rights.items()
    )


@dataclass
class Site:
    """A server and what stands behind it.

    Attributes
    ----------
    spool
        The receiving process's own, which intake reads.
    heard
        Number of events in the audit log, which is never emptied, when the test began.
    """

    room: Room
    spool: Spool
    origin: str
    sessions: list[httpx.Client] = field(default_factory=list)
    heard: int = 0

    @property
    def store(self) -> Store:
        return self.room.store

    @property
    def url(self) -> str:
        return f"{self.origin}/dicomweb"

    def client(self, token: str = "both", **headers: str) -> httpx.Client:
        """A client with a bearer token; without one for an empty name."""
        given = {"Authorization": f"Bearer {TOKENS[token]}"} if token else {}
        # no TLS here, and reading the certificates of the machine takes longer than most tests
        client = httpx.Client(base_url=self.url, headers=given | headers, timeout=60, verify=False)
        self.sessions.append(client)
        return client

    def stow(self, *files: Path | bytes, study: str = "", **body: Any) -> httpx.Response:
        """Store files as a client would."""
        content, content_type = multipart(files, **body)
        path = f"/studies/{study}" if study else "/studies"
        return self.client().post(path, content=content, headers=JSON | {"Content-Type": content_type})

    def have(self, *files: Path | bytes) -> None:
        """Store files and index them."""
        answer = self.stow(*files)
        assert answer.status_code == 200, answer.text
        self.intake()

    def intake(self) -> None:
        """Index everything that lies in the spool, as the listener process does."""
        loop = IntakeLoop(
            spool=self.spool,
            audit=ListenerAudit(),
            connect=lambda: self.room.store,
            open_studies=frozenset,
            quiet_seconds=0.0,
        )
        loop.step()
        loop.step()  # what the first one indexed is quiet now

    def events(self) -> list[AuditEntry]:
        """What the audit log holds since the test began."""
        with self.store.begin() as tx:
            return list(tx.audit.stream(AuditFilter()))[self.heard :]

    def begin(self) -> None:
        """Start a test."""
        self.heard = 0
        self.heard = len(self.events())

    def hang_up(self) -> None:
        """Close the clients of a test."""
        for client in self.sessions:
            client.close()
        self.sessions.clear()


@pytest.fixture(scope="session")
def decoder() -> Iterator[DecoderProcess]:
    process = DecoderProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def running(
    module_database: Database, decoder: DecoderProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A running server with people and machines that may call it; one for all tests of a module."""
    store, data_dir = module_database.store, tmp_path_factory.mktemp("site")
    settings = Settings(data_dir=data_dir, dicomweb=True, dicomweb_clients=clients(), free_space_floor_gb=0.0)
    spool = Spool(settings.spool_dir, floor=FreeSpaceFloor(size=0))
    spool.recover()
    seed.add_people(store, now=datetime.now(UTC))
    room = Room(store, settings, PixelCache(settings.spool_dir / "objects", decoder))
    app = Starlette(routes=dicomweb_routes(room), middleware=room_middleware(room))
    with serving(app) as origin:
        yield Site(room, spool, origin)
    spool.close()


@pytest.fixture
def site(running: Site, module_database: Database) -> Iterator[Site]:
    """The module's server with an empty spool and no studies."""
    _empty(running.spool)
    with psycopg.connect(module_database.owner) as connection:
        for table in ("quarantine", "instances", "studies", "patients", "sessions"):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute("UPDATE users SET failed_attempts = 0, locked_until = NULL")
    running.begin()
    yield running
    running.hang_up()


def _empty(spool: Spool) -> None:
    layout = spool.layout
    for tree in (layout.objects, layout.records, layout.quarantine, layout.incoming):
        for path in list(tree.rglob("*.dcm")) + list(tree.rglob("*.json")):
            path.unlink()


class serving:
    """Serves an application on a free port of this machine until the block ends."""

    def __init__(self, app: Starlette, config: uvicorn.Config | None = None) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = config or uvicorn.Config(
            app, log_level="warning", lifespan="off", timeout_graceful_shutdown=3
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
