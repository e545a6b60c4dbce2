"""`/login/code`: the second step of a log-in by password, which is also where a second factor is set up."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.domain.errors import AuthenticationFailed, DatabaseUnavailable
from app.services import second_factor
from app.services.second_factor import Ticket
from app.ui.csrf import LOGIN_COOKIE, STEP_COOKIE, is_foreign, is_token_of
from app.ui.qr import qr_svg
from app.ui.room import Room
from app.ui.routes.answers import in_thread, now, source_of
from app.ui.routes.login import LoginForm, inside, read_form
from app.ui.routes.login_pages import form_page, login_page, notice_page, welcome


def second_step_routes(room: Room) -> list[Route]:
    """Return `/login/code`."""

    async def show(request: Request) -> Response:
        target = inside(request.query_params.get("to", "/"))
        return await in_thread(lambda: _show(room, request, target))

    async def enter(request: Request) -> Response:
        form = read_form(await request.body())
        if is_foreign(request) or not is_token_of(request.cookies.get(LOGIN_COOKIE, ""), form.token):
            return login_page(room, error="The form had expired. Try again.", target=form.target, status=403)
        return await in_thread(lambda: _enter(room, request, form))

    return [Route("/login/code", show, methods=["GET"]), Route("/login/code", enter, methods=["POST"])]


def recovery_list(codes: tuple[str, ...]) -> str:
    """Return recovery codes as HTML."""
    return f'<ul class="codes">{"".join(f"<li>{escape(code)}</li>" for code in codes)}</ul>'


def _show(room: Room, request: Request, target: str) -> Response:
    try:
        ticket = second_factor.read_ticket(room.store, request.cookies.get(STEP_COOKIE, ""), now=now())
        return _form(room, ticket, target)
    except AuthenticationFailed as error:
        return login_page(room, error=str(error), target=target, status=401)
    except DatabaseUnavailable:
        return login_page(room, error="The database does not answer. Try again.", target=target, status=503)


def _enter(room: Room, request: Request, form: LoginForm) -> Response:
    ticket = None
    try:
        ticket = second_factor.read_ticket(room.store, request.cookies.get(STEP_COOKIE, ""), now=now())
        token, _, recovery_codes = second_factor.finish_log_in(
            room.store, ticket, form.code, source=source_of(request), now=now()
        )
    except AuthenticationFailed as error:
        room.metrics.logins.labels("failure").inc()
        if ticket is None:
            return login_page(room, error=str(error), target=form.target, status=401)
        return _form(room, ticket, form.target, error=str(error), status=401)
    except DatabaseUnavailable:
        text = "The database does not answer. Try again."
        return login_page(room, error=text, target=form.target, status=503)
    room.metrics.logins.labels("success").inc()
    if not recovery_codes:
        return welcome(room, token, RedirectResponse(form.target, status_code=303))
    note = (
        "Keep these recovery codes apart from your device. Each opens one log-in; they are not shown again."
    )
    page = notice_page(
        room, note, go="I have kept them", target=form.target, content=recovery_list(recovery_codes)
    )
    return welcome(room, token, page)


def _form(room: Room, ticket: Ticket, target: str, *, error: str = "", status: int = 200) -> Response:
    label, proposal = "One-time password, or a recovery code", ""
    if ticket.secret:
        username = second_factor.name_of(room.store, ticket)
        label = "One-time password that your authenticator shows"
        proposal = (
            "<p>Your role needs a second factor. Scan this with an authenticator, or type the secret.</p>"
            f"{qr_svg(ticket.secret, username)}<p><code>{escape(ticket.secret)}</code></p>"
        )
    parts = {"label": label, "proposal": proposal}
    return form_page(room, "code.html", error=error, target=target, status=status, **parts)
