"""The signed PDF on the review page: offered when it exists, given to whoever may read, on record each time.

Covered: page and route without a browser. Not covered: what the file says (`tests/bridge/`), the rule who may
open a study (`tests/unit/services/test_study_access.py`), the click (`tests/e2e/`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.documents import document_routes
from app.domain.attestation import Meaning
from app.domain.audit import AuditEntry, AuditFilter
from app.domain.errors import ConfigurationError
from app.services import reading, study_groups, withdrawal
from app.services.amending import add_addendum
from app.ui.csrf import SESSION_COOKIE
from app.ui.middleware import room_middleware
from app.ui.server import room_routes
from tests.certificates import issue
from tests.ui import seed
from tests.ui.conftest import ORIGIN, Hospital
from tests.ui.test_views import Page, page_of, sign_as

__all__ = ["page_of"]


@pytest.fixture
def sealed(hospital: Hospital, tmp_path: Path) -> Hospital:
    """The hospital with a certificate for documents."""
    settings = hospital.room.settings.model_copy(update={"document_signature": issue().write(tmp_path)})
    hospital.room = replace(hospital.room, settings=settings)
    return hospital


def visitor(hospital: Hospital, username: str = "") -> TestClient:
    """A browser at a reading room with the routes of documents."""
    room = hospital.room
    assert room.settings.document_signature is not None
    routes = [*room_routes(room), *document_routes(room.settings.document_signature)(room)]
    client = TestClient(
        Starlette(routes=routes, middleware=room_middleware(room)), base_url=ORIGIN, follow_redirects=False
    )
    if username:
        client.cookies.set(SESSION_COOKIE, hospital.log_in(username)[0], domain="127.0.0.1")
    return client


def signed_report(hospital: Hospital, *readers: str) -> tuple[str, int]:
    """A study that Ada has signed and the readers have opened, and the number of its report."""
    study = sign_as(hospital, "ada")
    review = None
    for username in ("ada", *readers):
        _, actor = hospital.log_in(username)
        review = reading.open_study(hospital.store, actor, study, now=datetime.now(UTC))
    assert review is not None
    assert review.report is not None
    return study, review.report.report_id


def exports(hospital: Hospital) -> list[AuditEntry]:
    with hospital.store.begin() as tx:
        return [entry for entry in tx.audit.stream(AuditFilter()) if entry.event == "report exported"]


@pytest.mark.covers("S3", "A1")
def test_reader_gets_the_same_signed_file_each_time_and_it_is_on_record(sealed: Hospital) -> None:
    study, report_id = signed_report(sealed, "vera")
    files = []
    for username in ("ada", "vera"):
        answer = visitor(sealed, username).get(f"/reports/{report_id}/signed.pdf")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == f'attachment; filename="report-{report_id}.pdf"'
        assert answer.headers["cache-control"] == "no-store"
        files.append(answer.content)
    assert files[0] == files[1]
    (signature,) = PdfFileReader(io.BytesIO(files[0])).embedded_signatures
    assert signature.sig_object["/Reason"].startswith(f"{Meaning.FINAL.value}; Dr. Ada Attending")
    digest = hashlib.sha256(files[0]).hexdigest()
    assert [(e.username, e.study_uid, e.detail["sha256"]) for e in exports(sealed)] == [
        ("ada", study, digest),
        ("vera", study, digest),
    ]


@pytest.mark.covers("S3")
def test_report_with_an_addendum_is_another_file_about_the_addendum(sealed: Hospital) -> None:
    _, report_id = signed_report(sealed)
    client = visitor(sealed, "ada")
    before = client.get(f"/reports/{report_id}/signed.pdf").content
    _, ada = sealed.log_in("ada")
    add_addendum(
        sealed.store,
        ada,
        report_id,
        version=sealed.report(report_id).version,
        password=seed.PASSWORD,
        text="The earlier films were compared.",
        destinations=(),
        now=datetime.now(UTC),
    )
    after = client.get(f"/reports/{report_id}/signed.pdf").content
    (signature,) = PdfFileReader(io.BytesIO(after)).embedded_signatures
    assert before != after
    assert signature.sig_object["/Reason"].startswith(Meaning.ADDENDUM.value)


@pytest.mark.covers("S2")
@pytest.mark.parametrize(
    ("username", "headers", "status", "words"),
    [
        ("", {}, 401, "log in first"),
        ("adam", {}, 403, "the role admin may not open study"),
        ("otto", {}, 403, "open the study first"),
        ("ada", {"sec-fetch-site": "cross-site"}, 403, "own page"),
        ("ada", {"origin": "http://elsewhere.example"}, 403, "own page"),
    ],
)
def test_nobody_else_gets_it(
    sealed: Hospital, username: str, headers: dict[str, str], status: int, words: str
) -> None:
    _, report_id = signed_report(sealed)
    answer = visitor(sealed, username).get(f"/reports/{report_id}/signed.pdf", headers=headers)
    assert answer.status_code == status
    assert words in answer.json()["message"]
    assert exports(sealed) == []


@pytest.mark.covers("T37")
def test_restricted_study_keeps_it_from_a_reader_who_had_it_open(sealed: Hospital) -> None:
    study, report_id = signed_report(sealed, "otto")
    _, admin = sealed.log_in("adam")
    now = datetime.now(UTC)
    study_groups.add_group(sealed.store, admin, "staff health", now=now)
    study_groups.restrict_study(sealed.store, admin, study, ["staff health"], "an employee", now=now)
    answer = visitor(sealed, "otto").get(f"/reports/{report_id}/signed.pdf")
    assert answer.status_code == 403
    assert "restricted to a group" in answer.json()["message"]
    assert exports(sealed) == []
    assert ("access denied", "failure", "otto") in sealed.events()


@pytest.mark.covers("S3", "O6")
def test_report_that_is_not_signed_or_withdrawn_has_none(sealed: Hospital) -> None:
    _, report_id = signed_report(sealed)
    _, ada = sealed.log_in("ada")
    report = sealed.report(report_id)
    withdrawal.withdraw(
        sealed.store,
        ada,
        report_id,
        version=report.version,
        password=seed.PASSWORD,
        reason="wrong patient",
        now=datetime.now(UTC),
    )
    leg = sealed.leg().study_uid
    other = reading.open_study(sealed.store, ada, leg, now=datetime.now(UTC)).report
    assert other is not None
    for number in (report_id, other.report_id):
        answer = visitor(sealed, "ada").get(f"/reports/{number}/signed.pdf")
        assert answer.status_code == 422
        assert "only a final report" in answer.json()["message"]
    assert visitor(sealed, "ada").get("/reports/4711/signed.pdf").status_code == 404
    assert exports(sealed) == []


@pytest.mark.covers("S3")
def test_certificate_that_has_expired_ends_the_start(sealed: Hospital, tmp_path: Path) -> None:
    ended = issue(begin=datetime.now(UTC) - timedelta(days=3), days=2).write(tmp_path)
    with pytest.raises(ConfigurationError, match="has expired"):
        document_routes(ended)


@pytest.mark.covers("S3")
def test_page_offers_it_for_a_final_report_and_with_a_certificate_alone(
    hospital: Hospital, page_of: Callable[[str], Page], tmp_path: Path
) -> None:
    study, report_id = signed_report(hospital)
    assert links(page_of("ada").open(view="review", study=study)) == []
    settings = hospital.room.settings.model_copy(update={"document_signature": issue().write(tmp_path)})
    hospital.room = replace(hospital.room, settings=settings)
    assert links(page_of("ada").open(view="review", study=study)) == [f"/reports/{report_id}/signed.pdf"]
    leg = hospital.leg().study_uid
    assert links(page_of("ada").open(view="review", study=leg)) == []


def links(page: Page) -> list[str]:
    return [button.proto.url for button in page._app.get("link_button")]
