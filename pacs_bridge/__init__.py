"""The protocols: DICOM in and out, and the result objects that leave after sign-off.

The names below are the package's public interface; everything else may change.
"""

from __future__ import annotations

from pacs_bridge.admission import Peer, Rejection
from pacs_bridge.commitment import CommitmentReport, CommitmentRequest
from pacs_bridge.commitment_events import CommitmentEvents, LoggedCommitments
from pacs_bridge.commitment_loop import CommitmentLoop
from pacs_bridge.commitment_scu import CommitmentSCU
from pacs_bridge.commitment_service import CommitmentService
from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.dimse_service import NormalizedCommand, NormalizedRequest, NormalizedService
from pacs_bridge.durable import FreeSpaceFloor
from pacs_bridge.elements import Limits
from pacs_bridge.errors import AssociationRejected, BridgeError, Fatal, Rejected, Retriable
from pacs_bridge.header import InstanceHeader, read_header
from pacs_bridge.janitor import JanitorReport
from pacs_bridge.listener import Listener
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.listener_events import ListenerEvents, LoggedEvents
from pacs_bridge.listener_group import ListenerGroup
from pacs_bridge.received import AssociationFacts, ReceivedInstance
from pacs_bridge.sink import InstanceSink, SpoolSink
from pacs_bridge.spool import Spool
from pacs_bridge.spool_types import Disposition, QuarantinedInstance, SpooledInstance, StoreOutcome
from pacs_bridge.store_scu import SendOutcome, echo, send_instances
from pacs_bridge.tls import TlsFiles
from pacs_bridge.transport_limits import TransportLimits

__all__ = [
    "AssociationFacts",
    "AssociationRejected",
    "BridgeError",
    "CommitmentEvents",
    "CommitmentLoop",
    "CommitmentReport",
    "CommitmentRequest",
    "CommitmentSCU",
    "CommitmentService",
    "Destination",
    "Disposition",
    "Fatal",
    "FreeSpaceFloor",
    "InstanceHeader",
    "InstanceSink",
    "JanitorReport",
    "Limits",
    "Listener",
    "ListenerConfig",
    "ListenerEvents",
    "ListenerGroup",
    "LoggedCommitments",
    "LoggedEvents",
    "NormalizedCommand",
    "NormalizedRequest",
    "NormalizedService",
    "Peer",
    "QuarantinedInstance",
    "ReceivedInstance",
    "Rejected",
    "Rejection",
    "Retriable",
    "SendOutcome",
    "Spool",
    "SpoolSink",
    "SpooledInstance",
    "StoreOutcome",
    "Timeouts",
    "TlsFiles",
    "TransportLimits",
    "echo",
    "read_header",
    "send_instances",
]
