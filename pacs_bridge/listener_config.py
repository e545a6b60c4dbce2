"""How the listener behaves, and what it offers to peers."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_context

from pacs_bridge.admission import MAXIMUM_ASSOCIATIONS, Peer
from pacs_bridge.elements import Limits
from pacs_bridge.errors import Fatal
from pacs_bridge.tls import TlsFiles
from pacs_bridge.transport_limits import TransportLimits

VERIFICATION = "1.2.840.10008.1.1"
# Encodings that hide the size, keep the pixels elsewhere, or are no files (PS3.5 A.5, A.6, A.9)
NOT_OFFERED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1"}
    | {f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205)}
    | {f"1.2.840.10008.1.2.7.{n}" for n in (1, 2, 3)}
)
FIRST_CHOICE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")


@dataclass(frozen=True)
class ListenerConfig:
    """How the listener behaves.

    Parameters
    ----------
    ae_title
        Our AE title.
    other_titles
        Further titles under which we may be called.
    peers
        Allow-list of calling AE titles; empty means nobody.
    address, port
        Where to listen; port 0 takes a free one. With `tls` alone this is a TLS port.
    tls_port
        A TLS port beside the plain `port`; None for one port.
    maximum_associations
        1 to 1000 at the same time; the next is rejected with 2/3/2.
    maximum_per_source
        Of those, from one address; None for no further limit.
    maximum_pdu
        Bytes; offered to peers and enforced.
    transport
        Bounds of each association.
    header
        Bounds of a header.
    tls
        Server context, or the files it is made of; None for plain DICOM.
    """

    ae_title: str = "JANUSMED"
    other_titles: tuple[str, ...] = ()
    peers: tuple[Peer, ...] = ()
    address: str = "127.0.0.1"
    port: int = 11112
    tls_port: int | None = None
    maximum_associations: int = 64
    maximum_per_source: int | None = None
    maximum_pdu: int = 262_144
    transport: TransportLimits = field(default_factory=TransportLimits)
    header: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | TlsFiles | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.maximum_associations <= MAXIMUM_ASSOCIATIONS:
            raise Fatal(f"maximum_associations must be 1 to {MAXIMUM_ASSOCIATIONS}")
        if not 4096 <= self.maximum_pdu <= 1024**2:
            raise Fatal("maximum_pdu must be 4096 to 1048576 bytes")
        if self.tls_port is not None and self.tls is None:
            raise Fatal("a TLS port needs a certificate")

    @property
    def called_titles(self) -> frozenset[str]:
        """Every title under which we may be called."""
        return frozenset({self.ae_title, *self.other_titles})

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the context of the TLS port.

        Raises
        ------
        Fatal
            If its files cannot be used.
        """
        return self.tls.context() if isinstance(self.tls, TlsFiles) else self.tls


def supported_contexts() -> list[Any]:
    """Return the presentation contexts of the listener: verification and every storage SOP class.

    Uncompressed syntaxes come first: where a sender offers a choice in one context, no lossy step is asked
    for.
    """
    rest = [syntax for syntax in ALL_TRANSFER_SYNTAXES if syntax not in NOT_OFFERED | set(FIRST_CHOICE)]
    syntaxes = [*FIRST_CHOICE, *rest]
    contexts = [build_context(VERIFICATION, list(FIRST_CHOICE))]
    contexts += [build_context(str(cx.abstract_syntax), syntaxes) for cx in AllStoragePresentationContexts]
    return contexts


def offered_syntaxes(service_classes: Iterable[str] = ()) -> Mapping[str, tuple[str, ...]]:
    """Return the transfer syntaxes that we accept by abstract syntax, those that we prefer first."""
    offered = {str(cx.abstract_syntax): tuple(map(str, cx.transfer_syntax)) for cx in supported_contexts()}
    return offered | dict.fromkeys(service_classes, FIRST_CHOICE)
