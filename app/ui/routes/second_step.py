"""`/login/code`: the second step of a log-in by password, which is also where a second factor is set up."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.domain.errors import AuthenticationFailed, DatabaseUnavailable, TooManyRequests
from app.services import second_factor
from app.services.second_factor import Ticket
from app.ui.csrf import STEP_COOKIE
from app.ui.qr import qr_svg
from app.ui.room import Room
from app.ui.routes.answers import in_thread, now, source_of
from app.ui.routes.login import LoginForm, answer_form, inside
from app.ui.routes.login_pages import (
    database_page,
    form_page,
    login_page,
    notice_page,
    too_many_page,
    welcome,
)
from app.ui.told import tell
from app.ui.words import say


def second_step_routes(room: Room) -> list[Route]:
    """Return `/login/code`."""

    async def show(request: Request) -> Response:
        target = inside(request.query_params.get("to", "/"))
        return await in_thread(lambda: _show(room, request, target))

    async def enter(request: Request) -> Response:
        return await answer_form(room, request, lambda form: _enter(room, request, form))

    return [Route("/login/code", show, methods=["GET"]), Route("/login/code", enter, methods=["POST"])]


def recovery_list(codes: tuple[str, ...]) -> str:
    """Return recovery codes as HTML."""
    return f'<ul class="codes">{"".join(f"<li>{escape(code)}</li>" for code in codes)}</ul>'


def _show(room: Room, request: Request, target: str) -> Response:
    try:
        ticket = second_factor.read_ticket(room.store, request.cookies.get(STEP_COOKIE, ""), now=now())
        return _form(room, ticket, target)
    except AuthenticationFailed as error:
        return login_page(room, error=tell(error), target=target, status=401)
    except DatabaseUnavailable:
        return database_page(room, target)


def _enter(room: Room, request: Request, form: LoginForm) -> Response:
    ticket = None
    try:
        ticket = second_factor.read_ticket(room.store, request.cookies.get(STEP_COOKIE, ""), now=now())
        room.limits.attempt_as(f"number {ticket.user_id}", source=source_of(request), now=now())
        token, _, recovery_codes = second_factor.finish_log_in(
            room.store, ticket, form.code, source=source_of(request), now=now()
        )
    except TooManyRequests as error:
        return too_many_page(room, error, form.target)
    except AuthenticationFailed as error:
        room.metrics.logins.labels("failure").inc()
        if ticket is None:
            return login_page(room, error=tell(error), target=form.target, status=401)
        return _form(room, ticket, form.target, error=tell(error), status=401)
    except DatabaseUnavailable:
        return database_page(room, form.target)
    room.metrics.logins.labels("success").inc()
    if not recovery_codes:
        return welcome(room, token, RedirectResponse(form.target, status_code=303))
    note = say(
        "Keep these recovery codes apart from your device. Each opens one log-in; they are not shown again."
    )
    page = notice_page(
        room, note, go=say("I have kept them"), target=form.target, content=recovery_list(recovery_codes)
    )
    return welcome(room, token, page)


def _form(room: Room, ticket: Ticket, target: str, *, error: str = "", status: int = 200) -> Response:
    label, proposal = say("One-time password, or a recovery code"), ""
    if ticket.secret:
        username = second_factor.name_of(room.store, ticket)
        needed = say("Your role needs a second factor. Scan this with an authenticator, or type the secret.")
        label = say("One-time password that your authenticator shows")
        proposal = (
            f"<p>{escape(needed)}</p>"
            f"{qr_svg(ticket.secret, username)}<p><code>{escape(ticket.secret)}</code></p>"
        )
    parts = {"label": escape(label), "proposal": proposal}
    return form_page(room, "code.html", error=error, target=target, status=status, **parts)
