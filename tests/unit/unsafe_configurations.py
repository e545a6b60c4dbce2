"""Configurations that are unsafe: what is set, which process refuses it, and what its reason names."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from tests.certificates import issue

Prepare = Callable[[Path], dict[str, Any]]

SENTENCE = "I accept unencrypted DICOM on my network"
DESTINATION = {"name": "PACS", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
OIDC = {
    "issuer": "https://sso.example",
    "client_id": "c",
    "client_secret_file": "/x",
    "roles": {"g": "viewer"},
}


@dataclass(frozen=True)
class Unsafe:
    """One unsafe configuration.

    Attributes
    ----------
    command, process
        What is started, and how the checks call it.
    reason
        Words of the message.
    prepare
        Makes files below a folder; returns further settings.
    """

    name: str
    command: str
    process: str
    reason: str
    settings: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Path], dict[str, Any]] = lambda _: {}

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the environment of the process, with files made below `folder`."""
        chosen = {"data_dir": str(folder / "data")} | self.settings | self.prepare(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JANUS_MED_")}
        return kept | {
            f"JANUS_MED_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in chosen.items()
        }

    def start(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Start the process as an administrator does, and wait for its end."""
        command = [sys.executable, "-m", "app.cli", self.command]
        return subprocess.run(
            command, env=self.environment(folder), capture_output=True, text=True, timeout=60, check=False
        )


def tls_files(
    folder: Path, *, days: int = 30, other_key: bool = False, mode: int = 0o600, begin: int = 60
) -> tuple[str, str, str]:
    """Write certificate, key and authority; return their paths."""
    authority, now = trustme.CA(), datetime.now(UTC)
    period = {"not_before": now - timedelta(days=begin), "not_after": now + timedelta(days=days)}
    ours = authority.issue_cert("localhost", **period)
    keys = authority.issue_cert("localhost") if other_key else ours
    paths = [folder / name for name in ("certificate.pem", "key.pem", "authority.pem")]
    ours.cert_chain_pems[0].write_to_path(paths[0])
    keys.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    paths[1].chmod(mode)
    certificate, key, ca = map(str, paths)
    return certificate, key, ca


def dicom_tls(**how: Any) -> Callable[[Path], dict[str, Any]]:
    """Return what makes the settings of a TLS port."""

    def prepare(folder: Path) -> dict[str, Any]:
        names = ("dicom_tls_certificate", "dicom_tls_key", "dicom_tls_authorities")
        return dict(zip(names, tls_files(folder, **how), strict=True))

    return prepare


def no_certificate(folder: Path) -> dict[str, Any]:
    """Write a certificate file that holds none."""
    files = dicom_tls()(folder)
    Path(files["dicom_tls_certificate"]).write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    return files


def destination_tls(folder: Path) -> dict[str, Any]:
    """Name a client certificate with the key of another one."""
    certificate, key, ca = tls_files(folder, other_key=True)
    tls = {"ca_file": ca, "certificate_file": certificate, "key_file": key}
    return {"destinations": [DESTINATION | {"tls": tls}]}


def documents(*, days: int = 90, usage: tuple[str, ...] = ("digital_signature",)) -> Prepare:
    """A certificate for documents that began 60 days ago."""

    def prepare(folder: Path) -> dict[str, Any]:
        issued = issue("p256", begin=datetime.now(UTC) - timedelta(days=60), days=days, usage=usage)
        return {"document_signature": issued.write(folder).model_dump(mode="json", exclude_none=True)}

    return prepare


def open_secret(folder: Path) -> dict[str, Any]:
    """Write a secret that every account can read."""
    path = folder / "url"
    path.write_text("postgresql+psycopg://janus_login:canary-password@127.0.0.1/x\n")
    folder.chmod(0o755)
    path.chmod(0o644)
    return {"database_url_file": str(path)}


def two_secrets(folder: Path) -> dict[str, Any]:
    """Give one secret twice."""
    given = open_secret(folder)
    Path(given["database_url_file"]).chmod(0o600)
    return given | {"database_url": "postgresql+psycopg://janus_login:canary-password@127.0.0.1/y"}


def open_config(folder: Path) -> dict[str, Any]:
    """Write a configuration file with a password that every account can read."""
    path = folder / "config.toml"
    path.write_text('database_url = "postgresql+psycopg://janus_login:canary-password@127.0.0.1/x"\n')
    folder.chmod(0o755)
    path.chmod(0o644)
    return {"config": str(path)}


def open_token(folder: Path) -> dict[str, Any]:
    """Write a bearer token that every account can read."""
    path = folder / "token"
    path.write_text("canary-password\n")
    folder.chmod(0o755)
    path.chmod(0o644)
    fhir = {"kind": "fhir", "name": "F", "url": "https://fhir.example/", "token_file": str(path)}
    return {"destinations": [fhir]}


def open_keys(folder: Path) -> dict[str, Any]:
    """Make a folder of keys that every account can read."""
    keys = folder / "data" / "keys"
    keys.mkdir(parents=True)
    keys.chmod(0o755)
    return {}


def short_key(folder: Path) -> dict[str, Any]:
    """Leave a key that is too short."""
    keys = folder / "data" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    (keys / "patient_reference.key").write_text("abcd")
    (keys / "patient_reference.key").chmod(0o600)
    return {}


def open_model(folder: Path) -> dict[str, Any]:
    """Make a model folder that every account can write into."""
    model = folder / "model"
    model.mkdir()
    model.chmod(0o777)
    return {"model": str(model)}


def client(token: str) -> dict[str, Any]:
    """Settings of DICOMweb with one client."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"dicomweb": True, "dicomweb_clients": [{"name": "m", "token_sha256": digest, "may_read": True}]}


_OFF = {"dicom_host": "0.0.0.0"}
_UI_OFF = {"ui_host": "0.0.0.0"}
_UI_SENTENCE = {"allow_plain_ui_off_loopback": "Only a proxy with TLS or this machine reaches the web UI"}
_TLS = {"dicom_tls_port": 2762}


def _listener(name: str, reason: str, settings: dict[str, Any], prepare: Any = lambda _: {}) -> Unsafe:
    return Unsafe(name, "listen", "listener", reason, settings, prepare)


def _ui(name: str, reason: str, settings: dict[str, Any], prepare: Any = lambda _: {}) -> Unsafe:
    return Unsafe(name, "ui", "ui", reason, settings, prepare)


def _delivery(name: str, reason: str, settings: dict[str, Any], prepare: Any = lambda _: {}) -> Unsafe:
    return Unsafe(name, "deliver", "delivery", reason, settings, prepare)


UNSAFE = (
    _listener("plain DICOM off loopback", "unencrypted DICOM", _OFF | {"allowed_ae_titles": ["A"]}),
    _listener(
        "plain DICOM off loopback for anybody", "who may send", _OFF | {"allow_plain_off_loopback": SENTENCE}
    ),
    _listener("another sentence", "ALLOW_PLAIN_OFF_LOOPBACK", _OFF | {"allow_plain_off_loopback": "yes"}),
    _listener("TLS alone without its port", "DICOM_TLS_PORT", {"dicom_tls_only": True}),
    _listener("TLS without files", "DICOM_TLS_CERTIFICATE", _TLS),
    _listener("expired certificate", "expired on", _TLS, dicom_tls(days=-1)),
    _listener("certificate of tomorrow", "is the clock right", _TLS, dicom_tls(begin=-1)),
    _listener("key of another certificate", "does not belong", _TLS, dicom_tls(other_key=True)),
    _listener("broken certificate", "holds no certificate", _TLS, no_certificate),
    _listener("key that all can read", "every account can read", _TLS, dicom_tls(mode=0o644)),
    _listener("debug log", "LOG_LEVEL", {"log_level": "DEBUG"}),
    _listener("misspelt setting", "JANUS_MED_DICOM_TLS_ONLY meant", {"dicom_tls_ony": "true"}),
    _listener("keys that all can read", "can be read by other accounts", {}, open_keys),
    _listener("key that is too short", "restore it from the backup", {}, short_key),
    _listener("secret that all can read", "DATABASE_URL_FILE", {}, open_secret),
    _listener("secret given twice", "both given", {}, two_secrets),
    _listener("configuration with a password that all can read", "JANUS_MED_CONFIG", {}, open_config),
    _listener("database that is no PostgreSQL", "JANUS_MED_DATABASE_URL", {"database_url": "sqlite:///x"}),
    Unsafe(
        "plain HL7 off loopback",
        "hl7",
        "hl7",
        "HL7 would come unencrypted",
        {"hl7_port": 2575, "hl7_host": "0.0.0.0", "hl7_peers": [{"application": "RIS"}]},
    ),
    _ui("web UI off loopback without TLS", "would take passwords unencrypted", _UI_OFF),
    _ui("every host name", "UI_ALLOWED_HOSTS", {"ui_allowed_hosts": ["*"]}),
    _ui(
        "every address is a proxy",
        "UI_TRUSTED_PROXIES",
        {"ui_tls": True, "ui_trusted_proxies": ["0.0.0.0/0"]},
    ),
    _ui("token in clear", "tokens unencrypted", _UI_OFF | _UI_SENTENCE | client("a" * 32)),
    _ui("token that can be guessed", "can be guessed", client("changeme")),
    _ui("provider of identities in clear", "not https", {"oidc": OIDC | {"issuer": "http://sso.example"}}),
    _ui("provider without our secret", "client_secret_file", {"oidc": OIDC}),
    _delivery(
        "reports in clear into the internet",
        "internet",
        {"destinations": [DESTINATION | {"host": "8.8.8.8"}]},
    ),
    _delivery(
        "FHIR in clear", "https alone", {"destinations": [{"kind": "fhir", "name": "F", "url": "http://f/"}]}
    ),
    _delivery(
        "unsigned export", "DESTINATIONS", {"destinations": [DESTINATION | {"formats": ["draft_json"]}]}
    ),
    _delivery("token that all can read", "can be read by other accounts", {}, open_token),
    _delivery("key of another client certificate", "does not belong", {}, destination_tls),
    _delivery(
        "audit log in clear",
        "would go to collector.example unencrypted",
        {"audit_collector": {"host": "collector.example", "plain": True}},
    ),
    _delivery("expired certificate for documents", "has expired on", {}, documents(days=59)),
    _ui("certificate that is not for documents", "its key usage has neither", {}, documents(usage=())),
    Unsafe("model that all can change", "work", "drafting", "can change", {}, open_model),
)
