"""Counts every request to our own routes before anything is done for it; too many are answered 429."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.errors import TooManyRequests
from app.ui.csrf import SESSION_COOKIE
from app.ui.limits import Limits
from app.ui.routes.answers import refusal, source_of

# routes of ours that work for whoever asks; Streamlit's files and its socket do not
_LIMITED = ("/api/", "/pixels/", "/audit/", "/logout", "/ready", "/metrics", "/login/oidc")
# where something is guessed; a provider's log-outs all come from one address and are none
_ATTEMPTS = frozenset({"/login", "/login/code"})


class RateLimit:
    """Counts every request to our own routes before anything is done for it."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] == "http":
            try:
                await self._count(HTTPConnection(scope), str(scope["path"]), str(scope["method"]))
            except TooManyRequests as error:
                await _too_many(HTTPConnection(scope), error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _count(self, request: HTTPConnection, path: str, method: str) -> None:
        source, at = source_of(request), datetime.now(UTC)
        if method == "POST" and path in _ATTEMPTS:
            await run_in_threadpool(self._limits.attempt_from, source, now=at)
        elif path.startswith(_LIMITED):
            token = request.cookies.get(SESSION_COOKIE, "")
            session = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest() if token else ""
            await run_in_threadpool(self._limits.request, session, source=source, now=at)


def _too_many(request: HTTPConnection, error: TooManyRequests) -> Response:
    """Answer a script in JSON and a person in words."""
    if "text/html" not in request.headers.get("accept", ""):
        return refusal(error)
    text = f"Too many attempts. Try again in {error.retry_after} s.\n"
    return PlainTextResponse(text, status_code=429, headers={"Retry-After": str(error.retry_after)})
