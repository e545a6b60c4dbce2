"""Before every request: hosts, headers, sizes, sessions. Streamlit's own paths are in `test_server.py`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.services import accounts
from app.ui.csrf import SESSION_COOKIE
from app.ui.headers import closed_cookie
from app.ui.middleware import MAX_BODY_BYTES, room_middleware
from tests.ui import seed
from tests.ui.conftest import ORIGIN, Browser, Hospital

CLOSED = ["/_stcore/metrics", "/_stcore/upload_file/x/y", "/_stcore/agent/openapi.json"]


def test_page_without_session_leads_to_the_log_in(stranger: Browser) -> None:
    answer = stranger.get("/?view=worklist", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?to=%2F%3Fview%3Dworklist")


def test_anything_else_without_session_is_refused(stranger: Browser) -> None:
    assert stranger.get("/media/abc.csv").status_code == 401
    assert stranger.get("/component/x").status_code == 401


@pytest.mark.parametrize("path", CLOSED)
def test_doors_of_streamlit_that_nobody_needs_are_closed(
    browser_of: Callable[[str], Browser], path: str
) -> None:
    assert browser_of("ada").get(path).status_code == 404


@pytest.mark.parametrize("path", ["/login", "/live", "/pixels/1.2.3", "/nothing-here"])
def test_every_answer_carries_strict_headers(stranger: Browser, path: str) -> None:
    headers = stranger.get(path).headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_unknown_host_is_refused(stranger: Browser) -> None:
    assert stranger.get("/live", headers={"Host": "rebound.example"}).status_code == 400


def test_large_body_is_refused(browser_of: Callable[[str], Browser]) -> None:
    answer = browser_of("ada").post("/logout", content=b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413


@pytest.mark.covers("T36")
def test_session_that_was_idle_for_too_long_is_dead(hospital: Hospital) -> None:
    long_ago = datetime.now(UTC) - hospital.room.idle - timedelta(seconds=1)
    token, _ = accounts.log_in(
        hospital.store, username="ada", password=seed.PASSWORD, source="127.0.0.1", now=long_ago
    )
    answer = Browser(hospital, token).get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert "why=ended" in answer.headers["location"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1"},
        {"origin": "http://evil.example", "cookie": f"{SESSION_COOKIE}=x"},
        {"cookie": f"{SESSION_COOKIE}=x"},
    ],
    ids=["no cookie", "foreign origin", "no origin"],
)
def test_socket_of_a_stranger_is_refused(stranger: TestClient, headers: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        stranger.websocket_connect("/_stcore/stream", headers=headers),
    ):
        pass


@pytest.mark.covers("C3")
def test_fault_is_answered_with_the_headers_and_without_its_text(hospital: Hospital) -> None:
    async def fail(_: object) -> Response:
        raise RuntimeError("CANARY^Patient")

    asgi = Starlette(routes=[Route("/api/fault", fail)], middleware=room_middleware(hospital.room))
    answer = TestClient(asgi, base_url=ORIGIN).get("/api/fault")
    assert answer.status_code == 500
    assert "CANARY" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_cookie_of_anybody_is_closed_to_scripts_and_other_sites() -> None:
    assert closed_cookie("a=b; Path=/", is_tls=True) == "a=b; Path=/; HttpOnly; SameSite=strict; Secure"
    ours = "a=b; HttpOnly; Path=/; SameSite=lax; Secure"
    assert closed_cookie(ours, is_tls=True) == ours


def test_nothing_private_is_kept_by_a_cache(browser_of: Callable[[str], Browser]) -> None:
    for path in ("/metrics", "/ready", "/login", "/nothing-here", "/pixels/1.2.3"):
        assert browser_of("ada").get(path).headers["cache-control"] == "no-store", path
