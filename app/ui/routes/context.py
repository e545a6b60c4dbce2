"""`/api/studies/<uid>/...`: priors, what changed, questions to the image, similar studies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.access import Actor
from app.domain.identifiers import require_uid
from app.services import asking, prior_viewing, similar
from app.ui.present_context import comparison_data, opened_prior_data, question_data, similar_data
from app.ui.room import Room
from app.ui.routes.answers import (
    Endpoint,
    answering,
    in_thread,
    now,
    private_json,
    read_json,
    require_own_page,
    resume,
    text_of,
)

Act = Callable[[Actor, str, datetime], Any]


def context_routes(room: Room) -> list[Route]:
    """Return the routes of what stands beside a report."""

    def serve(request: Request, act: Act) -> Response:
        actor = resume(room, request)
        if request.method == "POST":
            require_own_page(request)
        study_uid = require_uid(request.path_params["study_uid"])
        return private_json(act(actor, study_uid, now()))

    def prior_uid(request: Request) -> str:
        return require_uid(request.path_params["prior_uid"])

    async def open_prior(request: Request) -> Response:
        return await in_thread(
            lambda: serve(
                request,
                lambda actor, study, at: opened_prior_data(
                    prior_viewing.open_prior(room.store, actor, study, prior_uid(request), now=at)
                ),
            )
        )

    async def compare(request: Request) -> Response:
        return await in_thread(
            lambda: serve(
                request,
                lambda actor, study, at: comparison_data(
                    prior_viewing.compare_with_prior(room.store, actor, study, prior_uid(request), now=at)
                ),
            )
        )

    async def list_questions(request: Request) -> Response:
        return await in_thread(
            lambda: serve(
                request,
                lambda actor, study, at: {
                    "questions": [
                        question_data(one) for one in asking.questions_of(room.store, actor, study, now=at)
                    ]
                },
            )
        )

    async def ask(request: Request) -> Response:
        text = text_of(await read_json(request), "text")
        return await in_thread(
            lambda: serve(
                request,
                lambda actor, study, at: question_data(asking.ask(room.store, actor, study, text, now=at)),
            )
        )

    async def find_similar(request: Request) -> Response:
        return await in_thread(
            lambda: serve(
                request,
                lambda actor, study, at: similar_data(
                    similar.find_similar(room.store, actor, study, room.embeddings, now=at)
                ),
            )
        )

    async def name_similar(request: Request) -> Response:
        number = int(request.path_params["number"])
        return await in_thread(
            lambda: serve(
                request,
                lambda actor, study, at: {
                    "study": similar.name_similar(room.store, actor, study, number, now=at)
                },
            )
        )

    study = "/api/studies/{study_uid:str}"
    one_prior = study + "/priors/{prior_uid:str}"
    return [
        _route(one_prior + "/open", open_prior, "POST"),
        _route(one_prior + "/changes", compare, "GET"),
        _route(study + "/questions", list_questions, "GET"),
        _route(study + "/questions", ask, "POST"),
        _route(study + "/similar", find_similar, "POST"),
        _route(study + "/similar/{number:int}/open", name_similar, "POST"),
    ]


def _route(path: str, endpoint: Endpoint, method: str) -> Route:
    return Route(path, answering(endpoint), methods=[method])
