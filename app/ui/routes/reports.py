"""`/api/...`: every stroke in the editor goes straight to the services, whatever Streamlit is doing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.access import Actor
from app.domain.errors import NotFound, Rejected
from app.domain.identifiers import require_uid
from app.domain.report import Origin, Report, Section
from app.services import reading
from app.ui.present import editor_data, report_data
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

Change = Callable[[Actor, datetime], Report]
_DECISIONS: Mapping[str, Callable[..., Report]] = {
    "accept": reading.accept_sentence,
    "reject": reading.reject_sentence,
    "reopen": reading.reopen_sentence,
    "up": partial(reading.move_sentence, step=-1),
    "down": partial(reading.move_sentence, step=1),
}


def report_routes(room: Room) -> list[Route]:
    """Return the routes of the editor."""

    async def show(request: Request) -> Response:
        return await in_thread(lambda: _show(room, request))

    async def edit(request: Request) -> Response:
        text = text_of(await read_json(request), "text")
        report_id, key = _sentence(request)
        return await in_thread(
            lambda: _change(
                room,
                request,
                lambda actor, at: reading.edit_sentence(
                    room.store, actor, report_id, key, text, lease=room.idle, now=at
                ),
            )
        )

    async def decide(request: Request) -> Response:
        report_id, key = _sentence(request)
        use_case = _DECISIONS[request.path_params["decision"]]
        return await in_thread(
            lambda: _change(
                room,
                request,
                lambda actor, at: use_case(room.store, actor, report_id, key, lease=room.idle, now=at),
            )
        )

    async def add(request: Request) -> Response:
        content = await read_json(request)
        section, text = _section(text_of(content, "section")), text_of(content, "text")
        after = text_of(content, "after") if "after" in content else ""
        report_id = int(request.path_params["report_id"])
        return await in_thread(
            lambda: _change(
                room,
                request,
                lambda actor, at: reading.add_sentence(
                    room.store, actor, report_id, section, text, after=after, lease=room.idle, now=at
                ),
                adds=True,
            )
        )

    sentences = "/api/reports/{report_id:int}/sentences"
    return [
        Route("/api/studies/{study_uid:str}/report", answering(show), methods=["GET"]),
        Route(sentences, answering(add), methods=["POST"]),
        Route(sentences + "/{key:str}", answering(edit), methods=["PUT"]),
        Route(sentences + "/{key:str}/{decision:str}", answering(decide), methods=["POST"]),
    ]


def _show(room: Room, request: Request) -> Response:
    actor = resume(room, request)
    at = now()
    study_uid = require_uid(request.path_params["study_uid"])
    review = reading.refresh(room.store, actor, study_uid, now=at)
    if review.may_edit and review.report is not None:
        reading.renew_lock(room.store, actor, review.report.report_id, lease=room.idle, now=at)
    return private_json(editor_data(review, actor, now=at))


def _change(room: Room, request: Request, change: Change, *, adds: bool = False) -> Response:
    actor = resume(room, request)
    require_own_page(request)
    at = now()
    report = change(actor, at)
    answer: dict[str, object] = {"report": report_data(report), "savedAt": at.isoformat()}
    if adds:
        own = [sentence.key for sentence in report.sentences if sentence.origin is Origin.HUMAN]
        answer["key"] = max(own, key=_number_in)
    return private_json(answer)


def _sentence(request: Request) -> tuple[int, str]:
    if request.path_params.get("decision", "accept") not in _DECISIONS:
        raise NotFound("a sentence can be accepted, rejected, reopened or moved up or down")
    return int(request.path_params["report_id"]), request.path_params["key"]


def _number_in(key: str) -> int:
    return int(key.rpartition("-")[2])


def _section(name: str) -> Section:
    try:
        return Section(name)
    except ValueError:
        raise Rejected(f"there is no section {name[:40]!r}") from None
