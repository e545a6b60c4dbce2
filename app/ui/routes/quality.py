"""`GET /quality/board.csv`: the quality board as a file."""

from __future__ import annotations

import io

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.errors import Rejected
from app.services.quality import export_quality
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, resume


def quality_routes(room: Room) -> list[Route]:
    """Return the route of the export."""

    async def export(request: Request) -> Response:
        return await in_thread(lambda: _export(room, request))

    return [Route("/quality/board.csv", answering(export), methods=["GET"])]


def _export(room: Room, request: Request) -> Response:
    actor, at = resume(room, request), now()
    out = io.StringIO(newline="")
    export_quality(room.store, actor, days=_days(request.query_params.get("days", "")), out=out, now=at)
    name = f"janus-med-quality-{at:%Y%m%dT%H%M%SZ}.csv"
    kept = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=kept)


def _days(text: str) -> int | None:
    """Return how many days are wanted; None for everything."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 36500):
        raise Rejected("days is a whole number from 1 on")
    return int(text)
