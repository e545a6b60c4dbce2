"""Restore of a backup into an empty data folder and an empty database.

Every record of the spool is offered to intake once more: it takes what the dump does not know yet, and
recognises the rest by its digest.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.store.dump import restore_database
from app.workers.backup import DUMP, KEYS, SPOOL, BackupManifest, read_manifest
from pacs_bridge.spool_layout import SpoolLayout, files_below

_UNFINISHED = 0o600


def restore_files(settings: Settings, source: Path) -> BackupManifest:
    """Check a backup, and copy keys and spool into the data folder; the keys must be there or in it.

    Raises
    ------
    ConfigurationError
        If the backup is damaged, the data folder is in use, or the keys are nowhere.
    """
    manifest = read_manifest(source)
    for folder in (settings.spool_dir, settings.database_dir):
        if folder.exists():
            raise ConfigurationError(f"{folder} is there already: restore into an empty data folder")
    if not settings.keys_dir.exists():
        if not manifest.with_keys:
            raise ConfigurationError(
                f"the backup has no keys: put the folder of keys to {settings.keys_dir} first (mode 700)"
            )
        shutil.copytree(source / KEYS, settings.keys_dir)
    shutil.copytree(source / SPOOL, settings.spool_dir)
    layout = SpoolLayout(settings.spool_dir)
    layout.make()
    for tree, suffix in ((layout.objects, ".dcm"), (layout.records, ".json")):
        for entry in list(files_below(tree, suffix)):
            Path(entry.path).chmod(_UNFINISHED)
    return manifest


def restore_rows(owner: str, source: Path) -> None:
    """Restore the dump of a backup into an empty database.

    Raises
    ------
    ConfigurationError
        If the database is not empty, or there is no pg_restore for the server.
    DatabaseUnavailable
    """
    restore_database(owner, source / DUMP)
