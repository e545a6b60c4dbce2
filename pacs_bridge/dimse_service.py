"""Requests beside C-STORE that the listener hands to a service: N-ACTION and N-EVENT-REPORT."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydicom.dataset import Dataset

from pacs_bridge.received import AssociationFacts


class NormalizedCommand(StrEnum):
    """The two normalized requests that reach a listener (PS3.7 10.1.1, 10.1.4)."""

    ACTION = "N-ACTION"
    EVENT_REPORT = "N-EVENT-REPORT"


@dataclass(frozen=True)
class NormalizedRequest:
    """One normalized request.

    Attributes
    ----------
    type_id
        Action Type ID or Event Type ID.
    content
        Action Information or Event Information, decoded; empty when the request has none.
    received_at
        Aware, UTC.
    """

    command: NormalizedCommand
    association: AssociationFacts
    sop_class_uid: str
    sop_instance_uid: str
    type_id: int
    content: Dataset
    received_at: datetime


class NormalizedService(Protocol):
    """Answers the normalized requests of one SOP class; called in threads of the listener."""

    @property
    def sop_class_uid(self) -> str:
        """The SOP class that is offered to peers, in both roles."""

    def answer(self, request: NormalizedRequest) -> int:
        """Return the DIMSE status of the answer; 0x0000 only when the request is durable (PS3.7 Annex C)."""
