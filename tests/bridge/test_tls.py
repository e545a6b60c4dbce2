"""DICOM over TLS: it works, and a client that says nothing holds up nobody (fact 3)."""

from __future__ import annotations

import ssl

import pytest
import trustme

from pacs_bridge import Destination, Retriable, TransportLimits, echo, send_instances
from tests.bridge.peers import CALLED, CALLING, RawPeer, echo_works, radiograph, wait_until, with_meta


@pytest.fixture
def contexts():
    """Server and client contexts with certificates of one authority, for localhost."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def test_instances_travel_over_tls(start_site, contexts):
    server, client = contexts
    site = start_site(tls=server)
    destination = Destination(CALLED, "localhost", site.port, tls=client)
    dataset = with_meta(radiograph(side=700))
    (outcome,) = send_instances([dataset], destination, calling_ae=CALLING)
    assert outcome.status == 0x0000
    assert dataset.SOPInstanceUID in site.stored_uids()


@pytest.mark.covers("T14")
def test_silent_clients_on_the_tls_port_hold_up_nobody(start_site, contexts):
    server, client = contexts
    site = start_site(tls=server, transport=TransportLimits(tls_deadline=3.0))
    silent = [RawPeer.connect(site.port) for _ in range(50)]
    assert echo_works(site.port, tls=client)
    assert all(peer.is_closed() for peer in silent)
    assert wait_until(
        lambda: sum("TLS" in a[1] for a in site.events.of("association_aborted")) == len(silent)
    )
    assert echo_works(site.port, tls=client)


def test_plain_text_on_the_tls_port_is_refused(start_site, contexts):
    server, client = contexts
    site = start_site(tls=server)
    peer = RawPeer.connect(site.port)
    peer.send(b"\x01\x00\x00\x00\x00\x10" + bytes(16))
    assert peer.is_closed()
    assert wait_until(lambda: len(site.events.of("association_aborted")) == 1)
    assert echo_works(site.port, tls=client)


def test_server_with_an_unknown_certificate_is_not_trusted(start_site, contexts):
    site = start_site(tls=contexts[0])
    stranger = Destination(CALLED, "localhost", site.port, tls=ssl.create_default_context())
    with pytest.raises(Retriable):
        echo(stranger, calling_ae=CALLING)
