"""Ask a peer what it has (C-FIND SCU): studies (PS3.4 C.4.1) and scheduled procedure steps (PS3.4 K.4.1).

- Out of resources (0xA7xx), processing failure (0x0110), no answer, an association that breaks: `Retriable`;
  asking again is harmless.
- Every other failure status (PS3.4 tables C.4-1 and K.4-1) and an answer that cannot be read: `Rejected`.
- More answers than wanted: the operation is cancelled (C-CANCEL, PS3.7 9.3.2.3); a peer that goes on all the
  same for as long as one answer may take is aborted. What came before is returned.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context

from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.errors import CANNOT_UNDERSTAND, SUCCESS, Rejected, Retriable
from pacs_bridge.remote_ae import RemoteAE

PROCESSING_FAILURE = 0x0110
CANCELLED = 0xFE00
_PENDING = frozenset({0xFF00, 0xFF01})
_MESSAGE_ID = 1
_SYNTAXES = [str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)]


class InformationModel(StrEnum):
    """The information models that we ask with (PS3.4 C.3, K.2)."""

    STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
    PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
    MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"


def find(
    destination: Destination,
    information_model: InformationModel,
    identifier: Dataset,
    *,
    calling_ae: str,
    timeouts: Timeouts | None = None,
    limit: int = 100,
) -> list[Dataset]:
    """Ask a peer for what matches an identifier.

    Parameters
    ----------
    destination
        The peer.
    information_model
        What is asked for.
    identifier
        The keys (PS3.4 C.2.2.2); with a QueryRetrieveLevel unless it goes to a worklist.
    calling_ae
        Our AE title.
    timeouts
        Explicit for every wait; `dimse` counts for each answer.
    limit
        The most answers that are taken.

    Returns
    -------
    list of Dataset
        At most `limit`; text is decoded by each answer's own Specific Character Set.

    Raises
    ------
    Rejected
        The peer does not answer this question, or not so that it can be read.
    Retriable
        It may answer later.
    """
    timeouts = timeouts or Timeouts()
    peer = RemoteAE(destination, calling_ae, timeouts)
    with peer.association([build_context(str(information_model), _SYNTAXES)]) as assoc:
        try:
            responses = assoc.send_c_find(identifier, str(information_model), msg_id=_MESSAGE_ID)
            return _collect(assoc, responses, information_model, destination, limit, timeouts.dimse)
        except ValueError as error:
            raise Rejected(CANNOT_UNDERSTAND, "the keys of the C-FIND cannot be encoded") from error
        except RuntimeError as error:
            raise Retriable(f"{destination} ended the association during C-FIND") from error


def _collect(
    assoc: Any,
    responses: Iterator[tuple[Dataset, Dataset | None]],
    model: InformationModel,
    destination: Destination,
    limit: int,
    patience: float,
) -> list[Dataset]:
    found: list[Dataset] = []
    cancelled_at: float | None = None
    for status, answer in responses:
        code = _code(status, destination)
        if code not in _PENDING:
            _check_final(code, destination, cancelled=cancelled_at is not None)
            break
        if len(found) < limit:
            found.append(_readable(answer, destination))
            continue
        if cancelled_at is None:
            assoc.send_c_cancel(_MESSAGE_ID, query_model=str(model))
            cancelled_at = time.monotonic()
        elif time.monotonic() - cancelled_at > patience:
            assoc.abort()
            break
    return found


def _code(status: Dataset, destination: Destination) -> int:
    if "Status" not in status:
        raise Retriable(f"{destination} did not answer C-FIND")
    return int(status.Status)


def _readable(answer: Dataset | None, destination: Destination) -> Dataset:
    """Return the answer with all of its text decoded, so that no later access fails on a hostile value."""
    if answer is None:
        raise Rejected(CANNOT_UNDERSTAND, f"{destination} answered C-FIND with what cannot be read")
    try:
        answer.decode()
    except (AttributeError, LookupError, NotImplementedError, RecursionError, TypeError, ValueError) as error:
        raise Rejected(
            CANNOT_UNDERSTAND, f"{destination} answered C-FIND with what cannot be read"
        ) from error
    return answer


def _check_final(code: int, destination: Destination, *, cancelled: bool) -> None:
    if code == SUCCESS or (code == CANCELLED and cancelled):
        return
    if code == PROCESSING_FAILURE or 0xA700 <= code <= 0xA7FF:
        raise Retriable(f"{destination} cannot search now (status 0x{code:04X})")
    raise Rejected(code, f"{destination} refuses the C-FIND")
