"""`/live`, `/ready` and `/metrics` for whoever watches the machine: numbers and states, no patient data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.domain.errors import JanusMedError, Retriable
from app.settings import Settings
from app.store.engine import Store
from app.ui.room import Room
from app.ui.routes.answers import in_thread, private_json


class SpoolFull(Retriable):
    """There is not enough space left to receive studies."""


class SpoolNotWritable(Retriable):
    """The account of this process may not write into the spool."""


class ListenerSilent(Retriable):
    """No listener has said lately that it lives."""


def health_routes(room: Room) -> list[Route]:
    """Return the routes of health and metrics."""

    async def live(request: Request) -> Response:
        return PlainTextResponse("alive\n", headers={"Cache-Control": "no-store"})

    async def ready(request: Request) -> Response:
        return await in_thread(lambda: _ready(room))

    async def metrics(request: Request) -> Response:
        return await in_thread(
            lambda: Response(
                generate_latest(room.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
            )
        )

    return [
        Route("/live", live, methods=["GET"]),
        Route("/ready", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _ready(room: Room) -> Response:
    """Answer 200 when studies can be received and read; each check has one word of its own."""
    checks = {
        "database": _outcome(room.store.ping),
        "schema": _outcome(room.store.require_schema),
        "spool": _outcome(lambda: require_space(room.settings)),
        "listener": _outcome(lambda: require_listener(room.store, now=datetime.now(UTC))),
    }
    is_ready = all(outcome == "ok" for outcome in checks.values())
    return private_json({"ready": is_ready, "checks": checks}, 200 if is_ready else 503)


def _outcome(check: Callable[[], object]) -> str:
    try:
        check()
    except JanusMedError as error:
        return type(error).__name__
    except OSError:
        return "missing"
    return "ok"


def require_space(settings: Settings) -> None:
    """Check that the spool can take studies.

    Raises
    ------
    SpoolFull
        Below the floor of the settings: so many GB or a tenth of the disk, the smaller.
    SpoolNotWritable
        If its folder is there and this account may not write.
    """
    # before the listener has made the spool, its disk is that of the data folder
    folder = settings.spool_dir if settings.spool_dir.is_dir() else settings.data_dir
    disk = shutil.disk_usage(folder)
    if disk.free < settings.free_space_floor(disk.total):
        raise SpoolFull("the spool is below its free-space floor")
    if not os.access(folder, os.W_OK):
        raise SpoolNotWritable("the spool cannot be written")


def require_listener(store: Store, *, now: datetime) -> None:
    """Raise `ListenerSilent` unless a listener has said lately that it lives.

    It says so itself, from the process that accepts: a probe from here would open an association every
    time, and the listener may be on another machine.
    """
    with store.begin() as tx:
        processes = tx.figures.processes()
    if not any(line.process == "listener" and line.is_alive(now) for line in processes):
        raise ListenerSilent("no listener lives")
