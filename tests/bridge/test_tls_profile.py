"""TLS as PS3.15 B.12 wants it: who gets in, and one alert for each who does not.

Covered: versions, ciphers, certificates of both sides, titles bound to certificates, a plain port beside,
DCMTK as client, several processes. Not covered: revocation (no CRL is read).
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import trustme

from pacs_bridge import Fatal, ListenerConfig, ListenerGroup, Peer, TlsFiles
from tests.bridge.conftest import RecordedEvents
from tests.bridge.peers import CALLED, CR, EXPLICIT, RawPeer, associate_rq, echo_works, wait_until
from tests.conftest import need

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
STORESCU, ECHOSCU = Path("/usr/bin/storescu"), Path("/usr/bin/echoscu")


class Authority:
    """A certificate authority with a server and clients, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, name, **options):
        """Certificate and key files, and the fingerprint."""
        issued = self.ca.issue_cert(name, **options)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        for blob in issued.cert_chain_pems[:1]:
            blob.write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
        return certificate, key, sha256(der).hexdigest()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def files(authority):
    certificate, key, _ = authority.issue("localhost")
    return TlsFiles(certificate, key, authority.ca_file)


def client(authority, pair=None, *, version=None, ciphers=""):
    """A client's context; with old versions and weak ciphers where asked."""
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    if pair is not None:
        context.load_cert_chain(*map(str, pair[:2]))
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    return context


def is_accepted(port, context, calling="BOUND"):
    """Whether an association is accepted."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    with suppress(OSError), sock:
        wrapped = sock if context is None else context.wrap_socket(sock, server_hostname="localhost")
        with wrapped:
            wrapped.sendall(associate_rq(calling, CALLED, [(CR, EXPLICIT)]))
            return wrapped.recv(1) == b"\x02"
    return False


def alerts(events):
    return len(events.of("handshake_refused")) + len(events.of("association_rejected"))


@pytest.mark.covers("C1", "T16")
def test_twelve_wrong_clients_are_refused_with_one_alert_each(start_site, authority, files, tmp_path):
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    good, another = authority.issue("bound"), authority.issue("another")
    expired = authority.issue("expired", not_after=datetime(2021, 1, 1, tzinfo=UTC), not_before=PAST)
    early = authority.issue("early", not_before=FUTURE, not_after=datetime(2099, 2, 1, tzinfo=UTC))
    site = start_site(tls=files, tls_port=0, peers=(Peer("BOUND", certificates=(good[2],)), Peer("ANY")))
    port = site.listener.tls_port
    tls12, cbc = ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
    table = {
        "TLS 1.0": (port, client(authority, good, version=ssl.TLSVersion.TLSv1), "BOUND"),
        "TLS 1.1": (port, client(authority, good, version=ssl.TLSVersion.TLSv1_1), "BOUND"),
        "no authenticated encryption": (port, client(authority, good, version=tls12, ciphers=cbc), "BOUND"),
        "no forward secrecy": (
            port,
            client(authority, good, version=tls12, ciphers="AES128-GCM-SHA256:@SECLEVEL=0"),
            "BOUND",
        ),
        "no client certificate": (port, client(authority), "BOUND"),
        "expired": (port, client(authority, expired), "BOUND"),
        "not yet valid": (port, client(authority, early), "BOUND"),
        "unknown authority": (port, client(authority, stranger.issue("bound")), "BOUND"),
        "plain on the TLS port": (port, None, "BOUND"),
        "title of another certificate": (port, client(authority, another), "BOUND"),
        "bound title without TLS": (site.port, None, "BOUND"),
        "unknown title": (port, client(authority, good), "NOBODY"),
    }
    wrong = []
    for number, (name, (where, context, calling)) in enumerate(table.items(), 1):
        if is_accepted(where, context, calling):
            wrong.append(name)
        assert wait_until(lambda n=number: alerts(site.events) == n, 5), name
    print(f"accepted wrongly {len(wrong)}, alerts {alerts(site.events)} of {len(table)}")
    assert wrong == []
    assert alerts(site.events) == len(table) == 12
    for version in (tls12, ssl.TLSVersion.TLSv1_3):
        context = client(authority, good)
        context.minimum_version = context.maximum_version = version
        assert is_accepted(port, context)
    assert is_accepted(port, client(authority, another), "ANY")
    assert is_accepted(site.port, None, "ANY")
    assert alerts(site.events) == 12


@pytest.mark.covers("C1")
def test_dcmtk_sends_over_tls(start_site, authority, files, ct_slice):
    need(STORESCU.exists(), "DCMTK (apt-get install dcmtk)")
    certificate, key, fingerprint = authority.issue("storescu")
    colons = ":".join(fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    site = start_site(tls=files, peers=(Peer("STORESCU", certificates=(colons,)),))
    command = [STORESCU, "+tls", key, certificate, "+cf", authority.ca_file, "-aec", CALLED, "localhost"]
    done = subprocess.run(
        [*map(str, command), str(site.port), str(ct_slice)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (instance,) = site.spool.incoming()
    assert instance.association.certificate == fingerprint


@pytest.mark.covers("C1")
def test_strict_port_takes_no_plain_text(start_site, authority, files):
    site = start_site(tls=files, peers=(Peer("ANY"),))
    assert site.listener.tls_port == 0
    peer = RawPeer.connect(site.port)
    peer.send(associate_rq("ANY", CALLED, [(CR, EXPLICIT)]))
    assert peer.is_closed()
    assert is_accepted(site.port, client(authority, authority.issue("any")), "ANY")


@pytest.mark.slow
@pytest.mark.covers("C1")
def test_several_processes_speak_tls(spool, authority, files):
    events = RecordedEvents()
    config = ListenerConfig(peers=(Peer("MODALITY1"),), port=0, tls_port=0, tls=files)
    group = ListenerGroup(config, spool, events, processes=2)
    group.start()
    try:
        context = client(authority, authority.issue("any"))
        assert [is_accepted(group.tls_port, context, "MODALITY1") for _ in range(4)] == [True] * 4
        assert echo_works(group.port)
        assert not is_accepted(group.tls_port, client(authority), "MODALITY1")
        assert wait_until(lambda: len(events.of("handshake_refused")) == 1)
    finally:
        group.stop(0.2)


def test_files_that_are_none_are_named(tmp_path):
    missing = tmp_path / "missing.pem"
    with pytest.raises(Fatal, match=r"missing\.pem"):
        TlsFiles(missing, missing, missing).context()


@pytest.mark.parametrize("fingerprint", ["", "ab", "zz" * 32])
def test_fingerprints_that_are_none_are_refused(fingerprint):
    with pytest.raises(ValueError, match="SHA-256"):
        Peer("A", certificates=(fingerprint,))
