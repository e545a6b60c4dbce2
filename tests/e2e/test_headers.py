"""Headers of a running server: Streamlit's pages, its files and socket, our routes, DICOMweb and refusals.

Not covered: what a browser does with them; every test of `test_reading_room.py` would fail on a policy that
forbids too much, for it collects the browser's complaints.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app.services import accounts
from app.ui.csrf import SESSION_COOKIE
from tests.e2e.reading_room import House, open_house
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WANTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "strict-transport-security": "max-age=31536000",
}
PATHS = (
    "/", "/index.html", "/login", "/login/code", "/live", "/ready", "/metrics", "/favicon.ico", "/nothing",
    "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/_stcore/stream", "/media/none.csv",
    "/component/none/x.js", "/pixels/1.2.3", "/api/studies/1.2.3/report", "/dicomweb/studies",
    "/dicomweb/studies/1.2.3", "/dicomweb/nothing", "/static/none.js", "/static/..%2f..%2fetc/passwd",
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A reading room that says that a proxy with TLS is in front."""
    log = tmp_path_factory.mktemp("headers") / "ui.log"
    with open_house(log, command=("-m", "app.cli", "ui"), dicomweb=True, ui_tls=True) as house:
        yield house


def token_of(house: House) -> str:
    return accounts.log_in(
        house.store, username="ada", password=seed.PASSWORD, source="127.0.0.1", now=seed.now_utc()
    )[0]


def complaints(answer: httpx.Response) -> list[str]:
    """Name what an answer lacks."""
    found = [name for name, value in WANTED.items() if answer.headers.get(name) != value]
    policy = answer.headers.get("content-security-policy", "")
    if "frame-ancestors 'none'" not in policy or "unsafe-eval" in policy:
        found.append("content-security-policy")
    if "microphone=()" not in answer.headers.get("permissions-policy", ""):
        found.append("permissions-policy")
    is_public = answer.url.path.startswith(("/static/", "/favicon"))
    if not is_public and answer.headers.get("cache-control") != "no-store":
        found.append("cache-control")
    if "streamlit" in answer.headers.get("server", "").lower() or "uvicorn" in answer.headers.get(
        "server", ""
    ):
        found.append("server")
    for cookie in answer.headers.get_list("set-cookie"):
        found += [f"cookie {name}" for name in ("HttpOnly", "SameSite", "Secure") if name not in cookie]
    return found


@pytest.mark.parametrize("username", ["", "ada"], ids=["stranger", "reader"])
def test_every_answer_of_the_server_carries_the_headers(house: House, username: str) -> None:
    cookies = {SESSION_COOKIE: token_of(house)} if username else {}
    with httpx.Client(base_url=house.room.url, cookies=cookies, timeout=60) as client:
        wrong = {}
        for path in PATHS:
            for method in ("GET", "POST", "DELETE", "OPTIONS", "TRACE"):
                answer = client.request(method, path)
                if found := complaints(answer):
                    wrong[f"{method} {path} {answer.status_code}"] = found
        page = client.get("/", headers={"Accept": "text/html"})
    assert wrong == {}
    if username:
        assert '<script type="module"' in page.text or "<script" in page.text
        assert page.status_code == 200


def test_refused_host_and_large_body_carry_the_headers(house: House) -> None:
    with httpx.Client(base_url=house.room.url, timeout=60) as client:
        assert complaints(client.get("/live", headers={"Host": "evil.example"})) == []
        refused = client.post("/login", content=b"x" * 2_000_000)
    assert (refused.status_code, complaints(refused)) == (413, [])


def test_socket_of_a_stranger_is_refused_with_the_headers(house: House) -> None:
    address = house.room.url.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises(InvalidStatus) as refused, connect(address, origin="https://evil.example"):
        pass
    answer = refused.value.response
    assert answer.status_code == 403
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_log_in_sets_cookies_for_tls_alone(house: House) -> None:
    with httpx.Client(base_url=house.room.url, timeout=60) as client:
        answer = client.get("/login")
    cookies = answer.headers.get_list("set-cookie")
    assert cookies
    assert all("Secure" in cookie and "HttpOnly" in cookie and "SameSite" in cookie for cookie in cookies)


def test_log_has_no_fault(house: House) -> None:
    assert "request failed" not in Path(house.room.log).read_text()
