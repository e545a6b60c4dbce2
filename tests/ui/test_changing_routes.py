"""Every route of ours that changes something refuses what a page of another site makes a browser send.

The routes are those that the server has, with single sign-on and DICOMweb: a new one is tried here by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from app.dicomweb.routes import dicomweb_routes
from app.login_settings import OidcSettings
from app.services.openid_provider import open_provider
from app.ui.csrf import CSRF_HEADER, SESSION_COOKIE, csrf_token
from app.ui.middleware import room_middleware
from app.ui.room import Room
from app.ui.server import room_routes
from tests.ui.conftest import ORIGIN, Browser, Hospital

SAFE = {"GET", "HEAD", "OPTIONS"}
# the provider calls it, not a browser: no cookie counts there, and its token is signed
OF_MACHINES = {("POST", "/login/oidc/backchannel")}
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


def changing(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield method and path of every route that is not only read."""
    for route in routes:
        if isinstance(route, Mount):
            yield from changing(list(route.routes), prefix + route.path)
        elif isinstance(route, Route):
            for method in sorted((route.methods or set()) - SAFE):
                yield method, prefix + route.path


@pytest.fixture
def whole_room(hospital: Hospital, tmp_path: Path) -> Room:
    """The room with all of its routes."""
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o600)
    oidc = OidcSettings(
        issuer="https://sso.example",
        client_id="c",
        client_secret_file=secret,
        roles={"g": "viewer"},  # type: ignore[dict-item]
    )
    settings = hospital.room.settings.model_copy(update={"dicomweb": True, "oidc": oidc})
    return replace(hospital.room, settings=settings, provider=open_provider(oidc))


def routes_of(room: Room) -> list[BaseRoute]:
    return [*room_routes(room), *dicomweb_routes(room)]


def path_of(template: str) -> str:
    """Fill the parameters of a path with a number, which every converter takes."""
    return "/".join("1" if part.startswith("{") else part for part in template.split("/"))


def unprotected(room: Room, routes: list[BaseRoute], token: str) -> list[str]:
    """Name the changing routes that do not refuse a forged request of a logged-in browser."""
    app = Starlette(routes=routes, middleware=room_middleware(room))
    client = TestClient(app, base_url=ORIGIN, client=("127.0.0.1", 50000), follow_redirects=False)
    client.cookies.set(SESSION_COOKIE, token, domain="127.0.0.1")
    right, wrong = {CSRF_HEADER: csrf_token(token)}, {CSRF_HEADER: csrf_token("another")}
    forged = {"no token": {}, "wrong token": wrong, "foreign page": right | FOREIGN}
    return [
        f"{method} {path} ({name}: {status})"
        for method, path in changing(routes)
        if (method, path) not in OF_MACHINES
        for name, headers in forged.items()
        if (status := client.request(method, path_of(path), headers=headers).status_code) != 403
    ]


def test_every_changing_route_refuses_a_forged_request(hospital: Hospital, whole_room: Room) -> None:
    routes = routes_of(whole_room)
    assert len(list(changing(routes))) >= 8
    assert set(changing(routes)) >= OF_MACHINES
    assert unprotected(whole_room, routes, hospital.log_in("ada")[0]) == []


def test_route_without_the_check_is_found(hospital: Hospital, whole_room: Room) -> None:
    async def careless(_: object) -> Response:
        return PlainTextResponse("done")

    routes: list[BaseRoute] = [Route("/api/careless/{number:int}", careless, methods=["POST"])]
    found = unprotected(whole_room, routes, hospital.log_in("ada")[0])
    assert len(found) == 3


def test_token_of_the_provider_is_asked_for_where_no_cookie_counts(
    whole_room: Room, browser_of: Callable[[str], Browser]
) -> None:
    app = Starlette(routes=routes_of(whole_room), middleware=room_middleware(whole_room))
    answer = TestClient(app, base_url=ORIGIN).post("/login/oidc/backchannel", data={"logout_token": "x"})
    assert answer.status_code == 400
