"""`GET /api/quarantine/<number>`: the bytes of a quarantined instance, for whoever may decide about it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.domain.errors import NotFound
from app.services.quarantine import inspect_quarantined
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, resume


def quarantine_routes(room: Room) -> list[Route]:
    """Return the route of the download."""

    async def serve(request: Request) -> Response:
        return await in_thread(lambda: _download(room, request))

    return [Route("/api/quarantine/{number:int}", answering(serve), methods=["GET"])]


def _download(room: Room, request: Request) -> Response:
    actor = resume(room, request)
    number = int(request.path_params["number"])
    entry = inspect_quarantined(room.store, actor, number, now=now())
    path = room.settings.spool_dir / "quarantine" / entry.sha256[:2] / f"{entry.sha256}.dcm"
    if not path.is_file():
        raise NotFound("its bytes are not in the quarantine any more")
    return FileResponse(
        path,
        media_type="application/octet-stream",
        # the number alone: no value of the object becomes a file name
        filename=f"quarantine-{number}.dcm",
        headers={"Cache-Control": "no-store"},
    )
