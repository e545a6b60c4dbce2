"""Send an HL7 message over MLLP and wait for its acknowledgement.

What decides a retry stands here, in one place:

- AA: the receiver has the message.
- AE, AR, CE, CR: `MessageRefused`, never sent again unchanged; a person has to look at it.
- no connection, no answer in time, an answer that is none or belongs to another message: `Retriable`. The
  same message, with the same MSH-10, is sent again; a receiver that had it recognises it.
- CA (enhanced mode) is no answer yet: the wait goes on.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass

from pacs_bridge.errors import MessageRefused, Retriable
from pacs_bridge.hl7_ack import Acknowledgement, read_ack
from pacs_bridge.mllp_framing import BlockReader, receive_block, wrap

_LARGEST_ACK = 256 * 1024
_REFUSED = frozenset({"AE", "AR", "CE", "CR"})


@dataclass(frozen=True)
class MllpPeer:
    """A receiver of HL7 messages.

    Attributes
    ----------
    tls
        Client context, None for plain MLLP; `host` is the name checked in the certificate.
    connect_seconds, answer_seconds
        To wait for the connection with its TLS handshake, and for the acknowledgement.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_seconds: float = 5.0
    answer_seconds: float = 30.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def send_message(message: bytes, control_id: str, peer: MllpPeer) -> Acknowledgement:
    """Send one message over a connection of its own and return its positive acknowledgement.

    Parameters
    ----------
    message
        Not framed.
    control_id
        Its MSH-10; other acknowledgements are not taken for its own.

    Raises
    ------
    MessageRefused
        The receiver says AE or AR.
    Retriable
        It is not known whether the receiver has it: send the same message again.
    """
    try:
        with _connect(peer) as connection:
            connection.sendall(wrap(message))
            answer = _wait_for_answer(connection, control_id, peer)
    except ssl.SSLCertVerificationError as error:
        raise Retriable(f"{peer} shows a certificate that we do not trust: {error.verify_message}") from error
    except OSError as error:
        raise Retriable(f"{peer} cannot be reached or broke off ({type(error).__name__})") from error
    if answer.code in _REFUSED:
        codes = f", error codes {', '.join(answer.error_codes)}" if answer.error_codes else ""
        raise MessageRefused(f"{peer} refused the message with {answer.code}{codes}")
    return answer


def _connect(peer: MllpPeer) -> socket.socket:
    plain = socket.create_connection((peer.host, peer.port), timeout=peer.connect_seconds)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = plain if peer.tls is None else peer.tls.wrap_socket(plain, server_hostname=peer.host)
    except BaseException:
        plain.close()
        raise
    connection.settimeout(peer.answer_seconds)
    return connection


def _wait_for_answer(connection: socket.socket, control_id: str, peer: MllpPeer) -> Acknowledgement:
    reader, deadline = BlockReader(_LARGEST_ACK), time.monotonic() + peer.answer_seconds
    while (left := deadline - time.monotonic()) > 0:
        block = receive_block(connection, reader, idle_seconds=left, block_seconds=left)
        if block is None:
            raise Retriable(f"{peer} closed the connection without an acknowledgement")
        answer = read_ack(block.content)
        if answer is None:
            raise Retriable(f"{peer} answered with something that is no acknowledgement")
        if answer.control_id == control_id and answer.code in {"AA", *_REFUSED}:
            return answer
    raise Retriable(f"{peer} did not acknowledge the message in {peer.answer_seconds:.0f} s")
