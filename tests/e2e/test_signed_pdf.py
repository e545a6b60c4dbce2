"""The signed PDF at a real browser: `janus-med ui` with a certificate, one click, a file that verifies."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.services import reading, signing
from tests.certificates import issue
from tests.conftest import need
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House, open_house
from tests.ui.seed import PASSWORD

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("sealed")
    certificate = issue("p256").write(folder)
    with open_house(
        folder / "ui.log", command=("-m", "app.cli", "ui"), document_signature=certificate
    ) as house:
        yield house


@pytest.mark.covers("S3")
def test_reader_takes_a_signed_pdf_away(
    house: House, reader_of: Callable[[str], Reader], downloads: Path
) -> None:
    pdfsig = shutil.which("pdfsig")
    need(pdfsig, "poppler (apt-get install poppler-utils)")
    study = house.chest("sealed")
    report_id = sign(house, study)
    ada = reader_of("ada")
    ada.page.goto(f"{house.room.url}/?view=review&study={study}")
    link = ada.page.get_by_role("link", name="Signed PDF")
    # Playwright looks at a new tab too late to see that it becomes a download
    link.evaluate("link => link.removeAttribute('target')")
    with ada.page.expect_download() as download:
        link.click()
    file = downloads / "signed.pdf"
    download.value.save_as(file)
    assert download.value.suggested_filename == f"report-{report_id}.pdf"
    done = subprocess.run([pdfsig, file], capture_output=True, text=True, check=False)
    assert "Signature is Valid" in done.stdout
    assert house.events(study)[-1] == ("report exported", "ada")
    assert hashlib.sha256(file.read_bytes()).hexdigest() in exported(house)


def sign(house: House, study: str) -> int:
    """Let Ada accept and sign the draft of a study."""
    now = datetime.now(UTC)
    with house.store.begin() as tx:
        user = tx.users.by_username("ada")
        assert user is not None
        session = tx.users.open_session(user.user_id, "a token", source="127.0.0.1", now=now)
        actor = user.act(source="127.0.0.1", session_id=session.session_id)
    report = reading.open_study(house.store, actor, study, now=now).report
    assert report is not None
    for sentence in report.sentences:
        report = reading.accept_sentence(house.store, actor, report.report_id, sentence.key, now=now)
    signing.sign(
        house.store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=(),
        now=now,
    )
    return report.report_id


def exported(house: House) -> list[str]:
    from app.domain.audit import AuditFilter

    with house.store.begin() as tx:
        return [str(entry.detail.get("sha256", "")) for entry in tx.audit.stream(AuditFilter())]
