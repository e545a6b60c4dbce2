"""Certificates and keys of the settings: what cannot be used is named, and nobody is asked for a password.

Covered: every place that loads a key. Not covered: sessions (the tests of each protocol).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from app.destinations import DicomDestination, TlsClient
from app.domain.errors import ConfigurationError, Rejected
from app.neighbours import TlsFiles
from app.settings import AuditCollector, Settings
from app.workers import peer_settings, tls_files
from app.workers.forward_audit import collector_of
from app.workers.own_listener import own_listener

LOCKED = "the key is encrypted"


@pytest.fixture
def locked(tmp_path: Path) -> dict[str, Path]:
    """An authority, a certificate, and its key under a password."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    password = BestAvailableEncryption(b"secret")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca_file", "certificate_file", "key_file")}
    authority.cert_pem.write_to_path(files["ca_file"])
    issued.cert_chain_pems[0].write_to_path(files["certificate_file"])
    files["key_file"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password))
    return files


def test_servers_and_clients_of_neighbours_take_no_key_with_a_password(locked: dict[str, Path]) -> None:
    files = TlsFiles(**locked)
    for make in (tls_files.client_context, tls_files.server_context):
        with pytest.raises(ConfigurationError, match=f"JANUS_MED_X.*{LOCKED}"):
            make(files, setting="JANUS_MED_X")


def test_destinations_take_no_key_with_a_password(locked: dict[str, Path]) -> None:
    tls = TlsClient(**locked)
    to = DicomDestination(name="pacs", ae_title="PACS", host="localhost", port=1, tls=tls)
    with pytest.raises(Rejected, match=f"pacs.*{LOCKED}"):
        peer_settings.client_context(to)


def test_the_audit_collector_takes_no_key_with_a_password(locked: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match=f"JANUS_MED_AUDIT_COLLECTOR.*{LOCKED}"):
        collector_of(AuditCollector(host="localhost", port=1, **locked))


def test_our_own_listener_takes_no_key_with_a_password(locked: dict[str, Path]) -> None:
    files = {
        "dicom_tls_authorities": locked["ca_file"],
        "dicom_tls_certificate": locked["certificate_file"],
        "dicom_tls_key": locked["key_file"],
    }
    settings = Settings(dicom_tls_port=2762).model_copy(update={"dicom_tls_only": True, **files})
    with pytest.raises(ConfigurationError, match=f"JANUS_MED_DICOM_TLS_CERTIFICATE.*{LOCKED}"):
        own_listener(settings)
