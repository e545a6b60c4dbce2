"""The embedded server: who may enter, who starts it, who stops it, and what killing a process does to it.

Not covered here: power loss. That is PostgreSQL's own promise, given `fsync` on (`test_readiness.py`).
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.settings import Settings
from app.store.cluster import Cluster
from app.store.embedded import DATABASE, OWNER_ROLE, EmbeddedPostgres
from app.store.engine import open_store
from app.store.migrate import upgrade
from app.store.system_account import database_account
from tests.conftest import ROOT, need
from tests.postgres import Database, as_nobody

PSQL = Path("/usr/bin/psql")

ATTACH = """
import sys, time
from pathlib import Path
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
import psycopg
embedded = EmbeddedPostgres(Settings(data_dir=Path(sys.argv[1])))
with psycopg.connect(embedded.attach().owner) as connection:
    print(connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0], flush=True)
    if sys.argv[2] == "stay":
        time.sleep(600)
embedded.detach()
"""


def attach_in_a_process(data_dir: Path, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ATTACH, str(data_dir), mode], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def postmaster_of(data_dir: Path) -> object:
    return Cluster(data_dir / "database", database_account()).find()


@pytest.mark.covers("T17", "T31")
def test_another_local_account_cannot_connect(data_dir: Path) -> None:
    need(PSQL.exists(), "psql (apt-get install postgresql)")
    need(os.geteuid() == 0, "root, to become another account")
    endpoint = conninfo_to_dict(EmbeddedPostgres(Settings(data_dir=data_dir)).attach().owner)
    folder = str(endpoint["host"])

    def connect(
        account: dict[str, object], role: str, password: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PSQL), "--no-password", "-h", folder, "-U", role, "-d", DATABASE, "-c", "SELECT 1"],
            check=False, capture_output=True, text=True, cwd="/", env={"PGPASSWORD": password}, **account,
        )  # fmt: skip

    closed = connect(as_nobody(), OWNER_ROLE)
    assert closed.returncode != 0
    assert "Permission denied" in closed.stderr
    # even if somebody opens the folder, the server asks for a password
    Path(folder).chmod(0o711)
    (Path(folder) / ".s.PGSQL.5432").chmod(0o777)
    for role in (OWNER_ROLE, "janus_app", "postgres", "nobody"):
        for password in ("", "wrong"):
            refused = connect(as_nobody(), role, password)
            assert refused.returncode != 0
            assert "password" in refused.stderr, refused.stderr
    assert connect(as_nobody(), OWNER_ROLE, str(endpoint["password"])).returncode == 0


def test_no_rule_of_the_server_trusts_anybody(embedded_settings: Settings) -> None:
    text = (embedded_settings.database_dir / "pg_hba.conf").read_text()
    methods = {line.split()[-1] for line in text.splitlines() if line.strip() and not line.startswith("#")}
    assert methods == {"scram-sha-256"}


def test_server_listens_on_no_network_address(embedded_settings: Settings) -> None:
    with psycopg.connect(EmbeddedPostgres(embedded_settings).attach().owner) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)


def test_no_secret_can_be_read_by_another_account(embedded_settings: Settings) -> None:
    open_store(embedded_settings).close()
    keys = embedded_settings.keys_dir
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    files = sorted(keys.iterdir())
    assert [file.name for file in files] == [
        "attestation.key",
        "audit.key",
        "database_application.password",
        "database_owner.password",
        "login.key",
        "patient_reference.key",
    ]
    secrets = [file.read_text().strip() for file in files]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    for path in embedded_settings.data_dir.rglob("*"):
        readable_by_others = path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
        if readable_by_others:
            assert not any(secret.encode() in path.read_bytes() for secret in secrets), path
    command_lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if os.access(p, os.R_OK)]
    assert not any(secret.encode() in line for secret in secrets for line in command_lines)


@pytest.mark.covers("C3", "T40")
def test_failed_statement_leaves_no_patient_data_in_the_log_of_the_server(
    database: Database, embedded_settings: Settings
) -> None:
    """PostgreSQL's own defaults would write the statement, and the key that was there already."""
    insert = "INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)"
    canary = f"{insert} VALUES ('CANARY-ID', '', 'CANARY^NAME', '', '', 'r')"
    with psycopg.connect(database.application, autocommit=True) as connection:
        connection.execute(canary.encode())
        with pytest.raises(psycopg.errors.UniqueViolation, match="CANARY"):
            connection.execute(canary.encode())
    logs = [*embedded_settings.database_dir.glob("log/*"), embedded_settings.database_dir / "server.log"]
    text = "".join(log.read_text() for log in logs)
    assert "duplicate key value" in text, "the failure itself is in the log"
    assert "CANARY" not in text


def test_keys_that_others_can_read_are_refused(module_data_dir: Path) -> None:
    settings = Settings(data_dir=module_data_dir)
    embedded = EmbeddedPostgres(settings)
    embedded.attach()
    embedded.detach()
    password = settings.keys_dir / "database_owner.password"
    password.chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by other accounts"):
        embedded.attach()
    password.chmod(0o600)


@pytest.mark.slow
def test_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    processes = [attach_in_a_process(data_dir, "leave") for _ in range(4)]
    started = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert "" not in started
    assert postmaster_of(data_dir) is None, "the last one to leave stops the server"


@pytest.mark.slow
@pytest.mark.covers("R2")
def test_killing_an_attached_process_leaves_the_database_to_the_others(data_dir: Path) -> None:
    process = attach_in_a_process(data_dir, "stay")
    assert process.stdout is not None
    began = process.stdout.readline().strip()
    settings = Settings(data_dir=data_dir)
    upgrade(settings)
    with open_store(settings) as store:
        process.send_signal(signal.SIGKILL)
        process.wait()
        store.ping()
        process.stdout.close()
        with psycopg.connect(store.conninfo) as connection:
            row = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    assert row is not None
    assert str(row[0]) == began, "it is still the server that the killed process started"
    assert postmaster_of(data_dir) is None, "a killed process does not keep the server from being stopped"


def test_server_stops_only_when_the_last_one_leaves(module_data_dir: Path) -> None:
    settings = Settings(data_dir=module_data_dir)
    first, second = EmbeddedPostgres(settings), EmbeddedPostgres(settings)
    first.attach()
    second.attach()
    assert not first.detach()
    assert postmaster_of(module_data_dir) is not None
    assert second.detach()
    assert postmaster_of(module_data_dir) is None
    assert not second.detach(), "leaving twice does nothing"


@pytest.mark.slow
@pytest.mark.covers("R2")
def test_killed_server_comes_back_with_everything_that_was_committed(module_data_dir: Path) -> None:
    settings = Settings(data_dir=module_data_dir)
    embedded = EmbeddedPostgres(settings)
    with psycopg.connect(embedded.attach().owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    facts = Cluster(settings.database_dir, database_account()).find()
    assert facts is not None
    children = facts.process.children()
    facts.process.kill()
    facts.process.wait(30)
    deadline = time.monotonic() + 30
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    with psycopg.connect(embedded.attach().owner) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    embedded.detach()


def test_long_path_of_the_data_folder_gets_a_short_private_socket(data_dir: Path) -> None:
    deep = data_dir / ("a-folder-with-a-long-name-" * 4)
    deep.mkdir(mode=0o711)
    settings = Settings(data_dir=deep)
    embedded = EmbeddedPostgres(settings)
    endpoint = conninfo_to_dict(embedded.attach().application)
    folder = Path(str(endpoint["host"]))
    try:
        assert folder != settings.database_dir
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == database_account().uid
    finally:
        embedded.stop()
        folder.rmdir()


def test_folder_that_is_no_database_is_left_alone(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    settings.database_dir.mkdir()
    (settings.database_dir / "letter.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="no database of PostgreSQL"):
        EmbeddedPostgres(settings).attach()
    assert [path.name for path in settings.database_dir.iterdir()] == ["letter.txt"]
    assert not list(data_dir.glob("database.new-*")), "nothing half-made stays behind"


def test_folder_of_another_version_is_named(module_data_dir: Path) -> None:
    settings = Settings(data_dir=module_data_dir)
    embedded = EmbeddedPostgres(settings)
    embedded.attach()
    embedded.detach()
    version = settings.database_dir / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 17, this is 18"):
        embedded.attach()
    version.write_text("18\n")


def test_database_whose_keys_are_gone_is_not_given_new_ones(module_data_dir: Path) -> None:
    settings = Settings(data_dir=module_data_dir)
    embedded = EmbeddedPostgres(settings)
    embedded.attach()
    embedded.detach()
    away = settings.keys_dir.rename(module_data_dir / "away")
    with pytest.raises(ConfigurationError, match="restore the keys folder"):
        embedded.attach()
    assert not settings.keys_dir.exists()
    away.rename(settings.keys_dir)


def test_another_server_is_never_taken_for_ours(module_data_dir: Path, embedded_settings: Settings) -> None:
    """After a crash the file of the server may name a process that is now somebody else's PostgreSQL."""
    other = postmaster_of(embedded_settings.data_dir)
    settings = Settings(data_dir=module_data_dir)
    embedded = EmbeddedPostgres(settings)
    embedded.attach()
    embedded.detach()
    foreign = (embedded_settings.database_dir / "postmaster.pid").read_text()
    stale = settings.database_dir / "postmaster.pid"
    stale.write_text(foreign)
    assert postmaster_of(module_data_dir) is None
    embedded.stop()
    assert postmaster_of(embedded_settings.data_dir) == other, "it was not stopped"
    stale.unlink()


def test_server_that_does_not_start_names_its_log(module_data_dir: Path) -> None:
    settings = Settings(data_dir=module_data_dir)
    embedded = EmbeddedPostgres(settings)
    embedded.attach()
    embedded.detach()
    configuration = settings.database_dir / "postgresql.conf"
    sound = configuration.read_text()
    configuration.write_text("no_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailable, match=r"does not start: see .*server.log"):
        embedded.attach()
    configuration.write_text(sound)


def test_closed_folder_above_is_named_instead_of_opened(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(os.geteuid() == 0, "root")
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    # the folder counts as one outside of the temporary folder
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"may not enter .*closed"):
        EmbeddedPostgres(Settings(data_dir=closed / "data")).attach()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
