"""`/api/...`: what helps to write a report, and how long its sections took: templates, macros, times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.errors import Rejected
from app.services import beginning, macros, reading_time
from app.ui.present import report_data
from app.ui.present_writing import macros_data
from app.ui.room import Room
from app.ui.routes.answers import (
    answering,
    in_thread,
    now,
    private_json,
    read_json,
    require_own_page,
    resume,
    text_of,
)


def writing_routes(room: Room) -> list[Route]:
    """Return the routes beside those of the sentences."""

    async def template(request: Request) -> Response:
        content = await read_json(request)
        return await in_thread(lambda: _use_template(room, request, content))

    async def times(request: Request) -> Response:
        content = await read_json(request)
        return await in_thread(lambda: _add_times(room, request, content))

    async def keep(request: Request) -> Response:
        content = await read_json(request)
        name, text = text_of(content, "name"), text_of(content, "text")
        return await in_thread(lambda: _keep_macro(room, request, name, text))

    report = "/api/reports/{report_id:int}"
    return [
        Route(report + "/template", answering(template), methods=["POST"]),
        Route(report + "/times", answering(times), methods=["POST"]),
        Route("/api/macros", answering(keep), methods=["POST"]),
    ]


def _use_template(room: Room, request: Request, content: Mapping[str, Any]) -> Response:
    actor = resume(room, request)
    require_own_page(request)
    at = now()
    number = content.get("template")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**31:
        raise Rejected("name a template by its number")
    report_id = int(request.path_params["report_id"])
    report = beginning.use_template(room.store, actor, report_id, number, lease=room.idle, now=at)
    return private_json({"report": report_data(report), "savedAt": at.isoformat()})


def _add_times(room: Room, request: Request, content: Mapping[str, Any]) -> Response:
    actor = resume(room, request)
    require_own_page(request)
    reading_time.add_times(room.store, actor, int(request.path_params["report_id"]), content, now=now())
    return private_json({})


def _keep_macro(room: Room, request: Request, name: str, text: str) -> Response:
    """Keep a macro of one's own; without a text it is forgotten."""
    actor = resume(room, request)
    require_own_page(request)
    at = now()
    if text.strip():
        macros.save_own_macro(room.store, actor, name, text, now=at)
    else:
        macros.remove_own_macro(room.store, actor, name, now=at)
    return private_json({"macros": macros_data(macros.macros_of(room.store, actor, now=at))})
