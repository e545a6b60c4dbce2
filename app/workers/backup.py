"""Backup of a running system into a folder, and restore into an empty one.

The database first, then the spool: what arrives meanwhile is in the spool and not in the dump, and is offered
to intake again after the restore. Objects are never changed, so each is copied (or hard-linked) once. Layout:
``database.dump`` (pg_dump, custom format), ``spool/``, ``keys/`` only when asked for, ``manifest.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.store.dump import dump_database, server_major
from app.store.readiness import SCHEMA_REVISION
from pacs_bridge.durable import make_private_folder
from pacs_bridge.spool_layout import SpoolLayout, files_below, read_record

FORMAT = "janus-med backup 1"
MANIFEST, DUMP, SPOOL, KEYS = "manifest.json", "database.dump", "spool", "keys"


@dataclass(frozen=True)
class BackupManifest:
    """What a backup holds.

    Attributes
    ----------
    audit_seq, audit_digest
        Head of the audit log just before the dump: the restored log must reach at least there.
    instances, bytes
        Objects of the spool, and their size.
    with_keys
        Whether the keys lie in it too; without them nothing of it can be used.
    """

    format: str
    made_at: str
    schema: str
    server: int
    audit_seq: int
    audit_digest: str
    dump_sha256: str
    instances: int
    bytes: int
    with_keys: bool


def back_up(
    settings: Settings,
    owner: str,
    head: tuple[int, str],
    out: Path,
    *,
    with_keys: bool = False,
    link: bool = False,
    now: datetime,
) -> BackupManifest:
    """Write a backup into a new folder, while everything runs.

    Parameters
    ----------
    owner
        Connection string of the owner of the tables.
    head
        Number and digest of the last entry of the audit log.
    link
        Hard links instead of copies of the images: the same disk, no space, no protection from its failure.

    Raises
    ------
    ConfigurationError
        If the folder exists, or there is no pg_dump for the server.
    DatabaseUnavailable
    """
    if out.exists():
        raise ConfigurationError(f"{out} is there already: name a new folder")
    part = out.with_name(f".{out.name}.part")
    make_private_folder(part)
    try:
        dump_database(owner, part / DUMP)
        count, size = _copy_spool(settings.spool_dir, part / SPOOL, os.link if link else shutil.copy2)
        if with_keys:
            shutil.copytree(settings.keys_dir, part / KEYS)
        manifest = BackupManifest(
            FORMAT, now.isoformat(), SCHEMA_REVISION, server_major(owner), *head,
            digest_of(part / DUMP), count, size, with_keys,
        )  # fmt: skip
        (part / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest


def read_manifest(folder: Path) -> BackupManifest:
    """Read and check what a backup says of itself.

    Raises
    ------
    ConfigurationError
        If it is none, of another release, or its dump was changed.
    """
    try:
        manifest = BackupManifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise ConfigurationError(f"{folder} holds no whole backup: there is no readable {MANIFEST}") from None
    if manifest.format != FORMAT:
        raise ConfigurationError(f"{folder} is of another format ({manifest.format})")
    if manifest.schema > SCHEMA_REVISION:
        raise ConfigurationError(f"{folder} is of a newer release (schema {manifest.schema})")
    if digest_of(folder / DUMP) != manifest.dump_sha256:
        raise ConfigurationError(f"{folder / DUMP} is damaged: its digest is not the one of the manifest")
    return manifest


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_spool(source: Path, target: Path, copy: Callable[[Path, Path], object]) -> tuple[int, int]:
    """Copy records, then the objects that they name, then quarantine; return number and bytes."""
    here, there = SpoolLayout(source), SpoolLayout(target)
    there.make()
    count = size = 0
    for record in _files(here.records, ".json"):
        copied = there.records / record.relative_to(here.records)
        try:
            shutil.copy2(record, copied)
        except FileNotFoundError:
            continue  # purged meanwhile
        known = read_record(copied)
        if known is None:
            copied.unlink()
            continue
        try:
            copy(here.object_path(known.digest), there.object_path(known.digest))
        except FileExistsError:
            pass  # two records of the same bytes, linked
        except FileNotFoundError:
            if record.exists():
                raise
            copied.unlink()  # purged between the two copies
            continue
        count, size = count + 1, size + known.size
    for file in _files(here.quarantine, ""):
        shutil.copy2(file, there.quarantine / file.relative_to(here.quarantine))
    return count, size


def _files(tree: Path, suffix: str) -> Iterator[Path]:
    return (Path(entry.path) for entry in list(files_below(tree, suffix)))
