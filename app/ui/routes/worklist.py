"""`/api/worklist/...`: word of changes, and the page as it stands now, without a run of the whole page.

Neither keeps a session alive: a list on the screen asks by itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.access import Action, Actor
from app.domain.errors import Rejected
from app.domain.kept_query import query_of
from app.services import reading
from app.services.permission import permit
from app.ui.present import page_data
from app.ui.room import Room
from app.ui.routes.answers import (
    answering,
    in_thread,
    now,
    private_json,
    read_json,
    require_own_page,
    resume,
)

WAIT_SECONDS = 25.0
"""How long a request waits: a session that has ended is noticed after this time."""


def worklist_routes(room: Room) -> list[Route]:
    """Return the routes of a worklist that stays on the screen."""

    async def changes(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        known = known_count(request)
        actor = await run_in_threadpool(resume, room, request, renew=False)
        await run_in_threadpool(permit, room.store, actor, Action.LIST_STUDIES, now=now())
        count, heard = await word_after(room, request, known, actor)
        return private_json({"count": count, "heard": heard})

    async def page(request: Request) -> Response:
        asked = await read_json(request)
        return await in_thread(lambda: _page(room, request, asked))

    return [
        Route("/api/worklist/changes", answering(changes), methods=["GET"]),
        Route("/api/worklist/page", answering(page), methods=["POST"]),
    ]


def known_count(request: Request) -> int:
    """Return the count of changes that a page knows; -1 when it knows none."""
    known = request.query_params.get("since", "-1")
    if not known.removeprefix("-").isdigit() or len(known) > 18:
        raise Rejected("since is a whole number")
    return int(known)


async def word_after(room: Room, request: Request, known: int, actor: Actor) -> tuple[int, bool]:
    """Wait for a change of the worklist (`Changes.after`), as long as somebody waits for the answer."""
    told = asyncio.ensure_future(room.changes.after(known, session_id=actor.session_id, seconds=WAIT_SECONDS))
    left = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({told, left}, return_when=asyncio.FIRST_COMPLETED)
        return await told if told.done() else (known, False)
    finally:
        told.cancel()
        left.cancel()


async def _gone(request: Request) -> None:
    """Wait until the browser has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _page(room: Room, request: Request, asked: dict[str, object]) -> Response:
    actor = resume(room, request, renew=False)
    require_own_page(request)
    query = query_of(asked.get("query"))
    try:
        query = replace(query, zone=ZoneInfo(str(asked.get("zone", "UTC"))[:60]))
    except (ZoneInfoNotFoundError, ValueError):
        raise Rejected("this is no time zone") from None
    at = now()
    return private_json(page_data(reading.refresh_worklist(room.store, actor, query, now=at), query, at))
