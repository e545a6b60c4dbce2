"""Every error of the package, in one tree.

::

    BridgeError
     ├── Rejected               never retry: the peer or the data must change first
     │    ├── AssociationRejected    the peer refused the association for good (PS3.8 9.3.4)
     │    └── MessageRefused         the receiver of a message (HL7, FHIR, DICOMweb) does not take it
     ├── ProtocolViolation      a peer broke the protocol or a limit: its association is aborted
     ├── Retriable              the same act may succeed later: network, peer busy, disk full at the peer
     └── Fatal                  this process cannot do its work: configuration, spool in use, port taken
"""

from __future__ import annotations

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH_SOP_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211


class BridgeError(Exception):
    """Root of the tree; its text is written for the administrator of a PACS and holds no patient data."""


class Rejected(BridgeError):
    """Something that must not be tried again unchanged.

    Parameters
    ----------
    status
        DIMSE status of PS3.7 Annex C and PS3.4 B.2.3 that goes (or came) with it.
    reason
        What is wrong, in words a PACS administrator understands; never a value of the data set but UIDs.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{reason} (status 0x{status:04X})")
        self.status = status
        self.reason = reason


class AssociationRejected(Rejected):
    """The peer rejected the association permanently (A-ASSOCIATE-RJ result 1, PS3.8 table 9-21).

    Parameters
    ----------
    result, source, diagnostic
        The three codes of the A-ASSOCIATE-RJ.
    reason
        The codes in words.
    """

    def __init__(self, result: int, source: int, diagnostic: int, reason: str) -> None:
        super().__init__(0x0124, reason)
        self.codes = (result, source, diagnostic)


class MessageRefused(Rejected):
    """The receiver of a message does not take it: HL7 AE or AR, an HTTP status that stays.

    Parameters
    ----------
    reason
        Codes and addresses; never the receiver's own text, which may repeat patient data.
    """

    def __init__(self, reason: str) -> None:
        BridgeError.__init__(self, reason)
        self.status = CANNOT_UNDERSTAND
        self.reason = reason


class ProtocolViolation(BridgeError):
    """What a peer sent breaks the protocol or one of our limits (PS3.8 9.2.1: event 19).

    Parameters
    ----------
    reason
        What is wrong, without any value that was sent.
    code
        Reason of the A-ABORT (PS3.8 table 9-26): 1 unrecognized PDU, 2 unexpected PDU, 6 invalid parameter.
    """

    def __init__(self, reason: str, code: int = 6) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Retriable(BridgeError):
    """A failure that may pass: connection refused, association lost, peer out of resources."""


class Fatal(BridgeError):
    """The process cannot go on and says why: taken port, spool in use, wrong configuration."""
