"""Who may send HL7 over MLLP, how the server behaves, and what takes the messages."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Protocol

from pacs_bridge.hl7_message import Message
from pacs_bridge.hl7_reply import Reply
from pacs_bridge.mllp_framing import LARGEST_BLOCK


@dataclass(frozen=True)
class Hl7Peer:
    """A system that may send HL7.

    Parameters
    ----------
    application
        Its MSH-3.
    facility
        Its MSH-4; empty takes any.
    networks
        Networks it may send from (CIDR); empty means anywhere.
    """

    application: str
    facility: str = ""
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for network in self.networks:
            ipaddress.ip_network(network)

    def may_call_from(self, address: str) -> bool:
        """Tell whether the peer may send from this address."""
        source = ipaddress.ip_address(address)
        return not self.networks or any(source in ipaddress.ip_network(each) for each in self.networks)

    def is_sender_of(self, message: Message) -> bool:
        """Tell whether the message names this peer as its sender."""
        return message.header.text(3) == self.application and self.facility in {"", message.header.text(4)}


@dataclass(frozen=True)
class MllpConfig:
    """How the server behaves.

    Parameters
    ----------
    peers
        Allow-list; empty means nobody.
    address, port
        Where to listen; port 0 takes a free one.
    maximum_connections
        At the same time; one more is closed at once.
    largest_message
        Bytes.
    message_seconds
        From the first byte of a message to its last.
    idle_seconds
        Silence between messages.
    tls
        Server context; None for plain MLLP.
    """

    peers: tuple[Hl7Peer, ...] = ()
    address: str = "127.0.0.1"
    port: int = 0
    maximum_connections: int = 32
    largest_message: int = LARGEST_BLOCK
    message_seconds: float = 30.0
    idle_seconds: float = 3600.0
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class ReceivedMessage:
    """A message from an allowed sender.

    Attributes
    ----------
    sender
        MSH-3 and MSH-4 as ``application|facility``.
    source
        Network address.
    sha256
        Hex digest of the bytes as sent.
    """

    message: Message = field(repr=False)
    sender: str
    source: str
    sha256: str

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.message.control_id


class Hl7Sink(Protocol):
    """What to do with a message; called in the threads of connections."""

    def receive(self, received: ReceivedMessage) -> Reply:
        """Keep a message and return the verdict; ACCEPT only after what it asks for is durable."""

    def refused(self, source: str, reason: str) -> None:
        """A connection or message of somebody who is not allowed was refused (PS3.15 A.5.3.11)."""
