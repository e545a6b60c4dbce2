"""The plain pages around the log-in, and the cookies that they set."""

from __future__ import annotations

import secrets
from html import escape
from string import Template
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response

from app.domain.errors import TooManyRequests
from app.ui.components.files import asset_url, read_text
from app.ui.csrf import LOGIN_COOKIE, SESSION_COOKIE, STEP_COOKIE, csrf_token
from app.ui.room import Room
from app.ui.words import language, phrase, say

_TITLES = {
    "login.html": phrase("Log in - Janus-Med"),
    "code.html": phrase("One-time password - Janus-Med"),
    "notice.html": phrase("Janus-Med"),
}


def login_page(
    room: Room, *, note: str = "", error: str = "", target: str = "/", status: int = 200
) -> Response:
    """Return the page with the form, and the way to the identity provider if there is one."""
    return form_page(
        room, "login.html", note=note, error=error, target=target, status=status, sign_on=_link(room, target)
    )


def database_page(room: Room, target: str = "/") -> Response:
    """Return the log-in page when the database does not answer."""
    error = say("The database does not answer. Try again.")
    return login_page(room, error=error, target=target, status=503)


def too_many_page(room: Room, error: TooManyRequests, target: str = "/") -> Response:
    """Return the log-in page when somebody tries too often."""
    text = say("Too many attempts for this account. Try again in {seconds} s.", seconds=error.retry_after)
    answer = login_page(room, error=text, target=target, status=429)
    answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def form_page(
    room: Room,
    template: str,
    *,
    note: str = "",
    error: str = "",
    target: str = "/",
    status: int = 200,
    **parts: str,
) -> Response:
    """Return a page with a form; `parts` are HTML."""
    secret = secrets.token_urlsafe(24)
    token = escape(csrf_token(secret), quote=True)
    answer = _page(room, template, target, status, message=_message(note, error), token=token, **parts)
    keep_cookie(room, answer, LOGIN_COOKIE, secret, path="/login")
    return answer


def notice_page(
    room: Room, note: str, *, go: str, target: str = "/", at_once: bool = False, content: str = ""
) -> Response:
    """Return a page that says something and leads on; `content` is HTML.

    Parameters
    ----------
    at_once
        It leads on by itself. A browser that comes back from the provider sends our strict cookies only with
        what one of our own pages asks for.
    """
    refresh = f'<meta http-equiv="refresh" content="0;url={escape(target, quote=True)}">' if at_once else ""
    parts = {"message": _message(note, ""), "content": content, "go": escape(go), "refresh": refresh}
    return _page(room, "notice.html", target, 200, **parts)


def welcome(room: Room, token: str, answer: Response) -> Response:
    """Give the browser its session, and take back what the log-in needed."""
    keep_cookie(room, answer, SESSION_COOKIE, token)
    answer.delete_cookie(LOGIN_COOKIE, path="/login")
    answer.delete_cookie(STEP_COOKIE, path="/login/code")
    return answer


def keep_cookie(room: Room, answer: Response, name: str, value: str, *, path: str = "/") -> None:
    """Set a cookie that no script can read and no other site makes the browser send."""
    answer.set_cookie(name, value, path=path, httponly=True, samesite="strict", secure=room.settings.ui_tls)


def _page(
    room: Room, template: str, target: str, status: int, *, message: str, refresh: str = "", **parts: str
) -> Response:
    """Return a page of the frame that all of them share; `parts` stand in its template."""
    page = Template(read_text("page.html")).substitute(
        lang=language(),
        title=escape(say(_TITLES[template])),
        style=escape(asset_url("css/login.css"), quote=True),
        institution=escape(room.settings.institution or say("Reading room")),
        message=message,
        refresh=refresh,
        content=Template(read_text(template)).substitute(
            _words(), target=escape(target, quote=True), **parts
        ),
    )
    return HTMLResponse(page, status_code=status, headers={"Cache-Control": "no-store"})


def _words() -> dict[str, str]:
    """Return the texts of the templates, as HTML."""
    texts = {
        "say_username": say("User name"),
        "say_password": say("Password"),
        "say_log_in": say("Log in"),
        "say_begin_again": say("Begin again"),
        "say_promise": say(
            "Every access is recorded. Drafts are made by AI and are not a diagnosis until a radiologist has "
            "signed them."
        ),
    }
    return {name: escape(text) for name, text in texts.items()}


def _link(room: Room, target: str) -> str:
    if room.provider is None:
        return ""
    address = escape(f"/login/oidc?{urlencode({'to': target})}", quote=True)
    name = escape(say("Log in with {name}", name=room.provider.settings.name))
    is_only = room.provider.settings.only
    local = say("or, in an emergency, with a password") if is_only else say("or with a password")
    return f'<a class="go" id="sign-on" href="{address}">{name}</a><p class="or">{escape(local)}</p>'


def _message(note: str, error: str) -> str:
    if error:
        return f'<p class="error" role="alert" id="message">{escape(error)}</p>'
    return f'<p class="note" role="status" id="message">{escape(note)}</p>' if note else ""
