"""Bounds on what a peer may make the listener hold or wait for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TransportLimits:
    """Bounds on what a peer may make us hold or wait for; bytes and seconds.

    Parameters
    ----------
    request_pdu
        Longest PDU before the association is accepted.
    pdu_deadline
        For one PDU from its first byte to its last, once the association is accepted.
    closing_deadline
        For what the peer still sends after an abort, a rejection or a release.
    request_deadline
        From the connection to the complete A-ASSOCIATE-RQ (the ARTIM timer of PS3.8 9.1.5).
    tls_deadline
        For the TLS handshake.
    network_timeout
        Without any PDU, after which the peer is aborted.
    command, message
        Longest command set, longest data set of one DIMSE message.
    memory
        Longest data set that is kept in memory while it arrives.
    queued_messages
        Requests a peer may send ahead; without asynchronous operations it must wait for each answer (PS3.7
        D.3.3.3).
    """

    request_pdu: int = 262_144
    pdu_deadline: float = 30.0
    closing_deadline: float = 1.0
    request_deadline: float = 10.0
    tls_deadline: float = 5.0
    network_timeout: float = 60.0
    command: int = 65_536
    message: int = 4 * 1024**3
    memory: int = 1024**2
    queued_messages: int = 8
