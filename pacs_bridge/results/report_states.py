"""One state of a report in three standards: the only place where this is written (acceptance S5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.report_content import ReportState


@dataclass(frozen=True)
class WireState:
    """What a state is called on the wire.

    Attributes
    ----------
    sr_flags
        Completion, Verification and Preliminary Flag (PS3.3 C.17.2); None: no SR, but a rejection note.
    result_status
        OBR-25 (HL7 table 0123) and OBX-11 (table 0085), which agree for these values; empty: not sent.
    report_status
        FHIR R4 DiagnosticReport.status; empty: not sent.
    observation_status
        FHIR R4 Observation.status of the findings that go with it; empty: no findings go with it.
    """

    sr_flags: tuple[str, str, str] | None
    result_status: str
    report_status: str
    observation_status: str


_UNVERIFIED = ("PARTIAL", "UNVERIFIED", "PRELIMINARY")
_VERIFIED = ("COMPLETE", "VERIFIED", "FINAL")

WIRE_STATES: Mapping[ReportState, WireState] = {
    ReportState.DRAFTED: WireState(_UNVERIFIED, "", "", ""),
    # findings of a preliminary reading wait for the attending: what is retracted later never went out
    ReportState.PRELIMINARY: WireState(_UNVERIFIED, "P", "preliminary", ""),
    ReportState.SIGNED: WireState(_VERIFIED, "F", "final", "final"),
    ReportState.ADDENDED: WireState(_VERIFIED, "F", "appended", "final"),
    ReportState.CORRECTED: WireState(_VERIFIED, "C", "corrected", "corrected"),
    ReportState.WITHDRAWN: WireState(None, "X", "entered-in-error", "entered-in-error"),
}


def require_sendable(state: ReportState) -> WireState:
    """Return the state on the wire.

    Raises
    ------
    Rejected
        If nothing about a report in this state may leave.
    """
    wire = WIRE_STATES[state]
    if not wire.result_status:
        raise Rejected(CANNOT_UNDERSTAND, f"a report that is {state} is not sent")
    return wire
