"""Log-in and log-out: a plain form that needs no script, a cookie that no script can read."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from html import escape
from string import Template
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.domain.errors import AuthenticationFailed, DatabaseUnavailable
from app.services import accounts
from app.ui.components.files import asset_url, read_text
from app.ui.csrf import LOGIN_COOKIE, SESSION_COOKIE, csrf_token, is_foreign, is_token_of
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, require_own_page, source_of

_INSIDE = re.compile(r"/(\?[A-Za-z0-9=&._%-]*)?")
_NOTES = {
    "idle": "Your session has ended because nobody used it for a while. Log in again.",
    "ended": "Your session has ended. Log in again.",
    "out": "You are logged out.",
}


@dataclass(frozen=True)
class LoginForm:
    """What was typed into the form."""

    username: str
    password: str
    token: str
    target: str


def login_routes(room: Room) -> list[Route]:
    """Return `/login` and `/logout`."""

    async def show(request: Request) -> Response:
        note = _NOTES.get(request.query_params.get("why", ""), "")
        return _page(room, note=note, target=inside(request.query_params.get("to", "/")))

    async def enter(request: Request) -> Response:
        form = read_form(await request.body())
        if is_foreign(request) or not is_token_of(request.cookies.get(LOGIN_COOKIE, ""), form.token):
            return _page(room, error="The form had expired. Try again.", target=form.target, status=403)
        return await in_thread(lambda: _log_in(room, request, form))

    async def leave(request: Request) -> Response:
        require_own_page(request)
        return await in_thread(lambda: _log_out(room, request))

    return [
        Route("/login", show, methods=["GET"]),
        Route("/login", enter, methods=["POST"]),
        Route("/logout", answering(leave), methods=["POST"]),
    ]


def inside(target: str) -> str:
    """Return where to go after the log-in: an address of this application, whatever was asked for."""
    return target if _INSIDE.fullmatch(target) else "/"


def read_form(body: bytes) -> LoginForm:
    """Read the form; what is missing or unreadable is empty."""
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    first = {name: values[0] for name, values in fields.items()}
    return LoginForm(
        username=first.get("username", "").strip(),
        password=first.get("password", ""),
        token=first.get("token", ""),
        target=inside(first.get("to", "/")),
    )


def _log_in(room: Room, request: Request, form: LoginForm) -> Response:
    try:
        token, _ = accounts.log_in(
            room.store,
            username=form.username,
            password=form.password,
            source=source_of(request),
            now=now(),
        )
    except AuthenticationFailed as error:
        room.metrics.logins.labels("failure").inc()
        return _page(room, error=str(error), target=form.target, status=401)
    except DatabaseUnavailable:
        return _page(room, error="The database does not answer. Try again.", target=form.target, status=503)
    room.metrics.logins.labels("success").inc()
    answer = RedirectResponse(form.target, status_code=303)
    _set_cookie(room, answer, SESSION_COOKIE, token)
    answer.delete_cookie(LOGIN_COOKIE, path="/login")
    return answer


def _log_out(room: Room, request: Request) -> Response:
    accounts.log_out(room.store, request.cookies.get(SESSION_COOKIE, ""), now=now())
    answer = Response(status_code=204)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


def _page(room: Room, *, note: str = "", error: str = "", target: str = "/", status: int = 200) -> Response:
    secret = secrets.token_urlsafe(24)
    template = Template(read_text("login.html"))
    page = template.substitute(
        style=escape(asset_url("css/login.css"), quote=True),
        message=_message(note, error),
        token=escape(csrf_token(secret), quote=True),
        target=escape(target, quote=True),
        institution=escape(room.settings.institution or "Reading room"),
    )
    answer = HTMLResponse(page, status_code=status, headers={"Cache-Control": "no-store"})
    _set_cookie(room, answer, LOGIN_COOKIE, secret, path="/login")
    return answer


def _message(note: str, error: str) -> str:
    if error:
        return f'<p class="error" role="alert" id="message">{escape(error)}</p>'
    return f'<p class="note" role="status" id="message">{escape(note)}</p>' if note else ""


def _set_cookie(room: Room, answer: Response, name: str, value: str, *, path: str = "/") -> None:
    answer.set_cookie(name, value, path=path, httponly=True, samesite="strict", secure=room.settings.ui_tls)
