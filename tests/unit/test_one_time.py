"""One-time passwords: the values of RFC 6238, the window, what may follow a password; and the vault."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from app.domain.one_time import is_recovery_code, make_recovery_codes, matching_step, split_code
from app.store.vault import Vault

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    """RFC 6238 appendix B, SHA-1; the last six of its eight digits."""
    assert matching_step(SECRET, code, now=datetime.fromtimestamp(seconds, UTC)) == seconds // 30


@pytest.mark.parametrize(("later", "counts"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_clocks_may_differ_by_one_step(later: int, counts: bool) -> None:
    now = datetime.fromtimestamp(1111111109 + later, UTC)
    assert (matching_step(SECRET, "081804", now=now) is not None) is counts


@pytest.mark.parametrize("code", ["", "08180", "0818044", "abcdef", "०८१८०४", "\ud800"])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    assert matching_step(SECRET, code, now=datetime.fromtimestamp(1111111109, UTC)) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("secret123456", ("secret", "123456")),
        ("9123456", ("9", "123456")),
        ("secret", ("secret", "")),
        ("secret12345", ("secret12345", "")),
        ("", ("", "")),
    ],
)
def test_code_follows_the_password(text: str, parts: tuple[str, str]) -> None:
    assert split_code(text) == parts


def test_recovery_codes_are_told_from_one_time_passwords() -> None:
    codes = make_recovery_codes()
    assert len(set(codes)) == 10
    assert all(is_recovery_code(code) for code in codes)
    assert not is_recovery_code("123456")


def test_vault_opens_for_its_purpose_and_key_alone() -> None:
    vault = Vault(bytes(32))
    sealed = vault.seal("secret", "a")
    assert "secret" not in sealed
    assert vault.unseal(sealed, "a") == "secret"
    assert vault.unseal(sealed, "b") is None
    assert Vault(bytes(31) + b"1").unseal(sealed, "a") is None
    for wrong in ("", "x", "é", sealed[:-4], sealed[4:], sealed + "AAAA", "A" * 16):
        assert vault.unseal(wrong, "a") is None
