"""`/live`, `/ready` and `/metrics` for whoever watches the machine: numbers and states, no patient data."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.domain.errors import JanusMedError, Retriable
from app.settings import Settings
from app.ui.room import Room
from app.ui.routes.answers import in_thread, private_json


class SpoolFull(Retriable):
    """There is not enough space left to receive studies."""


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
    checks = {
        "database": _outcome(room.store.ping),
        "spool": _outcome(lambda: require_space(room.settings)),
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
    """Raise `SpoolFull` below the floor of the settings: so many GB or a tenth of the disk, the smaller."""
    # before the listener has made the spool, its disk is that of the data folder
    is_made = settings.spool_dir.is_dir()
    disk = shutil.disk_usage(settings.spool_dir if is_made else settings.data_dir)
    floor = settings.free_space_floor(disk.total)
    if disk.free < floor:
        raise SpoolFull("the spool is below its free-space floor")
