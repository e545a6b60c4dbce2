"""What stands before every request: known hosts, small bodies, strict headers, nothing without a session."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import AuthenticationFailed, JanusMedError
from app.ui.csrf import SESSION_COOKIE
from app.ui.headers import SecurityHeaders
from app.ui.rate_limit import RateLimit
from app.ui.room import Room
from app.ui.routes.answers import refusal, resume
from app.ui.words import asked_language, speak

MAX_BODY_BYTES = 2**20
_OPEN = ("/static/", "/assets/")
_OPEN_EXACTLY = frozenset(
    {
        "/login",
        "/login/code",
        "/login/oidc",
        "/login/oidc/callback",
        "/login/oidc/backchannel",
        # checks the session itself: who has none is told so in words
        "/login/oidc/confirm",
        "/live",
        "/ready",
        "/metrics",
        "/favicon.ico",
        "/favicon.png",
        "/_stcore/health",
        "/_stcore/host-config",
    }
)
# routes of ours that check the session themselves, and tell a script what is wrong
_CHECKED = ("/api/", "/pixels/", "/logout")
# the same, where DICOMweb is switched on; it counts the bytes of a request itself, and takes whole studies
_DICOMWEB = "/dicomweb/"
_CLOSED = ("/_stcore/metrics", "/_stcore/upload_file", "/_stcore/agent", "/_stcore/script-health-check")


def room_middleware(room: Room) -> list[Middleware]:
    """Return the stack, outermost first."""
    return [
        Middleware(SecurityHeaders, is_tls=room.settings.ui_tls, may_listen=room.settings.dictation != "off"),
        Middleware(Speaking),
        Middleware(TrustedHostMiddleware, allowed_hosts=list(room.settings.ui_allowed_hosts)),
        Middleware(BodyLimit, limit=MAX_BODY_BYTES, except_below=_DICOMWEB if room.settings.dicomweb else ""),
        Middleware(RateLimit, limits=room.limits),
        Middleware(Gate, room=room),
    ]


class Speaking:
    """Lets routes of ours answer in the language that the browser, or a script of our page, asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] == "http":
            speak(asked_language(HTTPConnection(scope).headers.get("accept-language", "")))
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a request whose body is larger than anything that this application takes."""

    def __init__(self, app: ASGIApp, *, limit: int, except_below: str = "") -> None:
        self._app = app
        self._limit = limit
        self._except_below = except_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        is_excepted = bool(self._except_below) and scope["path"].startswith(self._except_below)
        if scope["type"] != "http" or is_excepted:
            await self._app(scope, receive, send)
            return
        declared = HTTPConnection(scope).headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._limit:
            await _too_large()(scope, receive, send)
            return
        await self._app(scope, _Counted(receive, self._limit), send)


class _Counted:
    """Receives a body without a declared length, and hangs up when it grows past the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return message if self._left >= 0 else {"type": "http.disconnect"}


def _too_large() -> Response:
    return PlainTextResponse("the request is too large\n", status_code=413)


class Gate:
    """Lets nobody in without a live session, except to what holds nothing private."""

    def __init__(self, app: ASGIApp, *, room: Room) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] == "websocket":
            await self._pass_socket(scope, receive, send)
        elif scope["type"] == "http" and (refused := await self._refuse(scope)) is not None:
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope) -> Response | None:
        path: str = scope["path"]
        if path.startswith(_CLOSED):
            return PlainTextResponse("not found\n", status_code=404)
        checked = (*_CHECKED, _DICOMWEB) if self._room.settings.dicomweb else _CHECKED
        if path in _OPEN_EXACTLY or path.startswith((*_OPEN, *checked)):
            return None  # open to all, or a route of ours that checks the session itself
        request = HTTPConnection(scope)
        try:
            await run_in_threadpool(resume, self._room, request)
        except AuthenticationFailed:
            return _to_login(request)
        except JanusMedError as error:
            return refusal(error)
        return None

    async def _pass_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page's socket carries the cookie and comes from our own origin; the script checks the session."""
        connection = HTTPConnection(scope)
        origin = urlsplit(connection.headers.get("origin", "")).netloc
        if SESSION_COOKIE in connection.cookies and origin and origin == connection.headers.get("host"):
            await self._app(scope, receive, send)
        else:
            await _deny_socket(scope, send)


async def _deny_socket(scope: Scope, send: Send) -> None:
    """Refuse a socket with an answer of HTTP, where the server can (ASGI `websocket.http.response`)."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": "log in first"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": 403, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"log in first\n"})


def _to_login(request: HTTPConnection) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return refusal(AuthenticationFailed("log in first"))
    why = {"why": "ended"} if SESSION_COOKIE in request.cookies else {}
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?{urlencode({'to': target, **why})}", status_code=303)
