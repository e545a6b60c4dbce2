"""The command line: instant help, one clear line for every failure, and the commands on a real database.

Covered: help, exit statuses, users, audit, dead letters, send, doctor.
Not covered: the commands that run processes (`test_listen`, `tests/faults`, `tests/e2e`).
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli_errors import explain, run
from app.domain.access import service_actor
from app.domain.errors import (
    AuditBroken,
    ConfigurationError,
    DatabaseUnavailable,
    Fatal,
    NotFound,
)
from app.settings import Destination, Settings
from app.store.engine import open_store
from app.store.migrate import upgrade
from app.workers.supervise import environment_of
from pacs_bridge.errors import Retriable as BridgeRetriable

HEAVY = ("torch", "streamlit", "sqlalchemy", "pynetdicom", "pydicom", "monai", "pydantic", "psycopg")


def janus_med(
    *arguments: str, settings: Settings | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    base = environment_of(settings or Settings())
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=base | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    chosen = Settings(data_dir=data_dir)
    upgrade(chosen)
    return chosen


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom app.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    for command in ("demo", "listen", "work", "deliver", "audit", "doctor", "send"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NotFound("there is no dead letter 3"), 1, "dead letter 3"),
        (ConfigurationError("JANUS_MED_X is wrong"), 2, "JANUS_MED_X"),
        (DatabaseUnavailable("the database does not answer"), 3, "does not answer"),
        (AuditBroken("entry 7 was altered"), 4, "entry 7"),
        (Fatal("stopped"), 4, "stopped"),
        (BridgeRetriable("PACS cannot be reached"), 1, "cannot be reached"),
        (OSError(errno.ENOSPC, "No space left on device", "/spool/x"), 1, "disk is full (/spool/x)"),
        (PermissionError(errno.EACCES, "Permission denied", "/root"), 1, "no permission (/root)"),
    ],
)
def test_failure_is_one_line_with_its_status(error: Exception, status: int, words: str) -> None:
    assert explain(error)[0] == status
    assert words in explain(error)[1]
    assert "\n" not in explain(error)[1]


@pytest.mark.covers("C3")
def test_fault_of_ours_is_named_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise KeyError("DOE^JOHN")

    assert run(fail) == 70
    message = capsys.readouterr().err
    assert "KeyError" in message
    assert "test_cli.py" in message
    assert "DOE" not in message
    assert "Traceback" not in message


def test_wrong_setting_is_named() -> None:
    done = janus_med("doctor", JANUS_MED_DICOM_PORT="seventy")
    assert done.returncode == 2
    assert done.stderr.startswith("janus-med: settings are wrong: JANUS_MED_DICOM_PORT")
    assert "Traceback" not in done.stderr


def test_unknown_command_is_a_usage_error() -> None:
    done = janus_med("frobnicate")
    assert done.returncode == 2
    assert "frobnicate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_accounts_take_passwords_from_files_and_environment_never_from_arguments(
    settings: Settings, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("a long enough one\n")
    named = ("--name", "Dr. Reader", "--role", "attending")
    added = janus_med("users", "add", "reader", *named, "--password-file", str(secret), settings=settings)
    assert (added.returncode, added.stdout) == (0, "added reader (attending)\n")
    second = ("users", "add", "two", "--name", "Two", "--role", "viewer")
    assert janus_med(*second, settings=settings, JANUS_MED_PASSWORD="another long one").returncode == 0
    third = janus_med("users", "add", "three", "--name", "Three", "--role", "viewer", settings=settings)
    assert third.returncode == 2
    assert "--password-file" in third.stderr
    again = janus_med("users", "add", "reader", *named, "--password-file", str(secret), settings=settings)
    assert again.returncode == 1
    listed = janus_med("users", "list", settings=settings).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["reader", "two"]
    assert "--password " not in janus_med("users", "add", "--help").stdout


@pytest.mark.slow
@pytest.mark.covers("A2", "A3")
def test_audit_log_is_exported_verified_and_a_change_is_named(settings: Settings, tmp_path: Path) -> None:
    with open_store(settings) as store:
        add_user_named(store, "reader")
    for format_ in ("csv", "jsonl", "dicom-xml"):
        out = tmp_path / f"audit.{format_}"
        done = janus_med("audit", "export", "--format", format_, "--out", str(out), settings=settings)
        assert done.returncode == 0, done.stderr
        verified = janus_med("audit", "verify", str(out), settings=settings)
        assert verified.returncode == 0, verified.stderr
        out.write_text(out.read_text().replace("user added", "user_added"))
        broken = janus_med("audit", "verify", str(out), settings=settings)
        assert broken.returncode == 4
        assert "entry 1" in broken.stderr
    assert janus_med("audit", "verify", settings=settings).returncode == 0


@pytest.mark.slow
@pytest.mark.covers("P3")
def test_dead_letters_are_listed_and_retried(settings: Settings) -> None:
    from datetime import UTC, datetime

    from app.services.work import bury
    from tests.workers.conftest import defer, depth
    from tests.workers.test_work_queue import pick

    with open_store(settings) as store:
        defer(store, n=1)
        [held] = pick(store, 1)
        bury(store, service_actor("test"), held, "the PACS is down", now=datetime.now(UTC))
        listed = janus_med("work", "dead", settings=settings)
        assert "the PACS is down" in listed.stdout
        assert janus_med("work", "retry", "99", settings=settings).returncode == 1
        assert janus_med("work", "retry", settings=settings).returncode == 2
        assert janus_med("work", "retry", "--all", settings=settings).returncode == 0
        assert depth(store) == (1, 0)
        assert "no work" in janus_med("work", "dead", settings=settings).stdout


@pytest.mark.slow
def test_what_cannot_be_sent_is_named(tmp_path: Path) -> None:
    text = tmp_path / "note.txt"
    text.write_text("not DICOM")
    assert "note.txt" in janus_med("send", str(text), "--to", "A@127.0.0.1:1").stderr
    assert "nothing.dcm" in janus_med("send", str(tmp_path / "nothing.dcm"), "--to", "A@127.0.0.1:1").stderr
    assert "AE@HOST:PORT" in janus_med("send", str(text), "--to", "nowhere").stderr


@pytest.mark.slow
def test_doctor_names_what_is_missing(settings: Settings, tmp_path: Path) -> None:
    peer = Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=1)
    missing = settings.model_copy(update={"model": tmp_path / "no-model", "destinations": (peer,)})
    done = janus_med("doctor", settings=missing)
    assert done.returncode == 1
    verdicts = {line[8:36].strip(): line[:7].strip() for line in done.stdout.splitlines()}
    assert verdicts["database"] == "ok"
    assert verdicts["model"] == "FAILED"
    assert verdicts["listener"] == "FAILED"
    assert verdicts["destination pacs"] == "FAILED"
    assert "Traceback" not in done.stdout + done.stderr
    assert "-> set JANUS_MED_SELFTEST_MINUTES=15" in done.stdout, "every warning says what to do"
    document = json.loads(janus_med("doctor", "--json", settings=missing).stdout)
    assert document["ok"] is False
    assert {check["verdict"] for check in document["checks"]} == {"ok", "warn", "FAILED"}
    assert {check["title"] for check in document["checks"]} >= {"versions", "clock", "spool", "processes"}


@pytest.mark.slow
@pytest.mark.covers("R2")
def test_purge_does_nothing_by_default_and_shows_why(settings: Settings) -> None:
    assert "nothing is ever purged" in janus_med("purge", settings=settings).stderr
    assert "0 studies would go" in janus_med("purge", "--dry-run", settings=settings).stdout


def add_user_named(store: object, username: str) -> None:
    from datetime import UTC, datetime

    from app.domain.access import Role
    from app.services.accounts import add_user

    add_user(
        store,  # type: ignore[arg-type]
        service_actor("test"),
        username=username,
        printed_name=username,
        role=Role.VIEWER,
        password="a long enough one",
        now=datetime.now(UTC),
    )
