"""`POST /api/dictation?rate=16000`: one utterance in, its words out; nothing of it is kept."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.errors import NotFound, Rejected
from app.services.dictation import DOUBTFUL, take_dictation
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, private_json, require_own_page, resume
from app.ui.told import retell


def dictation_routes(room: Room) -> list[Route]:
    """Return the route of the dictation."""

    async def dictate(request: Request) -> Response:
        samples = await request.body()
        return await in_thread(lambda: _dictate(room, request, samples))

    return [Route("/api/dictation", answering(dictate), methods=["POST"])]


def _dictate(room: Room, request: Request, samples: bytes) -> Response:
    actor = resume(room, request)
    require_own_page(request)
    if room.dictation is None:
        raise NotFound("dictation by this server is not set up")
    dictated = take_dictation(room.store, room.dictation, actor, samples, _rate(request), now=now())
    words = [
        {"text": word.text, "confidence": round(word.confidence, 3), "doubtful": word.confidence < DOUBTFUL}
        for word in dictated.words
    ]
    return private_json({"words": words, "reason": retell(dictated.reason)})


def _rate(request: Request) -> int:
    text = request.query_params.get("rate", "")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise Rejected("say how many samples a second the recording has")
    return int(text)
