"""A reading room over a real database and real images, asked without a network and without a browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.domain.access import Actor
from app.domain.audit import AuditFilter
from app.domain.intake import ReceivedInstance
from app.domain.report import Report
from app.services.decoder import DecoderProcess
from app.settings import Destination, Settings
from app.store.engine import Store
from app.ui.csrf import CSRF_HEADER, SESSION_COOKIE, csrf_token
from app.ui.middleware import room_middleware
from app.ui.pixels import PixelCache
from app.ui.room import Room
from app.ui.server import room_routes
from tests.ui import seed

ORIGIN = "http://127.0.0.1"


@dataclass
class Hospital:
    """A reading room, its people and its studies."""

    room: Room
    files: dict[str, Path]
    received: dict[str, ReceivedInstance] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.room.store

    def chest(self, **changes: Any) -> ReceivedInstance:
        """A drafted chest radiograph."""
        lesion = changes.pop("lesion_text", "")
        received = self.receive("chest", **changes)
        seed.record(
            self.store, received, seed.chest_draft(received, lesion_text=lesion), now=datetime.now(UTC)
        )
        return received

    def leg(self) -> ReceivedInstance:
        """A leg, which the model does not read."""
        received = self.receive("leg")
        seed.record(self.store, received, seed.no_draft(), now=datetime.now(UTC))
        return received

    def receive(self, name: str, **changes: Any) -> ReceivedInstance:
        """Spool and index a real file, a minute ago."""
        at = datetime.now(UTC) - timedelta(minutes=1)
        spool_dir = self.room.settings.spool_dir
        self.received[name] = seed.receive(self.store, spool_dir, self.files[name], now=at, **changes)
        return self.received[name]

    def listener_lives(self) -> None:
        """Say what a listener says every few seconds."""
        now = datetime.now(UTC)
        with self.store.begin() as tx:
            tx.figures.beat("listener", "test:1", started_at=now, gauges={"associations_open": 3.0}, now=now)

    def log_in(self, username: str) -> tuple[str, Actor]:
        """Open a session as a right password would; return its token."""
        token = secrets.token_urlsafe(16)
        with self.store.begin() as tx:
            user = tx.users.by_username(username)
            assert user is not None
            session = tx.users.open_session(user.user_id, token, source="127.0.0.1", now=datetime.now(UTC))
            return token, user.act(source="127.0.0.1", session_id=session.session_id)

    def events(self) -> list[tuple[str, str, str]]:
        """The audit log: event, outcome, user."""
        with self.store.begin() as tx:
            return [(e.event, e.outcome, e.username) for e in tx.audit.stream(AuditFilter())]

    def report(self, report_id: int) -> Report:
        with self.store.begin() as tx:
            return tx.reports.get(report_id)


class Browser(TestClient):
    """What a page of ours would send: the session's cookie, and its token with every change."""

    def __init__(self, hospital: Hospital, token: str = "") -> None:
        asgi = Starlette(routes=room_routes(hospital.room), middleware=room_middleware(hospital.room))
        super().__init__(asgi, base_url=ORIGIN, client=("127.0.0.1", 50000), follow_redirects=False)
        if token:
            self.cookies.set(SESSION_COOKIE, token, domain="127.0.0.1")
            self.headers[CSRF_HEADER] = csrf_token(token)


@pytest.fixture(scope="session")
def decoder() -> Iterator[DecoderProcess]:
    """One decoder for all tests, as one serves all readers."""
    process = DecoderProcess()
    yield process
    process.close()


@pytest.fixture
def hospital(
    store: Store,
    decoder: DecoderProcess,
    tmp_path: Path,
    chest_radiograph: Path,
    leg_radiograph: Path,
    ct_slice: Path,
) -> Hospital:
    """An empty hospital with its people."""
    settings = Settings(
        data_dir=tmp_path,
        destinations=(Destination(name="PACS", ae_title="PACS", host="127.0.0.1", port=4242),),
    )
    settings.spool_dir.mkdir()
    pixels = PixelCache(settings.spool_dir / "objects", decoder)
    seed.add_people(store, now=datetime.now(UTC))
    room = Room(store, settings, pixels)
    room.metrics.watch(room)
    return Hospital(room, {"chest": chest_radiograph, "leg": leg_radiograph, "ct": ct_slice})


@pytest.fixture
def stranger(hospital: Hospital) -> Browser:
    """A browser that nobody has logged in with."""
    return Browser(hospital)


@pytest.fixture
def browser_of(hospital: Hospital) -> Callable[[str], Browser]:
    """Makes a browser that this person has logged in with."""

    def make(username: str) -> Browser:
        return Browser(hospital, hospital.log_in(username)[0])

    return make
