"""`/login/oidc`: to the identity provider and back, the confirmation before a signature, and its log-out."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.domain.errors import AuthenticationFailed, DatabaseUnavailable, SignOnRefused
from app.domain.sign_on import read_identity
from app.services import sign_on
from app.services.openid_provider import LoginRequest, OpenIdProvider
from app.ui.csrf import SIGN_ON_COOKIE
from app.ui.room import Room
from app.ui.routes.answers import in_thread, now, private_json, resume, source_of
from app.ui.routes.login import inside
from app.ui.routes.login_pages import database_page, login_page, notice_page, welcome
from app.ui.told import tell
from app.ui.words import say

_CALLBACK = "/login/oidc/callback"
_PURPOSE = "single sign-on"
_LONGEST_LOGIN = timedelta(minutes=10)
_STATE = re.compile(r"[0-9a-f]{64}")
_BEGIN_AGAIN = "this log-in was not begun in this browser, or took too long: log in again"
# the errors of OpenID Connect Core 3.1.2.6 and RFC 6749 4.1.2.1 that we know; others are not repeated
_ERRORS = frozenset(
    {"access_denied", "login_required", "interaction_required", "consent_required", "server_error",
     "temporarily_unavailable", "invalid_request", "invalid_scope", "unauthorized_client"}
)  # fmt: skip


def sign_on_routes(room: Room) -> list[Route]:
    """Return the routes of single sign-on; none when no provider is configured."""
    provider = room.provider
    if provider is None:
        return []

    async def begin(request: Request) -> Response:
        target = inside(request.query_params.get("to", "/"))
        return await in_thread(lambda: _leave(room, provider, request, target))

    async def confirm(request: Request) -> Response:
        return await in_thread(lambda: _leave_to_confirm(room, provider, request))

    async def come_back(request: Request) -> Response:
        return await in_thread(lambda: _come_back(room, provider, request))

    async def end(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
        token = fields.get("logout_token", [""])[0]
        return await in_thread(lambda: _end(room, provider, request, token))

    return [
        Route("/login/oidc", begin, methods=["GET"]),
        Route("/login/oidc/confirm", confirm, methods=["GET"]),
        Route(_CALLBACK, come_back, methods=["GET"]),
        Route("/login/oidc/backchannel", end, methods=["POST"]),
    ]


def _leave(
    room: Room, provider: OpenIdProvider, request: Request, target: str, *, session_id: int = 0
) -> Response:
    at = now()
    scheme = "https" if room.settings.ui_tls else "http"
    login = LoginRequest(
        state=secrets.token_hex(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        redirect_uri=str(request.url.replace(scheme=scheme, path=_CALLBACK, query="")),
        target=target,
        session_id=session_id,
        began_at=at.timestamp(),
    )
    try:
        answer = RedirectResponse(provider.address_for(login, now=at), status_code=303)
    except SignOnRefused as error:
        return _refuse(room, request, error, target)
    # lax: the provider sends the browser back from its own site. One a log-in, so that two tabs do not meet
    answer.set_cookie(
        _cookie_of(login.state),
        room.store.vault.seal(json.dumps(vars(login)), _PURPOSE),
        max_age=int(_LONGEST_LOGIN.total_seconds()),
        path=_CALLBACK,
        httponly=True,
        samesite="lax",
        secure=room.settings.ui_tls,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _leave_to_confirm(room: Room, provider: OpenIdProvider, request: Request) -> Response:
    try:
        actor = resume(room, request)
    except AuthenticationFailed as error:
        return login_page(room, error=say("{reason}. Nothing was signed.", reason=tell(error)), status=401)
    except DatabaseUnavailable:
        return database_page(room)
    return _leave(room, provider, request, "/", session_id=actor.session_id or 0)


def _come_back(room: Room, provider: OpenIdProvider, request: Request) -> Response:
    at, target = now(), "/"
    try:
        login = _read_login(room, request.query_params, request.cookies, at)
        target = login.target
        _require_answer(request.query_params, provider.settings.issuer)
        claims = provider.exchange(login, request.query_params["code"], now=at)
        identity = read_identity(claims, provider.claim_names)
        source = source_of(request)
        if login.session_id:
            began_at = datetime.fromtimestamp(login.began_at, UTC)
            sign_on.confirm(room.store, identity, login.session_id, began_at=began_at, source=source, now=at)
            note = say("Confirmed. Close this tab and sign within two minutes.")
            answer = notice_page(room, note, go=say("To the worklist"))
        else:
            longest = timedelta(minutes=provider.settings.session_minutes)
            token, _ = sign_on.admit(room.store, identity, source=source, longest=longest, now=at)
            room.metrics.logins.labels("success").inc()
            page = notice_page(room, say("You are logged in."), go=say("Go on"), target=target, at_once=True)
            answer = welcome(room, token, page)
    except SignOnRefused as error:
        return _refuse(room, request, error, target)
    except DatabaseUnavailable:
        return database_page(room, target)
    answer.delete_cookie(_cookie_of(login.state), path=_CALLBACK)
    return answer


def _read_login(
    room: Room, query: Mapping[str, str], cookies: Mapping[str, str], at: datetime
) -> LoginRequest:
    """Return the log-in that this browser has begun, by the state that came back."""
    state = query.get("state", "")
    if not _STATE.fullmatch(state):
        raise SignOnRefused(_BEGIN_AGAIN, "state is missing")
    text = room.store.vault.unseal(cookies.get(_cookie_of(state), ""), _PURPOSE)
    login = LoginRequest(**json.loads(text)) if text else None
    if login is None or not secrets.compare_digest(login.state, state):
        raise SignOnRefused(_BEGIN_AGAIN, "state is not of this browser")
    if at.timestamp() - login.began_at >= _LONGEST_LOGIN.total_seconds():
        raise SignOnRefused(_BEGIN_AGAIN, "the answer came too late")
    return login


def _require_answer(query: Mapping[str, str], issuer: str) -> None:
    error = query.get("error", "")
    if error:
        word = error if error in _ERRORS else "an error"
        raise SignOnRefused(f"the identity provider did not log you in ({word})", f"provider says {word}")
    # RFC 9207: another provider's answer does not count, where the provider says who it is
    if query.get("iss", issuer) != issuer:
        raise SignOnRefused(_BEGIN_AGAIN, "answer of another issuer")
    if not query.get("code"):
        raise SignOnRefused(_BEGIN_AGAIN, "no code")


def _end(room: Room, provider: OpenIdProvider, request: Request, token: str) -> Response:
    """End the sessions that the provider names (OpenID Connect Back-Channel Logout 1.0, 2.7 and 2.8)."""
    at, source = now(), source_of(request)
    try:
        sign_on.end_by_provider(room.store, provider.read_logout(token, now=at), source=source, now=at)
    except SignOnRefused as error:
        sign_on.record_refusal(room.store, error.reason, "log-out by the provider", source=source, now=at)
        return private_json({"error": "invalid_request", "error_description": error.reason}, 400)
    except DatabaseUnavailable:
        return private_json({"error": "temporarily_unavailable"}, 503)
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


def _refuse(room: Room, request: Request, error: SignOnRefused, target: str) -> Response:
    room.metrics.logins.labels("failure").inc()
    try:
        sign_on.record_refusal(room.store, error.reason, _PURPOSE, source=source_of(request), now=now())
    except DatabaseUnavailable:
        return database_page(room, target)
    text = tell(error)
    return login_page(room, error=f"{text[:1].upper()}{text[1:]}.", target=target, status=401)


def _cookie_of(state: str) -> str:
    return f"{SIGN_ON_COOKIE}_{state[:16]}"
