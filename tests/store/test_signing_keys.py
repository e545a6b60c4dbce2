"""Keys that seal: made once, private, replaced without losing what they sealed, trusted by file alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from app.domain.errors import ConfigurationError
from app.store.keys import ATTESTATION_KEY_FILE, read_keys, read_sealing_key, rotate_key
from app.store.signing_keys import file_signer, key_id_of, public_pem, sealing_key

MESSAGE = b"what was signed"


@pytest.mark.covers("S3")
def test_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    first, second = read_keys(tmp_path / "keys"), read_keys(tmp_path / "keys")
    assert first.attestation.key_id == second.attestation.key_id
    path = tmp_path / "keys" / ATTESTATION_KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in repr(first)
    assert read_keys(tmp_path / "other").attestation.key_id != first.attestation.key_id


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620])
def test_key_that_another_account_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "keys"
    read_keys(folder)
    (folder / ATTESTATION_KEY_FILE).chmod(mode)
    with pytest.raises(ConfigurationError, match=f"{ATTESTATION_KEY_FILE} can be read .*chmod go="):
        read_keys(folder)


def test_folder_of_keys_that_another_account_can_list_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    read_keys(folder)
    folder.chmod(0o750)
    with pytest.raises(ConfigurationError, match=r"keys can be read .*chmod go="):
        read_keys(folder)


def test_seal_of_another_key_or_message_does_not_fit(tmp_path: Path) -> None:
    ours, other = (read_sealing_key(tmp_path / name, "a.key") for name in ("ours", "other"))
    seal = ours.seal(MESSAGE)
    assert ours.fits(ours.key_id, seal, MESSAGE)
    assert not ours.fits(ours.key_id, seal, MESSAGE + b".")
    assert not ours.fits(ours.key_id, other.seal(MESSAGE), MESSAGE)
    assert not ours.fits(other.key_id, other.seal(MESSAGE), MESSAGE)
    for broken in ("", "no hex", seal[:-2], seal + "00", seal[:-2] + "zz"):
        assert not ours.fits(ours.key_id, broken, MESSAGE)


def test_what_an_old_key_sealed_still_verifies_and_it_seals_nothing_more(tmp_path: Path) -> None:
    before = read_sealing_key(tmp_path, "a.key")
    seal = before.seal(MESSAGE)
    assert rotate_key(tmp_path, "a.key") == (before.key_id, read_sealing_key(tmp_path, "a.key").key_id)
    after = read_sealing_key(tmp_path, "a.key")
    assert after.key_id != before.key_id
    assert after.fits(before.key_id, seal, MESSAGE)
    assert after.key_id in after.trusted
    rotate_key(tmp_path, "a.key")
    assert len(read_sealing_key(tmp_path, "a.key").trusted) == 3


def test_file_that_is_no_public_key_is_named(tmp_path: Path) -> None:
    rotate_key(tmp_path, "a.key")
    foreign = generate_private_key(SECP256R1()).public_key()
    wrong = foreign.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for content in (b"nothing", wrong):
        (tmp_path / "retired" / "x.pem").write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"x\.pem holds no Ed25519 public key"):
            read_sealing_key(tmp_path, "a.key")


def test_public_half_is_what_other_programs_read() -> None:
    key = sealing_key(file_signer(bytes(range(32))))
    read = load_pem_public_key(public_pem(key.signer.public_key).encode())
    read.verify(key.signer.sign(MESSAGE), MESSAGE)
    assert key_id_of(read) == key.key_id
