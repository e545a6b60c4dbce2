"""Time stamps of audit checkpoints: a real authority (OpenSSL) behind HTTP, one that is away, one that lies.

Covered: stamps that are taken, kept and verified later, what is said when none comes, tampered and foreign
stamps. Not covered: a public authority; revocation of its certificates.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest

from app.domain.access import service_actor
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent, AuditFact
from app.domain.checkpoint import Occasion
from app.domain.errors import AuditBroken, ConfigurationError
from app.services.checkpoints import checkpoint_now
from app.settings import Settings
from app.store.engine import Store
from app.workers.stamp_audit import StampAuthority, read_authority, stamp_when_due, verify_stamps
from tests.postgres import Database

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
ACTOR = service_actor("housekeeping")
CONFIG = """
[tsa]
default_tsa = main
[main]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""
EXTENSIONS = (
    "extendedKeyUsage = critical,timeStamping\nbasicConstraints = CA:false\nkeyUsage = digitalSignature\n"
)


@dataclass
class Authority:
    """An authority on this machine; `mode` says how it answers."""

    folder: Path
    url: str = ""
    mode: str = "honest"
    asked: list[bytes] = field(default_factory=list)

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def known(self) -> StampAuthority:
        return read_authority(self.url, self.ca_file)

    def answer(self, query: bytes) -> tuple[int, bytes]:
        """Stamp a query with OpenSSL, or not."""
        self.asked.append(query)
        if self.mode == "away":
            return 503, b""
        if self.mode == "garbage":
            return 200, b"not a time stamp"
        (self.folder / "query").write_bytes(self.asked[0] if self.mode == "another" else query)
        _openssl(self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply")
        return 200, (self.folder / "reply").read_bytes()


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make_authority(folder: Path) -> Authority:
    """Make keys and certificates of a time stamp authority and of the one above it."""
    folder.mkdir()
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    (folder / "tsa.ext").write_text(EXTENSIONS)
    (folder / "serial").write_text("01\n")
    _openssl(
        folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=Test root", "-days", "30",
    )  # fmt: skip
    _openssl(
        folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr",
        "-subj", "/CN=Test TSA",
    )  # fmt: skip
    _openssl(
        folder, "x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "tsa.pem", "-days", "30", "-extfile", "tsa.ext",
    )  # fmt: skip
    return Authority(folder)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    made = make_authority(tmp_path / "tsa")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = made.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def act(store: Store) -> None:
    """Let something happen, and seal it."""
    with store.begin() as tx:
        tx.audit.append(AuditFact(AuditEvent.LOGIN, ACTOR, NOW))
    assert checkpoint_now(store, ACTOR, Occasion.STOP, now=NOW) is not None


def alerts(store: Store) -> list[str]:
    with store.begin() as tx:
        return [alert.reason for alert in tx.alerts.open() if alert.kind is AlertKind.AUDIT_NOT_STAMPED]


@pytest.mark.covers("T29")
def test_newest_checkpoint_is_stamped_once_an_hour_and_verifies_later(
    store: Store, authority: Authority
) -> None:
    assert not stamp_when_due(store, ACTOR, authority.known, now=NOW), "there is nothing to stamp"
    act(store)
    assert stamp_when_due(store, ACTOR, authority.known, now=NOW)
    assert not stamp_when_due(store, ACTOR, authority.known, now=NOW + timedelta(hours=2)), "it has one"
    act(store)
    assert not stamp_when_due(store, ACTOR, authority.known, now=NOW + timedelta(minutes=59))
    assert stamp_when_due(store, ACTOR, authority.known, now=NOW + timedelta(hours=1))
    assert verify_stamps(store, authority.known.roots) == 2


@pytest.mark.covers("T29", "T32")
@pytest.mark.parametrize("mode", ["away", "garbage", "another"])
def test_authority_that_does_not_stamp_is_an_alert_until_it_does(
    store: Store, authority: Authority, mode: str
) -> None:
    act(store)
    assert stamp_when_due(store, ACTOR, authority.known, now=NOW)
    act(store)
    authority.mode = mode
    later = NOW + timedelta(hours=2)
    assert not stamp_when_due(store, ACTOR, authority.known, now=later)
    assert len(alerts(store)) == 1
    authority.mode = "honest"
    assert stamp_when_due(store, ACTOR, authority.known, now=later)
    assert alerts(store) == []
    assert verify_stamps(store, authority.known.roots) == 2


@pytest.mark.covers("T29")
def test_stamp_of_another_authority_or_another_entry_is_named(
    store: Store, database: Database, authority: Authority, tmp_path: Path
) -> None:
    act(store)
    assert stamp_when_due(store, ACTOR, authority.known, now=NOW)
    foreign = make_authority(tmp_path / "foreign")
    with pytest.raises(AuditBroken, match="the time stamp in entry 3 does not hold"):
        verify_stamps(store, foreign.known.roots)
    with psycopg.connect(database.owner) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE audit_log SET digest = repeat('a', 64) WHERE seq = 2")
    with pytest.raises(AuditBroken, match="the time stamp in entry 3 is of another log"):
        verify_stamps(store, authority.known.roots)


def test_settings_say_whose_stamps_count(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="audit_tsa_url needs audit_tsa_ca_file"):
        Settings(data_dir=tmp_path, audit_tsa_url="https://tsa.example")
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match="holds no certificates"):
        read_authority("https://tsa.example", tmp_path / "ca.pem")
