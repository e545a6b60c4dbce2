"""Who asks, and how a refusal is told: the same for every route."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from app.domain.access import Actor
from app.domain.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidTransition,
    JanusMedError,
    LockedByOther,
    NotAuthorised,
    NotFound,
    Rejected,
    Retriable,
    StaleVersion,
    TooManyRequests,
)
from app.services import accounts
from app.ui.csrf import CSRF_HEADER, SESSION_COOKIE, is_foreign, is_token_of
from app.ui.room import Room
from app.ui.told import tell
from app.ui.words import say

Endpoint = Callable[[Request], Awaitable[Response]]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1
_STATUS: tuple[tuple[type[JanusMedError], int], ...] = (
    (AuthenticationFailed, 401),
    (NotAuthorised, 403),
    (NotFound, 404),
    (LockedByOther, 409),
    (StaleVersion, 409),
    (InvalidTransition, 409),
    (Conflict, 409),
    (TooManyRequests, 429),
    (Rejected, 422),
    (Retriable, 503),
)


class ForeignRequest(NotAuthorised):
    """A change that does not come from our own page."""


def now() -> datetime:
    """Return the time at which a request is handled: the clock is read here, at the edge."""
    return datetime.now(UTC)


def source_of(connection: HTTPConnection) -> str:
    """Return the network address of the browser."""
    return connection.client.host if connection.client else "unknown"


def resume(room: Room, connection: HTTPConnection, *, renew: bool = True) -> Actor:
    """Return who is logged in; blocks on the database.

    Parameters
    ----------
    renew
        False for what a page asks by itself: that must not keep a session alive.

    Raises
    ------
    AuthenticationFailed
        Without a session that is still alive.
    """
    token = connection.cookies.get(SESSION_COOKIE, "")
    if not token:
        raise AuthenticationFailed("log in first")
    return accounts.resume_session(
        room.store, token, source=source_of(connection), idle=room.idle, now=now(), renew=renew
    )


def require_own_page(request: Request, form_token: str = "") -> None:
    """Raise `ForeignRequest` unless the request carries the token of its session and comes from our page.

    Parameters
    ----------
    form_token
        What a form carries, which cannot set a header.
    """
    token = request.headers.get(CSRF_HEADER, "") or form_token
    if is_foreign(request) or not is_token_of(request.cookies.get(SESSION_COOKIE, ""), token):
        raise ForeignRequest("the request does not come from this application's own page")


def refusal(error: JanusMedError) -> JSONResponse:
    """Return the answer to an error that was raised on purpose."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    message = tell(error) if status != 500 else say("the server cannot go on; tell the administrator")
    answer = private_json({"error": type(error).__name__, "message": message}, status)
    if isinstance(error, TooManyRequests):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def private_json(content: object, status: int = 200) -> JSONResponse:
    """Return JSON that no cache keeps."""
    return JSONResponse(content, status_code=status, headers={"Cache-Control": "no-store"})


def answering(endpoint: Endpoint) -> Endpoint:
    """Turn the errors of an endpoint into answers; a change by a session comes from our own page."""

    async def answer(request: Request) -> Response:
        try:
            if request.method not in _SAFE and SESSION_COOKIE in request.cookies:
                require_own_page(request, await _form_token(request))
            return await endpoint(request)
        except JanusMedError as error:
            return refusal(error)

    return answer


async def _form_token(request: Request) -> str:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    try:
        fields = parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=20)
    except ValueError:
        return ""  # more fields than any form of ours has
    return dict(fields).get("token", "")


async def in_thread(work: Callable[[], Response]) -> Response:
    """Run work that waits for the database outside the event loop."""
    return await run_in_threadpool(work)


async def read_json(request: Request) -> dict[str, object]:
    """Return the JSON object of a request.

    Raises
    ------
    Rejected
        If it is not one.
    """
    try:
        content = json.loads(await request.body())
    except (UnicodeDecodeError, ValueError):
        raise Rejected("the request is not JSON") from None
    if not isinstance(content, dict):
        raise Rejected("the request is not a JSON object")
    return content


def text_of(content: dict[str, object], name: str) -> str:
    """Return a text field of a request.

    Raises
    ------
    Rejected
        If it is missing or not text.
    """
    value = content.get(name)
    if not isinstance(value, str):
        raise Rejected(f"the request has no text {name!r}")
    return value
