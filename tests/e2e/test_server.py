"""The web server as a process: Streamlit's own doors, what it logs, and how it refuses to start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from app.services import accounts
from app.ui.csrf import SESSION_COOKIE
from app.workers.supervise import environment_of
from tests.e2e.reading_room import ROOT, House
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def visitor(house: House) -> Iterator[Callable[..., httpx.Client]]:
    """Makes HTTP clients, logged in or not."""
    with ExitStack() as clients:

        def make(username: str = "") -> httpx.Client:
            client = httpx.Client(base_url=house.room.url, timeout=60, headers={"Accept": "text/html"})
            if username:
                client.cookies.set(SESSION_COOKIE, token_of(house, username))
            return clients.enter_context(client)

        yield make


def token_of(house: House, username: str) -> str:
    """Open a session and return its token."""
    return accounts.log_in(
        house.store, username=username, password=seed.PASSWORD, source="127.0.0.1", now=seed.now_utc()
    )[0]


@pytest.mark.parametrize("path", ["/", "/index.html", "/?view=review&study=1.2.3"])
def test_pages_of_streamlit_are_for_who_is_logged_in(visitor: Callable[..., httpx.Client], path: str) -> None:
    assert visitor().get(path).status_code == 303
    answer = visitor("ada").get(path)
    assert (answer.status_code, answer.headers["x-frame-options"]) == (200, "DENY")


@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/script-health-check"]
)
def test_doors_that_nobody_needs_are_closed(visitor: Callable[..., httpx.Client], path: str) -> None:
    assert visitor("ada").get(path).status_code == 404


def test_uploads_are_closed(visitor: Callable[..., httpx.Client]) -> None:
    answer = visitor("ada").put("/_stcore/upload_file/session/file", content=b"x")
    assert answer.status_code == 404


@pytest.mark.covers("C3", "T40")
def test_nothing_of_a_patient_or_a_session_is_in_the_log(
    house: House, visitor: Callable[..., httpx.Client]
) -> None:
    study = house.chest("canary", patient_name="Canary^Seeded", patient_id="CANARY-7", description="CANARY-8")
    client = visitor("ada")
    client.get("/", params={"view": "review", "study": study, "who": "CANARY-9"})
    client.get(f"/pixels/{study}")
    client.get("/pixels/CANARY-10")
    client.put("/api/reports/1/sentences/CANARY-11", json={"text": "CANARY-12"})
    client.post("/login", data={"username": "CANARY-13", "password": "CANARY-14"})
    log = house.room.log.read_text().lower()
    assert "canary" not in log
    assert study not in log
    assert str(client.cookies[SESSION_COOKIE]).lower() not in log


def test_taken_port_is_named_and_the_process_ends(house: House) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.ui.server"],
        cwd=ROOT,
        env=environment_of(house.room.settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{house.room.settings.ui_port}" in done.stderr
    assert "JANUS_MED_UI_PORT" in done.stderr
    assert "Traceback" not in done.stderr
