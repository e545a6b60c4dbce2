"""The drill: a system is backed up while it receives, restored elsewhere, and has everything it acknowledged.

Covered: `janus-med backup` and `janus-med restore` as commands, instances that arrive during the backup,
audit chain, signatures, digests of every instance; keys that are missing, a damaged dump, a folder in use.
Not covered: a server by URL (`tests/store/test_dump.py` dumps and restores on both servers), a full disk.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import text

from app.domain.access import Role, service_actor
from app.domain.audit import AuditFilter, verify_chain
from app.services.accounts import add_user
from app.services.signatures import verify_signatures
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.supervise import environment_of
from pacs_bridge.spool import Spool
from tests.postgres import OpenFolder
from tests.workers import stories
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    """A data folder, and an empty one elsewhere."""
    with OpenFolder() as first, OpenFolder() as second:
        yield first, second / "data"
        for folder in (first, second / "data"):
            EmbeddedPostgres(Settings(data_dir=folder)).stop()


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=environment_of(settings), capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


def copies(file: Path, folder: Path, count: int) -> list[Path]:
    """Write instances that differ in their UIDs alone."""
    made = []
    for number in range(count):
        dataset = dcmread(file)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.9.{number + 1}"
        dataset.StudyInstanceUID = f"1.2.826.0.1.8.{number // 10 + 1}"
        dataset.save_as(folder / f"{number}.dcm")
        made.append(folder / f"{number}.dcm")
    return made


def digests(store: Store) -> dict[str, str]:
    with store.begin() as tx:
        rows = tx.session.execute(text("SELECT sop_uid, sha256 FROM instances")).all()
    return {row.sop_uid: row.sha256 for row in rows}


@pytest.mark.covers("R2", "A2", "T35")
def test_backup_while_receiving_restores_everything_that_was_acknowledged_before_it(
    folders: tuple[Path, Path], ct_slice: Path, leg_radiograph: Path, tmp_path: Path
) -> None:
    settings, elsewhere = system_settings(folders[0]), system_settings(folders[1])
    upgrade(settings)
    files = copies(ct_slice, tmp_path, 60)
    with open_store(settings) as store:
        stories.sign_by_hand(store, stories.receive(store, settings, leg_radiograph))
        for file in files[:30]:
            stories.receive(store, settings, file)
        before = digests(store)
        assert len(before) == 31

        def receive_more() -> None:
            for file in files[30:]:
                stories.receive(store, settings, file)

        meanwhile = threading.Thread(target=receive_more)
        meanwhile.start()
        done = command(settings, "backup", "--out", str(tmp_path / "backup"))
        meanwhile.join()
        assert done.returncode == 0, done.stderr
        assert "does not hold the keys" in done.stdout
        everything = digests(store)
    assert not (tmp_path / "backup" / "keys").exists()

    refused = command(elsewhere, "restore", "--from", str(tmp_path / "backup"))
    assert refused.returncode == 2
    assert "the backup has no keys" in refused.stderr
    elsewhere.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    shutil.copytree(settings.keys_dir, elsewhere.keys_dir)
    done = command(elsewhere, "restore", "--from", str(tmp_path / "backup"))
    assert done.returncode == 0, done.stderr
    assert "1 of 1 signatures stand" in done.stdout

    with open_store(elsewhere) as store:
        restored = digests(store)
        assert before.items() <= restored.items(), "what was known before the backup is known"
        with store.begin() as tx:
            verify_chain(tx.audit.stream(AuditFilter()), head=tx.audit.head())
        assert verify_signatures(store, service_actor("cli"), now=datetime.now(UTC)).problems == ()
        spooled = {path.stem for path in (elsewhere.spool_dir / "objects").rglob("*.dcm")}
        with Process(elsewhere, "listen") as listener:
            listener.wait_until_ready()
            # what arrived between the dump and the copy of the spool is taken in now
            wait_until(lambda: set(digests(store).values()) == spooled, 120)
        after = digests(store)
        assert after.items() <= everything.items()
        assert before.items() <= after.items()
    assert Spool(elsewhere.spool_dir).recover().missing_objects == ()
    for digest in after.values():
        [path] = (elsewhere.spool_dir / "objects").rglob(f"{digest}.dcm")
        original = settings.spool_dir / path.relative_to(elsewhere.spool_dir)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(original.read_bytes()).digest()

    again = command(elsewhere, "restore", "--from", str(tmp_path / "backup"))
    assert again.returncode == 2
    assert "restore into an empty data folder" in again.stderr


@pytest.mark.covers("R2")
def test_damaged_backup_is_refused_before_anything_is_written(
    folders: tuple[Path, Path], ct_slice: Path, tmp_path: Path
) -> None:
    settings, elsewhere = system_settings(folders[0]), system_settings(folders[1])
    upgrade(settings)
    with open_store(settings) as store:
        stories.receive(store, settings, ct_slice)
        add_user(
            store, service_actor("test"),
            username="ada", printed_name="Ada", role=Role.ADMIN, password="x" * 14, now=datetime.now(UTC),
        )  # fmt: skip
    done = command(settings, "backup", "--out", str(tmp_path / "backup"), "--with-keys", "--link")
    assert done.returncode == 0, done.stderr
    assert "It holds the keys" in done.stdout
    [image] = (tmp_path / "backup" / "spool" / "objects").rglob("*.dcm")
    assert image.stat().st_nlink == 2
    taken = command(settings, "backup", "--out", str(tmp_path / "backup"))
    assert taken.returncode == 2
    assert "there already" in taken.stderr
    with (tmp_path / "backup" / "database.dump").open("r+b") as dump:
        dump.seek(-20, 2)
        dump.write(b"x")
    refused = command(elsewhere, "restore", "--from", str(tmp_path / "backup"))
    assert refused.returncode == 2
    assert "is damaged" in refused.stderr
    assert not elsewhere.spool_dir.exists()
