"""An order for an examination, as the RIS places it, and what of it a reader and the model are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.intake import clean_value
from app.domain.machine import advance
from app.domain.study import Patient

LONGEST_TEXT = 4000
LONGEST_VALUE = 250


class OrderState(StrEnum):
    """Where the order stands at the RIS."""

    REQUESTED = "REQUESTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class OrderCommand(StrEnum):
    """What the RIS says about an order."""

    PLACE = "place"
    CHANGE = "change"
    START = "start"
    COMPLETE = "complete"
    CANCEL = "cancel"


_S, _C = OrderState, OrderCommand
ORDER_TRANSITIONS: Mapping[tuple[OrderState, OrderCommand], OrderState] = {
    (_S.REQUESTED, _C.PLACE): _S.REQUESTED,
    (_S.REQUESTED, _C.CHANGE): _S.REQUESTED,
    (_S.REQUESTED, _C.START): _S.IN_PROGRESS,
    (_S.REQUESTED, _C.COMPLETE): _S.COMPLETED,
    (_S.REQUESTED, _C.CANCEL): _S.CANCELLED,
    (_S.IN_PROGRESS, _C.PLACE): _S.IN_PROGRESS,
    (_S.IN_PROGRESS, _C.CHANGE): _S.IN_PROGRESS,
    (_S.IN_PROGRESS, _C.START): _S.IN_PROGRESS,
    (_S.IN_PROGRESS, _C.COMPLETE): _S.COMPLETED,
    (_S.IN_PROGRESS, _C.CANCEL): _S.CANCELLED,
    (_S.COMPLETED, _C.PLACE): _S.COMPLETED,
    (_S.COMPLETED, _C.CHANGE): _S.COMPLETED,
    (_S.COMPLETED, _C.START): _S.COMPLETED,
    (_S.COMPLETED, _C.COMPLETE): _S.COMPLETED,
    (_S.COMPLETED, _C.CANCEL): _S.CANCELLED,
    # the RIS may place a cancelled order again; a change that comes late does not revive it
    (_S.CANCELLED, _C.PLACE): _S.REQUESTED,
    (_S.CANCELLED, _C.CHANGE): _S.CANCELLED,
    (_S.CANCELLED, _C.START): _S.CANCELLED,
    (_S.CANCELLED, _C.COMPLETE): _S.CANCELLED,
    (_S.CANCELLED, _C.CANCEL): _S.CANCELLED,
}


@dataclass(frozen=True)
class OrderContent:
    """What an order says; every value is text and empty when it is not given.

    Attributes
    ----------
    priority
        Requested Procedure Priority (PS3.4 Table K.6-1a).
    """

    placer_number: str
    filler_number: str
    accession_number: str
    patient: Patient
    procedure_code: str = ""
    procedure: str = ""
    scheduled_step: str = ""
    indication: str = field(default="", repr=False)
    priority: str = ""
    requesting_physician: str = field(default="", repr=False)
    pregnancy: str = field(default="", repr=False)
    allergies: str = field(default="", repr=False)

    def cleaned(self) -> OrderContent:
        """Return the content as the database can hold it, long texts cut."""
        texts = {
            name: clean_value(value)[: LONGEST_TEXT if name == "indication" else LONGEST_VALUE]
            for name, value in vars(self).items()
            if isinstance(value, str)
        }
        patient = Patient(
            **{name: clean_value(text)[:LONGEST_VALUE] for name, text in vars(self.patient).items()}
        )
        return replace(self, patient=patient, **texts)

    def completed_by(self, newer: OrderContent) -> OrderContent:
        """Return the content after a message: what it leaves empty stays as it was."""
        texts = {name: value for name, value in vars(newer).items() if isinstance(value, str) and value}
        return replace(self, patient=newer.patient, **texts)


@dataclass(frozen=True)
class OrderUpdate:
    """One message about one order."""

    command: OrderCommand
    content: OrderContent

    def cleaned(self) -> OrderUpdate:
        """Return the update as the database can hold it."""
        return replace(self, content=self.content.cleaned())


@dataclass(frozen=True)
class Order:
    """An order as it stands.

    Attributes
    ----------
    source
        ``HL7 application|facility`` or ``worklist AE``: numbers are unique within it.
    """

    order_id: int
    source: str
    content: OrderContent
    state: OrderState
    received_at: datetime
    updated_at: datetime

    def update(self, update: OrderUpdate, *, now: datetime) -> Order:
        """Return the order after a message about it."""
        state = advance(ORDER_TRANSITIONS, self.state, update.command)
        return replace(self, content=self.content.completed_by(update.content), state=state, updated_at=now)

    @property
    def is_cancelled(self) -> bool:
        """Whether the RIS has withdrawn it."""
        return self.state is OrderState.CANCELLED


@dataclass(frozen=True)
class ClinicalContext:
    """What is known of why a study was made.

    Attributes
    ----------
    source
        ``order``, ``worklist``, ``images``, or empty when nothing is known.
    warning
        For the reader: why an order that bears the study's accession number is not used; empty otherwise.
    """

    source: str = ""
    procedure: str = ""
    scheduled_step: str = ""
    indication: str = field(default="", repr=False)
    priority: str = ""
    requesting_physician: str = field(default="", repr=False)
    pregnancy: str = field(default="", repr=False)
    allergies: str = field(default="", repr=False)
    warning: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is anything to tell but a warning."""
        return bool(self.source)

    def as_provenance(self) -> dict[str, Any]:
        """Return what was known when a draft was made, for its provenance."""
        return {"source": self.source, "indication": self.indication, "procedure": self.procedure}


NO_CONTEXT = ClinicalContext()
OTHER_PATIENT = "An order with this accession number names another patient. It is not used: check the study."
CANCELLED = "The order of this study was cancelled."


def context_of(own: Iterable[Order], strangers: Iterable[Order]) -> ClinicalContext:
    """Return the context that the orders of a study's accession number give.

    Parameters
    ----------
    own
        Orders of the study's patient, the newest first.
    strangers
        Orders of another patient: never used, only warned of.
    """
    given, warning = list(own), OTHER_PATIENT if list(strangers) else ""
    used = [order for order in given if not order.is_cancelled]
    if not used:
        cancelled = CANCELLED if given else ""
        return ClinicalContext(warning=" ".join(text for text in (warning, cancelled) if text))
    # the RIS's own message says more than its worklist, and both may speak of one order
    placed = [order for order in used if not order.source.startswith("worklist")] or used
    return ClinicalContext(
        source="worklist" if placed[0].source.startswith("worklist") else "order",
        procedure=_joined(order.content.procedure or order.content.procedure_code for order in placed),
        scheduled_step=_joined(order.content.scheduled_step for order in used),
        indication=_joined(order.content.indication for order in placed)
        or _joined(order.content.indication for order in used),
        priority=placed[0].content.priority,
        requesting_physician=_joined(order.content.requesting_physician for order in placed),
        pregnancy=_joined(order.content.pregnancy for order in used),
        allergies=_joined(order.content.allergies for order in used),
        warning=warning,
    )


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
