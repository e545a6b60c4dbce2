"""`POST /api/second-reviews/<number>/prior/open`: the prior beside a second review."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.services.second_review_priors import open_prior_of_review
from app.ui.present_context import opened_prior_data
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, private_json, require_own_page, resume


def second_review_routes(room: Room) -> list[Route]:
    """Return the routes of what stands beside a second review."""

    async def open_prior(request: Request) -> Response:
        return await in_thread(lambda: _open_prior(room, request))

    path = "/api/second-reviews/{number:int}/prior/open"
    return [Route(path, answering(open_prior), methods=["POST"])]


def _open_prior(room: Room, request: Request) -> Response:
    actor = resume(room, request)
    require_own_page(request)
    number = int(request.path_params["number"])
    return private_json(opened_prior_data(open_prior_of_review(room.store, actor, number, now=now())))
