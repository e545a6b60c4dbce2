"""Who may call: sessions, HTTP Basic, bearer tokens, roles, and what is recorded.

Not covered: the log-in itself and its lockout (`tests/ui/test_login.py`, `tests/store/test_accounts.py`).
"""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from app.domain.one_time import make_secret
from app.services.second_factor import enrol
from app.settings import Settings
from app.ui.csrf import CSRF_HEADER, SESSION_COOKIE, csrf_token
from app.web_checks import is_private_path
from tests.dicomweb.bodies import changed, multipart
from tests.dicomweb.conftest import Site
from tests.ui import seed


def session_of(site: Site, username: str) -> dict[str, str]:
    token = secrets.token_urlsafe(16)
    with site.store.begin() as tx:
        user = tx.users.by_username(username)
        assert user is not None
        tx.users.open_session(user.user_id, token, source="127.0.0.1", now=datetime.now(UTC))
    return {"Cookie": f"{SESSION_COOKIE}={token}", CSRF_HEADER: csrf_token(token)}


@pytest.mark.covers("C2")
def test_nobody_gets_in_without_credentials_and_learns_nothing(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    study = str(dcmread(ct_slice).StudyInstanceUID)
    stranger = site.client("")
    for path in ("/studies", f"/studies/{study}", "/studies/1.2.3", f"/studies/{study}/metadata"):
        answer = stranger.get(path)
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["www-authenticate"]
        assert study not in answer.text
    assert stranger.post("/studies", content=b"x").status_code == 401
    wrong = site.client("", Authorization="Bearer wrong")
    assert wrong.get("/studies").status_code == 401
    failures = [e.detail for e in site.events() if e.event == "login failed"]
    assert failures == [{"reason": "unknown token", "purpose": "dicomweb"}]


@pytest.mark.covers("C2", "A1")
def test_machine_does_what_its_entry_allows_and_refusals_are_recorded(site: Site, ct_slice: Path) -> None:
    content, content_type = multipart([ct_slice])
    sender, viewer = site.client("modality"), site.client("viewer")
    headers = {"Content-Type": content_type}
    assert viewer.post("/studies", content=content, headers=headers).status_code == 403
    assert sender.post("/studies", content=content, headers=headers).status_code == 200
    site.intake()
    study = str(dcmread(ct_slice).StudyInstanceUID)
    assert [sender.get(path).status_code for path in ("/studies", f"/studies/{study}")] == [403, 403]
    assert [viewer.get(path).status_code for path in ("/studies", f"/studies/{study}")] == [200, 200]
    denied = [e.username for e in site.events() if e.event == "access denied"]
    assert denied == ["dicomweb/viewer", "dicomweb/modality", "dicomweb/modality"]


@pytest.mark.covers("C2", "A1")
@pytest.mark.parametrize(
    ("username", "search", "retrieve", "stow"),
    [
        ("vera", 200, 200, 403),
        ("rana", 200, 200, 200),
        ("ada", 200, 200, 200),
        ("adam", 200, 403, 200),
        ("aud", 403, 403, 403),
    ],
)
def test_roles_hold_for_people_with_a_session(
    site: Site, ct_slice: Path, username: str, search: int, retrieve: int, stow: int
) -> None:
    site.have(ct_slice)
    client = site.client("", **session_of(site, username))
    study = str(dcmread(ct_slice).StudyInstanceUID)
    content, content_type = multipart([ct_slice])
    assert client.get("/studies").status_code == search
    assert client.get(f"/studies/{study}").status_code == retrieve
    assert (
        client.post("/studies", content=content, headers={"Content-Type": content_type}).status_code == stow
    )


def test_session_without_the_token_of_its_page_stores_nothing(site: Site, ct_slice: Path) -> None:
    headers = session_of(site, "ada")
    headers.pop(CSRF_HEADER)
    content, content_type = multipart([ct_slice])
    answer = site.client("", **headers).post(
        "/studies", content=content, headers={"Content-Type": content_type}
    )
    assert answer.status_code == 403
    assert site.spool.incoming() == []


@pytest.mark.covers("T34")
def test_basic_opens_one_session_and_wrong_passwords_lock_the_account(site: Site, ct_slice: Path) -> None:
    client = site.client("")
    right, wrong = ("ada", seed.PASSWORD), ("ada", "not the password")
    assert [client.get("/studies", auth=right).status_code for _ in range(3)] == [204, 204, 204]
    assert [e.event for e in site.events()].count("login") == 1
    foreign = {"Origin": "https://elsewhere.example", "Content-Type": "multipart/related"}
    assert client.post("/studies", auth=right, headers=foreign).status_code == 403
    for _ in range(5):
        assert client.get("/studies", auth=wrong).status_code == 401
    assert site.client("").get("/studies", auth=("otto", seed.PASSWORD)).status_code == 204
    assert client.get("/studies", headers={"Authorization": "Basic ???"}).status_code == 401


@pytest.mark.parametrize(
    ("host", "tls", "expected"),
    [
        ("127.0.0.1", False, True),
        ("localhost", False, True),
        ("::1", False, True),
        ("0.0.0.0", False, False),
        ("10.0.0.1", False, False),
        ("10.0.0.1", True, True),
        ("ui", False, False),
    ],
)
def test_credentials_are_taken_over_tls_or_on_this_machine(host: str, tls: bool, expected: bool) -> None:
    assert is_private_path(Settings(ui_host=host, ui_tls=tls)) is expected


@pytest.mark.covers("A1")
def test_retrieval_is_recorded_once_a_quarter_of_an_hour_and_search_without_values(
    site: Site, ct_slice: Path
) -> None:
    study = generate_uid()  # one that no other test has retrieved
    site.have(changed(ct_slice, StudyInstanceUID=study))
    client = site.client("viewer")
    for path in ("", "/metadata", ""):
        assert client.get(f"/studies/{study}{path}").status_code == 200
    client.get("/studies", params={"PatientName": "SECRET*"})
    events = site.events()
    given = [e for e in events if e.event == "instances retrieved"]
    assert [(e.username, e.study_uid) for e in given] == [("dicomweb/viewer", study)]
    assert given[0].patient_ref
    listed = [e for e in events if e.event == "list studies"]
    assert listed[-1].detail["filters"] == ["PatientName"]
    assert "SECRET" not in str([e.detail for e in events])


def test_address_that_names_no_service_is_not_found(site: Site) -> None:
    client = site.client("viewer")
    assert [client.get(path).status_code for path in ("/", "/patients", "/studies/1.2/nothing")] == [404] * 3
    assert client.delete("/studies/1.2.3").status_code == 404


@pytest.mark.covers("T34")
def test_account_with_a_second_factor_cannot_use_basic(site: Site) -> None:
    """Its password alone opens nothing here either, and the answer says what does."""
    now = datetime.now(UTC) - timedelta(minutes=2)
    secret = make_secret()
    credentials = base64.b64encode(f"ada:{seed.PASSWORD}".encode()).decode()
    client = site.client("", Authorization=f"Basic {credentials}")
    assert client.get("/studies").status_code == 204  # nothing found yet, and let in
    with site.store.begin() as tx:
        user = tx.users.by_username("ada")
        assert user is not None
    code = pyotp.TOTP(secret).at(now)
    enrol(site.store, user.act(source="x"), secret, password=seed.PASSWORD, code=code, now=now)
    answer = client.get("/studies")
    assert answer.status_code == 401
    assert "second factor" in answer.text
    failed = [event.detail for event in site.events() if event.event == "login failed"]
    assert failed == [{"reason": "second factor cannot be given by HTTP Basic", "purpose": "dicomweb"}]
