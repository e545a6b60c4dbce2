"""Signatures by a key that lies on a PKCS#11 token: SoftHSM, as a hardware token would answer.

Covered: seals of the token, what is said when library, token, PIN or key is wrong, moving from a file.
Not covered: a token of hardware; a token that goes away while it is asked.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.errors import ConfigurationError
from app.key_settings import TokenSettings
from app.store.keys import ATTESTATION_KEY_FILE, read_keys, read_sealing_key
from app.store.signing_keys import public_pem
from tests.conftest import need

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
# DER of the printable string edwards25519 (PKCS#11 v3.0, 2.3.5)
CURVE = b"\x13\x0cedwards25519"
MAKE_KEY = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
token = pkcs11.lib(sys.argv[1]).get_token(token_label="janus")
with token.open(user_pin="1234", rw=True) as session:
    curve = session.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: bytes.fromhex(sys.argv[2])}, local=True
    )
    curve.generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label="attestation")
"""


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenSettings]:
    """A token with a key pair and its PIN; the library reads its configuration once a process."""
    need(MODULE.is_file(), "softhsm2 (apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    pin_file = folder / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text("1234\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        _run(
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            "janus",
            "--pin",
            "1234",
            "--so-pin",
            "56789",
        )
        _run(sys.executable, "-c", MAKE_KEY, str(MODULE), CURVE.hex())
        yield TokenSettings(module=MODULE, token="janus", pin_file=pin_file)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


# the first, because the log-in of a process holds for all its sessions
def test_wrong_pin_and_pin_that_others_can_read_are_named(token: TokenSettings, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("9999")
    pin.chmod(0o600)
    with pytest.raises(ConfigurationError, match="PinIncorrect"):
        read_keys(tmp_path / "keys", token.model_copy(update={"pin_file": pin}))
    tmp_path.chmod(0o755)
    pin.chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by other accounts"):
        read_keys(tmp_path / "keys", token.model_copy(update={"pin_file": pin}))


@pytest.mark.covers("S3")
def test_token_seals_and_no_file_holds_the_key(token: TokenSettings, tmp_path: Path) -> None:
    key = read_keys(tmp_path, token).attestation
    seal = key.seal(b"what was signed")
    assert key.fits(key.key_id, seal, b"what was signed")
    assert not key.fits(key.key_id, seal, b"what was not signed")
    assert not (tmp_path / ATTESTATION_KEY_FILE).exists()
    assert read_keys(tmp_path, token).attestation.key_id == key.key_id


def test_what_a_file_sealed_before_stays_trusted(token: TokenSettings, tmp_path: Path) -> None:
    before = read_sealing_key(tmp_path, ATTESTATION_KEY_FILE)
    seal = before.seal(b"old")
    assert not read_keys(tmp_path, token).attestation.fits(before.key_id, seal, b"old")
    (tmp_path / "retired").mkdir(mode=0o700)
    (tmp_path / "retired" / "file.pem").write_text(public_pem(before.signer.public_key))
    after = read_keys(tmp_path, token).attestation
    assert after.fits(before.key_id, seal, b"old")
    assert after.key_id != before.key_id


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"token": "other"}, "NoSuchToken"),
        ({"key": "other"}, "NoSuchKey"),
        ({"module": Path("/nowhere/pkcs11.so")}, r"/nowhere/pkcs11\.so"),
    ],
)
def test_wrong_setting_is_named(
    token: TokenSettings, tmp_path: Path, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_keys(tmp_path, token.model_copy(update=wrong))
