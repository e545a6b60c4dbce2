"""The audit log as a file: for auditors alone, from our own page alone, verifiable without a database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.services.audit import verify_file
from app.ui.csrf import CSRF_HEADER
from tests.ui.conftest import Browser, Hospital


def export(browser: Browser, **fields: str):
    token = browser.headers.get(CSRF_HEADER, "")
    # a form sets no header: its field alone has to do
    data, headers = {"format": "csv", "token": token} | fields, {CSRF_HEADER: ""}
    return browser.post("/audit/export", data=data, headers=headers)


@pytest.mark.covers("A3")
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_export_verifies_and_holds_its_own_entry(
    hospital: Hospital, browser_of: Callable[[str], Browser], tmp_path: Path, kind: str
) -> None:
    hospital.chest()
    answer = export(browser_of("aud"), format=kind)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    file = tmp_path / f"audit.{kind}"
    file.write_bytes(answer.content)
    count, _ = verify_file(file)
    assert count == len(hospital.events())
    assert [event for event, _, _ in hospital.events()[-2:]] == ["audit exported", "audit checkpoint"]


def test_export_is_for_auditors(browser_of: Callable[[str], Browser]) -> None:
    assert export(browser_of("ada")).status_code == 403


def test_export_takes_the_token_of_the_session(browser_of: Callable[[str], Browser]) -> None:
    assert export(browser_of("aud"), token="0" * 64).status_code == 403


@pytest.mark.parametrize(
    "fields", [{"format": "exe"}, {"since": "yesterday"}, {"since": "2026-11-22T08:00:00"}]
)
def test_export_that_makes_no_sense_is_refused(
    browser_of: Callable[[str], Browser], fields: dict[str, str]
) -> None:
    assert export(browser_of("aud"), **fields).status_code == 422


def test_nothing_is_left_on_the_disk(
    browser_of: Callable[[str], Browser], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(left))
    assert export(browser_of("aud")).status_code == 200
    assert export(browser_of("aud"), since="2026-11-22T08:00:00").status_code == 422
    assert list(left.iterdir()) == []
