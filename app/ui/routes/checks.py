"""`/api/reports/<id>/checks` and `/difference`: what the editor asks for after a save; nothing is changed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.services.checks import check_open_report
from app.services.difference import read_difference
from app.ui.present_checks import checks_data, difference_data
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, private_json, resume


def check_routes(room: Room) -> list[Route]:
    """Return the routes of the checks and of the difference."""

    async def checks(request: Request) -> Response:
        return await in_thread(lambda: _checks(room, request))

    async def difference(request: Request) -> Response:
        return await in_thread(lambda: _difference(room, request))

    report = "/api/reports/{report_id:int}"
    return [
        Route(f"{report}/checks", answering(checks), methods=["GET"]),
        Route(f"{report}/difference", answering(difference), methods=["GET"]),
    ]


def _checks(room: Room, request: Request) -> Response:
    actor = resume(room, request)
    report_id = int(request.path_params["report_id"])
    return private_json(checks_data(check_open_report(room.store, actor, report_id, now=now())))


def _difference(room: Room, request: Request) -> Response:
    actor = resume(room, request)
    report_id = int(request.path_params["report_id"])
    return private_json(difference_data(read_difference(room.store, actor, report_id, now=now())))
