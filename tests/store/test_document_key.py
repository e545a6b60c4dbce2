"""The certificate that signs documents: what is refused at the start, and what the reason says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.doctor import answer
from app.doctor_checks import checks
from app.document_settings import DocumentSignature
from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.store.document_key import read_document_key
from tests.certificates import KINDS, issue, private_key

NOW = datetime(2026, 11, 22, 12, 5, 7, tzinfo=UTC)


def with_mode(settings: DocumentSignature, name: str) -> DocumentSignature:
    getattr(settings, name).chmod(0o640)
    # in a folder that nobody else can enter the mode would not matter
    settings.key_file.parent.chmod(0o755)
    return settings


def with_content(settings: DocumentSignature, name: str, content: str) -> DocumentSignature:
    getattr(settings, name).write_text(content)
    return settings


@pytest.mark.covers("S3")
@pytest.mark.parametrize("password", ["", "open the safe"])
@pytest.mark.parametrize("kind", KINDS)
def test_key_and_chain_are_read(tmp_path: Path, kind: str, password: str) -> None:
    issued = issue(kind)
    key = read_document_key(issued.write(tmp_path, password=password), now=NOW)
    assert key is not None
    assert key.certificates == issued.chain
    assert key.private_key.public_key() == issued.private_key.public_key()


def test_without_the_setting_there_is_no_key() -> None:
    assert read_document_key(None, now=NOW) is None


@pytest.mark.parametrize("usage", [("digital_signature",), ("content_commitment",)])
def test_either_key_usage_suffices(tmp_path: Path, usage: tuple[str, ...]) -> None:
    assert read_document_key(issue(usage=usage).write(tmp_path), now=NOW) is not None


REFUSED: dict[str, tuple[Callable[[Path], DocumentSignature], str]] = {
    "expired": (
        lambda f: issue(begin=NOW - timedelta(days=31), days=30).write(f),
        r"has expired on 2026-11-21: put the new one",
    ),
    "not yet valid": (lambda f: issue(begin=NOW + timedelta(days=1)).write(f), "from 2026-11-23 .* not yet"),
    "the key of another": (
        lambda f: replace(issue(), private_key=private_key("rsa", 7)).write(f),
        "does not belong to the first certificate",
    ),
    "the authority first": (
        lambda f: replace(issue(), chain=issue().chain[::-1]).write(f),
        "does not belong to the first certificate",
    ),
    "no key usage": (lambda f: issue(usage=None).write(f), "neither digitalSignature nor nonRepudiation"),
    "usage of a server": (
        lambda f: issue(usage=("key_encipherment",)).write(f),
        "neither digitalSignature nor nonRepudiation",
    ),
    "short RSA": (lambda f: issue("rsa1024").write(f), "RSA of 2048 bits or more"),
    "another curve": (lambda f: issue("p521").write(f), "ECDSA on P-256 or P-384"),
    "open key": (lambda f: with_mode(issue().write(f), "key_file"), "can be read by other accounts"),
    "open password": (
        lambda f: with_mode(issue().write(f, password="x"), "password_file"),
        "can be read by other accounts",
    ),
    "no password": (
        lambda f: issue().write(f, password="x").model_copy(update={"password_file": None}),
        "has a password: name password_file",
    ),
    "wrong password": (
        lambda f: with_content(issue().write(f, password="x"), "password_file", "y\n"),
        "or the password is wrong",
    ),
    "password of a key without one": (
        lambda f: with_content(
            issue().write(f).model_copy(update={"password_file": f / "password"}), "password_file", "x"
        ),
        "has no password: leave password_file out",
    ),
    "no certificate": (
        lambda f: with_content(issue().write(f), "certificate_file", "hello"),
        "holds no certificates",
    ),
    "no key": (lambda f: with_content(issue().write(f), "key_file", "hello"), "holds no private key"),
    "missing key": (
        lambda f: issue().write(f).model_copy(update={"key_file": f / "gone.key"}),
        r"key_file: .*gone.key cannot be read \(No such file",
    ),
    "missing file": (
        lambda f: issue().write(f).model_copy(update={"certificate_file": f / "gone.pem"}),
        r"certificate_file: .*gone.pem cannot be read \(No such file",
    ),
}


@pytest.mark.covers("S3")
@pytest.mark.parametrize("case", REFUSED)
def test_certificate_that_nobody_could_rely_on_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    make, reason = REFUSED[case]
    with pytest.raises(ConfigurationError, match=reason):
        read_document_key(make(tmp_path), now=NOW)


def test_certificate_that_ends_while_we_run_is_refused_from_then_on(tmp_path: Path) -> None:
    key = read_document_key(issue(begin=NOW, days=30).write(tmp_path), now=NOW)
    assert key is not None
    key.require_valid(now=NOW + timedelta(days=30))
    with pytest.raises(ConfigurationError, match="expired"):
        key.require_valid(now=NOW + timedelta(days=30, seconds=1))


@pytest.mark.parametrize(("days", "verdict"), [(60, "ok"), (20, "warn"), (-1, "FAILED")])
def test_doctor_tells_that_the_certificate_ends_soon(tmp_path: Path, days: int, verdict: str) -> None:
    now = datetime.now(UTC)
    signature = issue(begin=now - timedelta(days=100), days=100 + days).write(tmp_path)
    settings = Settings(data_dir=tmp_path, document_signature=signature)
    (check,) = (check for check in checks(settings) if check.title == "document signature")
    assert answer(check, settings).verdict.value == verdict
    assert "document signature" not in {check.title for check in checks(Settings(data_dir=tmp_path))}
