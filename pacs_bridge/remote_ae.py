"""An association with a peer that we call: the same waits, TLS, log rules and errors for every SCU of ours.

A refusal that lasts (A-ASSOCIATE-RJ permanent, no presentation context accepted) is `Rejected`; a peer that
is not there, does not answer or rejects for now is `Retriable`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ

from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.errors import AssociationRejected, BridgeError, Rejected, Retriable
from pacs_bridge.pynetdicom_logs import keep_identifiers_out_of_logs
from pacs_bridge.reactor_gate import keep_answers_from_the_reactor
from pacs_bridge.received import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

REJECTION_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "calling AE title not recognised: the peer must know us",
    (1, 7): "called AE title not recognised",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


@dataclass(frozen=True)
class RemoteAE:
    """A peer as one of our SCUs calls it.

    Parameters
    ----------
    destination
        Where it is.
    calling_ae
        Our AE title.
    timeouts
        Explicit for every wait.
    """

    destination: Destination
    calling_ae: str
    timeouts: Timeouts

    @contextmanager
    def association(
        self, contexts: list[Any], *, roles: Sequence[Any] = (), handlers: Sequence[tuple[Any, Any]] = ()
    ) -> Iterator[Any]:
        """Open an association, release it, or abort it when something went wrong.

        Parameters
        ----------
        contexts
            What is proposed.
        roles
            SCP/SCU role selection items (PS3.7 D.3.3.4), for what the peer sends over our association.
        handlers
            pynetdicom's event handlers, for the same.

        Raises
        ------
        Rejected, Retriable
            There is none, and which of the two is worth another try.
        """
        keep_identifiers_out_of_logs()
        to, refusals = self.destination, list[A_ASSOCIATE_RJ]()
        try:
            assoc = self._ae().associate(
                to.host,
                to.port,
                contexts=contexts,
                ae_title=to.ae_title,
                tls_args=None if to.tls is None else (to.tls, to.host),
                ext_neg=list(roles),
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, _send_at_once),
                    (evt.EVT_PDU_RECV, _keep_refusal, [refusals]),
                    *handlers,
                ],
            )
        except OSError as error:
            raise Retriable(f"{to} cannot be reached: {error.strerror}") from error
        if not assoc.is_established:
            raise _no_association(assoc, refusals, self.destination)
        keep_answers_from_the_reactor(assoc)
        try:
            yield assoc
        except BaseException:
            assoc.abort()
            raise
        if assoc.is_established:
            assoc.release()

    def _ae(self) -> AE:
        ae = AE(self.calling_ae)
        ae.connection_timeout = self.timeouts.connection
        ae.acse_timeout = self.timeouts.acse
        ae.dimse_timeout = self.timeouts.dimse
        ae.network_timeout = self.timeouts.network
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        return ae


def _keep_refusal(event: Any, refusals: list[A_ASSOCIATE_RJ]) -> None:
    """Keep an A-ASSOCIATE-RJ as it comes in.

    pynetdicom 3.0 itself takes a refusal for "not connected" when the connection is closed again before its
    other thread looks.
    """
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        refusals.append(event.pdu)


def _no_association(assoc: Any, refusals: Sequence[A_ASSOCIATE_RJ], destination: Destination) -> BridgeError:
    """Say why there is no association, in the tree's terms."""
    if refusals:
        refusal = refusals[0]
        source, diagnostic = int(refusal.source or 0), int(refusal.reason_diagnostic or 0)
        reason = REJECTION_REASONS.get((source, diagnostic), f"reason {source}/{diagnostic}")
        if refusal.result == 1:
            return AssociationRejected(
                1, source, diagnostic, f"{destination} rejected the association: {reason}"
            )
        return Retriable(f"{destination} rejected the association for now: {reason}")
    answer = assoc.acceptor.primitive
    if answer is not None and not assoc.accepted_contexts:
        return Rejected(0x0122, f"{destination} accepts none of the object types that were offered")
    return Retriable(f"{destination} cannot be reached or did not answer the association request")


def _send_at_once(event: Any) -> None:
    """Turn Nagle's algorithm off: it costs 40 ms for every instance."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
