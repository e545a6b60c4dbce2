"""Secrets on disk: made once, readable by this account alone, never in the database or a log."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import ConfigurationError
from app.store.signing_keys import RETIRED, SealingKey, file_signer, public_pem, read_retired, sealing_key

if TYPE_CHECKING:
    from app.key_settings import TokenSettings

PATIENT_KEY_FILE = "patient_reference.key"
LOGIN_KEY_FILE = "login.key"
LOG_KEY_FILE = "log.key"
ATTESTATION_KEY_FILE = "attestation.key"
AUDIT_KEY_FILE = "audit.key"


@dataclass(frozen=True)
class Keys:
    """The keys that the store computes with.

    Attributes
    ----------
    patient
        32 bytes; keys the hash under which a patient stands in the audit log.
    login
        32 bytes; seals the secrets of one-time passwords, and what a browser keeps of a log-in that goes on.
    attestation
        Seals signatures under reports.
    audit
        Seals checkpoints of the audit log.
    """

    patient: bytes = field(repr=False)
    login: bytes = field(repr=False)
    attestation: SealingKey = field(repr=False)
    audit: SealingKey = field(repr=False)


def read_keys(keys_dir: Path, token: TokenSettings | None = None) -> Keys:
    """Read the keys of this installation, and make them the first time.

    Parameters
    ----------
    token
        A hardware token that holds the key under signatures; None for a file.

    Raises
    ------
    ConfigurationError
        If the folder or a file can be read by another account, or a key is damaged.
    """
    return Keys(
        patient=read_key(keys_dir, PATIENT_KEY_FILE),
        login=read_key(keys_dir, LOGIN_KEY_FILE),
        attestation=_read_attestation_key(keys_dir, token),
        audit=read_sealing_key(keys_dir, AUDIT_KEY_FILE),
    )


def _read_attestation_key(keys_dir: Path, token: TokenSettings | None) -> SealingKey:
    if token is None:
        return read_sealing_key(keys_dir, ATTESTATION_KEY_FILE)
    from app.store.token_signer import TokenSigner

    return sealing_key(TokenSigner(token), read_retired(keys_dir))


def read_sealing_key(keys_dir: Path, name: str) -> SealingKey:
    """Read a key that seals, made the first time, with the retired keys that stay trusted.

    Raises
    ------
    ConfigurationError
        If a file can be read by another account, or is damaged.
    """
    return sealing_key(file_signer(read_key(keys_dir, name)), read_retired(keys_dir))


def key_file(name: str) -> str:
    """Return the file of a key by its name, in the folder of keys."""
    return f"{name}.key"


def rotate_key(keys_dir: Path, name: str) -> tuple[str, str]:
    """Make a new sealing key; the public half of the old one stays trusted, its private half is gone.

    Returns
    -------
    tuple of str and str
        Ids of the old key and of the new one.

    Raises
    ------
    ConfigurationError
        If the folder or the old key is damaged or not private.
    """
    old = read_sealing_key(keys_dir, name)
    folder = keys_dir / RETIRED
    folder.mkdir(mode=0o700, exist_ok=True)
    _create_once(folder / f"{old.key_id}.pem", public_pem(old.signer.public_key))
    _replace(keys_dir / name, secrets.token_hex(32))
    return old.key_id, read_sealing_key(keys_dir, name).key_id


def require_sound_keys(keys_dir: Path) -> None:
    """Check the keys that there are, and make none.

    Raises
    ------
    ConfigurationError
        If the folder or a file can be read by another account, or a key is damaged.
    """
    if not keys_dir.is_dir():
        return
    require_private(keys_dir)
    for name in (PATIENT_KEY_FILE, LOGIN_KEY_FILE, LOG_KEY_FILE, ATTESTATION_KEY_FILE, AUDIT_KEY_FILE):
        if (keys_dir / name).exists():
            read_key(keys_dir, name)


def read_key(keys_dir: Path, name: str) -> bytes:
    """Return a key of 32 bytes, made the first time.

    Raises
    ------
    ConfigurationError
        If the folder or the file can be read by another account, or the key is damaged.
    """
    try:
        key = bytes.fromhex(read_secret(keys_dir, name))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ConfigurationError(f"{keys_dir / name} is damaged: restore it from the backup")
    return key


def read_secret(keys_dir: Path, name: str, make: Callable[[], str] = lambda: secrets.token_hex(32)) -> str:
    """Return the secret `name`, made by `make` when there is none yet; two processes get the same one.

    Raises
    ------
    ConfigurationError
        If the folder or the file can be read by another account.
    """
    prepare_keys_dir(keys_dir)
    path = keys_dir / name
    if not path.exists():
        _create_once(path, make())
    require_private(path)
    return path.read_text(encoding="ascii").strip()


def prepare_keys_dir(keys_dir: Path) -> None:
    """Make the folder of secrets (mode 700), or check that it is private."""
    keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(keys_dir)


def _create_once(path: Path, secret: str) -> None:
    """Write a secret so that it appears whole and only once, however many processes try."""
    with _written_aside(path.parent, secret) as scratch, suppress(FileExistsError):
        os.link(scratch, path)


def _replace(path: Path, secret: str) -> None:
    """Put a new secret in the place of the old one: whoever reads meanwhile gets one of them, whole."""
    with _written_aside(path.parent, secret) as scratch:
        scratch.replace(path)


@contextmanager
def _written_aside(folder: Path, secret: str) -> Iterator[Path]:
    """Yield a durable scratch file with a secret, to be linked or renamed; nothing of it stays, names do."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    scratch = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def require_private(path: Path) -> None:
    """Raise `ConfigurationError` when another account can read a file or folder, or owns it."""
    status = path.stat()
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigurationError(
            f"{path} can be read by other accounts (mode {stat.S_IMODE(status.st_mode):o}): chmod go= it"
        )
    if status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{path} belongs to the account {status.st_uid}, this process runs as {os.geteuid()}"
        )
