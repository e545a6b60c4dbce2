"""Who may connect: the allow-list of AE titles with their networks, and the caps on associations."""

from __future__ import annotations

import ipaddress
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pacs_bridge.received import AssociationFacts

MAXIMUM_ASSOCIATIONS = 1000
FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Peer:
    """An AE title that may call, and from where.

    Parameters
    ----------
    ae_title
        1 to 16 characters, compared exactly (PS3.5 6.2 AE, spaces at the ends are not significant).
    networks
        CIDR networks, ``10.1.2.0/24`` or ``2001:db8::/64``; empty means from anywhere.
    host, port
        Where the peer itself listens, for what we have to tell it later; empty and 0 when it does not.
    certificates
        SHA-256 fingerprints (hexadecimal) of the client certificates that may use this AE title over TLS;
        empty lets any certificate of a trusted issuer use it.
    """

    ae_title: str
    networks: tuple[str, ...] = ()
    host: str = ""
    port: int = 0
    certificates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.ae_title) <= 16 or self.ae_title != self.ae_title.strip():
            raise ValueError(
                f"{self.ae_title!r} is no AE title: 1 to 16 characters without spaces at the ends"
            )
        for network in self.networks:
            ipaddress.ip_network(network)
        for fingerprint in self.certificates:
            if not FINGERPRINT.fullmatch(_plain(fingerprint)):
                raise ValueError(f"{fingerprint!r} is no SHA-256 fingerprint: 64 hexadecimal digits")

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Read ``AE`` or ``AE@NETWORK`` or ``AE@NETWORK,NETWORK``.

        Raises
        ------
        ValueError
            If it is neither.
        """
        ae_title, _, networks = text.partition("@")
        return cls(ae_title.strip(), tuple(part.strip() for part in networks.split(",") if part.strip()))

    def may_call_from(self, address: str) -> bool:
        """Tell whether an address lies in one of the networks."""
        source = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(source, ipaddress.IPv6Address) and source.ipv4_mapped is not None:
            source = source.ipv4_mapped
        return not self.networks or any(source in ipaddress.ip_network(n) for n in self.networks)

    def may_use(self, certificate: str) -> bool:
        """Tell whether the title may be used with a certificate; a bound one not without TLS ("")."""
        return not self.certificates or certificate in map(_plain, self.certificates)


def _plain(fingerprint: str) -> str:
    """Return a fingerprint as OpenSSL and others write it (``AB:CD``) in plain lower case."""
    return fingerprint.replace(":", "").lower()


@dataclass(frozen=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result, source and diagnostic of PS3.8 table 9-21, and the words for the log."""

    result: int
    source: int
    diagnostic: int
    reason: str


UNKNOWN_CALLING_AE = Rejection(1, 1, 3, "calling AE title is not on the allow-list")
WRONG_SOURCE_ADDRESS = Rejection(1, 1, 3, "calling AE title is not allowed from this source address")
WRONG_CERTIFICATE = Rejection(1, 1, 3, "calling AE title is not bound to this certificate")
WRONG_CALLED_AE = Rejection(1, 1, 7, "called AE title is not ours")
TOO_MANY_ASSOCIATIONS = Rejection(2, 3, 2, "too many associations")


class Admission:
    """Decide on association requests and count those that are open.

    Parameters
    ----------
    ae_titles
        Our own titles.
    peers
        The allow-list; empty admits nobody.
    maximum, maximum_per_source
        Associations open at the same time, in all and from one address.
    """

    def __init__(
        self, ae_titles: Iterable[str], peers: Iterable[Peer], maximum: int, maximum_per_source: int
    ) -> None:
        self._ae_titles = frozenset(ae_titles)
        self._peers = {peer.ae_title: peer for peer in peers}
        self._maximum = maximum
        self._maximum_per_source = maximum_per_source
        self._open: dict[str, str] = {}
        self._lock = threading.Lock()

    def decide(self, facts: AssociationFacts) -> Rejection | None:
        """Return why an association is rejected, or None and count it as open."""
        peer = self._peers.get(facts.calling_ae)
        if peer is None:
            return UNKNOWN_CALLING_AE
        if not peer.may_call_from(facts.source_address):
            return WRONG_SOURCE_ADDRESS
        if not peer.may_use(facts.certificate):
            return WRONG_CERTIFICATE
        if facts.called_ae not in self._ae_titles:
            return WRONG_CALLED_AE
        with self._lock:
            from_source = Counter(self._open.values())[facts.source_address]
            if len(self._open) >= self._maximum or from_source >= self._maximum_per_source:
                return TOO_MANY_ASSOCIATIONS
            self._open[facts.association_id] = facts.source_address
        return None

    def release(self, association_id: str) -> None:
        """Free the place of an association; safe to repeat."""
        with self._lock:
            self._open.pop(association_id, None)

    @property
    def open_count(self) -> int:
        """Number of associations that are open."""
        return len(self._open)


class Closable(Protocol):
    """A connection that can be cut from another thread."""

    def cut(self) -> None:
        """Close the connection now."""


class WaitingRoom:
    """Bound the connections that have not yet asked for an association.

    When a source has too many, its oldest is cut: a peer that floods or drips only loses its own
    connections, and a peer that speaks DICOM leaves the room within milliseconds.

    Parameters
    ----------
    per_source, total
        Connections that may wait, from one address and in all.
    """

    def __init__(self, per_source: int, total: int) -> None:
        self._per_source = per_source
        self._total = total
        self._waiting: OrderedDict[str, tuple[str, Closable]] = OrderedDict()
        self._lock = threading.Lock()

    def enter(self, key: str, source_address: str, connection: Closable) -> None:
        """Let a connection wait; cut the oldest one when the room is full."""
        with self._lock:
            self._waiting[key] = (source_address, connection)
            mine = [k for k, (source, _) in self._waiting.items() if source == source_address]
            oldest = None
            if len(mine) > self._per_source:
                oldest = mine[0]
            elif len(self._waiting) > self._total:
                oldest = next(iter(self._waiting))
            cut = None if oldest is None else self._waiting.pop(oldest)
        if cut is not None:
            cut[1].cut()

    def leave(self, key: str) -> None:
        """Take a connection out: it was admitted, rejected or closed. Safe to repeat."""
        with self._lock:
            self._waiting.pop(key, None)
