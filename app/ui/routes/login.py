"""Log-in by password and log-out: a plain form that needs no script, a cookie that no script can read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.domain.errors import (
    AuthenticationFailed,
    DatabaseUnavailable,
    SecondFactorNeeded,
    SignOnRefused,
    TooManyRequests,
)
from app.services import accounts, second_factor
from app.ui.csrf import LOGIN_COOKIE, SESSION_COOKIE, STEP_COOKIE, is_foreign, is_token_of
from app.ui.room import Room
from app.ui.routes.answers import answering, in_thread, now, private_json, require_own_page, source_of
from app.ui.routes.login_pages import database_page, keep_cookie, login_page, too_many_page, welcome
from app.ui.told import tell
from app.ui.words import phrase, say

_INSIDE = re.compile(r"/(\?[A-Za-z0-9=&._%-]*)?")
_NOTES = {
    "idle": phrase("Your session has ended because nobody used it for a while. Log in again."),
    "ended": phrase("Your session has ended. Log in again."),
    "out": phrase("You are logged out."),
}


@dataclass(frozen=True)
class LoginForm:
    """What was typed into the form, or into that of the second step."""

    username: str
    password: str
    code: str
    token: str
    target: str


def login_routes(room: Room) -> list[Route]:
    """Return `/login` and `/logout`."""

    async def show(request: Request) -> Response:
        note = _NOTES.get(request.query_params.get("why", ""), "")
        return login_page(
            room, note=say(note) if note else "", target=inside(request.query_params.get("to", "/"))
        )

    async def enter(request: Request) -> Response:
        return await answer_form(room, request, lambda form: _log_in(room, request, form))

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
        code=first.get("code", ""),
        token=first.get("token", ""),
        target=inside(first.get("to", "/")),
    )


async def answer_form(room: Room, request: Request, act: Callable[[LoginForm], Response]) -> Response:
    """Answer a form of the log-in by `act`, in a thread; one that is not ours, or too old, does nothing."""
    form = read_form(await request.body())
    if is_foreign(request) or not is_token_of(request.cookies.get(LOGIN_COOKIE, ""), form.token):
        return login_page(room, error=say("The form had expired. Try again."), target=form.target, status=403)
    return await in_thread(lambda: act(form))


def _log_in(room: Room, request: Request, form: LoginForm) -> Response:
    at = now()
    try:
        room.limits.attempt_as(form.username, source=source_of(request), now=at)
        token, _ = accounts.log_in(
            room.store,
            username=form.username,
            password=form.password,
            source=source_of(request),
            policy=room.settings.login_policy,
            now=at,
        )
    except SecondFactorNeeded as needed:
        answer = RedirectResponse(f"/login/code?{urlencode({'to': form.target})}", status_code=303)
        ticket = second_factor.begin_second_step(room.store, needed, now=at)
        keep_cookie(room, answer, STEP_COOKIE, ticket, path="/login/code")
        return answer
    except TooManyRequests as error:
        return too_many_page(room, error, form.target)
    except AuthenticationFailed as error:
        room.metrics.logins.labels("failure").inc()
        return login_page(room, error=tell(error), target=form.target, status=401)
    except DatabaseUnavailable:
        return database_page(room, form.target)
    room.metrics.logins.labels("success").inc()
    return welcome(room, token, RedirectResponse(form.target, status_code=303))


def _log_out(room: Room, request: Request) -> Response:
    is_provided = accounts.log_out(room.store, request.cookies.get(SESSION_COOKIE, ""), now=now())
    address = _provider_log_out(room, request) if is_provided else ""
    answer = private_json({"address": address}) if address else Response(status_code=204)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


def _provider_log_out(room: Room, request: Request) -> str:
    """Return where the browser ends the provider's session too; ours has ended, whatever that says."""
    back = str(request.base_url.replace(scheme="https" if room.settings.ui_tls else "http"))
    try:
        return room.provider.log_out_address(f"{back}login?why=out", now=now()) if room.provider else ""
    except SignOnRefused:
        return ""
