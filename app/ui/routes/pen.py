"""`/api/reports/<id>/pen`: word to the open editor that another reader has taken over, at once.

The request waits as those of the worklist do (`app.ui.routes.worklist`); it keeps neither a session nor a
lock alive.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.access import Actor
from app.domain.review import LockInfo
from app.services.pens import look_at_pen
from app.ui.room import Room
from app.ui.routes.answers import answering, now, private_json, resume
from app.ui.routes.worklist import known_count, word_after


def pen_routes(room: Room) -> list[Route]:
    """Return the route of an editor that holds the pen."""

    async def pen(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        report_id, known = int(request.path_params["report_id"]), known_count(request)
        actor, held = await run_in_threadpool(_look, room, request, report_id)
        # whoever comes for the first time, or has lost the pen, is told at once
        if known >= 0 and held is not None and held.user_id == actor.user_id:
            count, heard = await word_after(room, request, known, actor)
            actor, held = await run_in_threadpool(_look, room, request, report_id)
        else:
            count, heard = room.changes.count, room.changes.listens
        return private_json({"count": count, "heard": heard, "pen": _pen_data(held, actor)})

    return [Route("/api/reports/{report_id:int}/pen", answering(pen), methods=["GET"])]


def _look(room: Room, request: Request, report_id: int) -> tuple[Actor, LockInfo | None]:
    actor = resume(room, request, renew=False)
    return actor, look_at_pen(room.store, actor, report_id, now=now())


def _pen_data(held: LockInfo | None, actor: Actor) -> dict[str, object] | None:
    if held is None:
        return None
    return {
        "owner": held.printed_name,
        "since": held.taken_at.isoformat(),
        "mine": held.user_id == actor.user_id,
    }
