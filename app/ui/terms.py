"""Words of the domain as the interface says them; in code, tables and logs they stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.access import Role
from app.domain.alert import AlertKind
from app.domain.amendment import AmendmentKind
from app.domain.attestation import Meaning
from app.domain.critical import Category, Means
from app.domain.delivery import DeliveryState
from app.domain.emergency import EmergencyState
from app.domain.operations import QuarantineDecision
from app.domain.prior import PriorState
from app.domain.report import ReportState
from app.domain.rules import Answer
from app.domain.study import StudyState
from app.ui.words import phrase, say

TERMS: Mapping[str, str] = {
    # roles
    Role.VIEWER: phrase("viewer"),
    Role.RESIDENT: phrase("resident"),
    Role.ATTENDING: phrase("attending"),
    Role.ADMIN: phrase("admin"),
    Role.AUDITOR: phrase("auditor"),
    Role.SERVICE: phrase("service"),
    # sections of a report
    "indication": phrase("indication"),
    "comparison": phrase("comparison"),
    "technique": phrase("technique"),
    "findings": phrase("findings"),
    "impression": phrase("impression"),
    # how a critical result was told
    Means.IN_PERSON: phrase("in person"),
    Means.TELEPHONE: phrase("by telephone"),
    Means.VIDEO: phrase("by video call"),
    Means.SECURE_MESSAGE: phrase("by secure message, answered"),
    # what a signature means
    Meaning.PRELIMINARY: phrase("preliminary reading, needs attestation by an attending"),
    Meaning.FINAL: phrase("final report, reviewed and approved"),
    Meaning.ADDENDUM: phrase("addendum to a final report, reviewed and approved"),
    Meaning.CORRECTION: phrase(
        "correction of a final report, replaces its earlier text, reviewed and approved"
    ),
    Meaning.WITHDRAWN: phrase("withdrawn: the report must not be used"),
    # amendments
    AmendmentKind.ADDENDUM: phrase("addendum"),
    AmendmentKind.CORRECTION: phrase("correction"),
    # alerts
    AlertKind.DELIVERY_GIVEN_UP: phrase("delivery given up"),
    AlertKind.WORK_GIVEN_UP: phrase("work given up"),
    AlertKind.DESTINATION_SILENT: phrase("destination does not take reports"),
    AlertKind.SOURCE_SILENT: phrase("source is silent"),
    AlertKind.SELF_TEST_FAILED: phrase("self-test failed"),
    AlertKind.SPOOL_DAMAGED: phrase("spool is damaged"),
    AlertKind.DISK_LOW: phrase("disk is low"),
    AlertKind.DISCORDANCE: phrase("AI text fares otherwise than before"),
    AlertKind.CRITICAL_OVERDUE: phrase("critical result not communicated"),
    AlertKind.AUDIT_NOT_STAMPED: phrase("audit log is not time-stamped"),
    AlertKind.TOO_MANY_REQUESTS: phrase("more requests than are taken"),
    AlertKind.MODEL_UNUSABLE: phrase("model cannot be used"),
    AlertKind.EMERGENCY_ACCESS: phrase("emergency access to a restricted study"),
    # processes
    "listener": phrase("listener"),
    "drafting": phrase("drafting"),
    "delivery": phrase("delivery"),
    "housekeeping": phrase("housekeeping"),
    # decisions about what lies in quarantine
    QuarantineDecision.RELEASE: phrase("release"),
    QuarantineDecision.DISCARD: phrase("discard"),
    # what a rule did
    Answer.FIRED: phrase("fired"),
    Answer.NOT_FIRED: phrase("did not fire"),
    Answer.OTHER_AE: phrase("is for another AE title"),
    Answer.FAILED: phrase("could not be evaluated"),
    # what the model made of a finding
    "present": phrase("present"),
    "absent": phrase("absent"),
    "defer": phrase("left to the reader"),
}
"""Terms by the value that code and tables know them by."""

STUDY_STATES: Mapping[StudyState, str] = {
    StudyState.RECEIVING: phrase("receiving"),
    StudyState.COMPLETE: phrase("drafting ..."),
    StudyState.DRAFTED: phrase("AI draft"),
    StudyState.UNDRAFTED: phrase("no AI draft"),
    StudyState.EXCLUDED: phrase("excluded"),
    StudyState.QUARANTINED: phrase("quarantine"),
}
REPORT_STATES: Mapping[ReportState, str] = {
    ReportState.DRAFTED: phrase("not opened"),
    ReportState.IN_REVIEW: phrase("in review"),
    ReportState.PRELIMINARY: phrase("preliminary"),
    ReportState.SIGNED: phrase("signed"),
    ReportState.ADDENDED: phrase("addended"),
    ReportState.CORRECTED: phrase("corrected"),
    ReportState.REJECTED: phrase("rejected"),
    ReportState.SUPERSEDED: phrase("superseded"),
    ReportState.WITHDRAWN: phrase("withdrawn"),
}
DELIVERY_STATES: Mapping[DeliveryState, str] = {
    DeliveryState.PENDING: phrase("waiting"),
    DeliveryState.SENT: phrase("sent"),
    DeliveryState.COMMITTED: phrase("committed"),
    DeliveryState.FAILED: phrase("trying again"),
    DeliveryState.DEAD: phrase("failed"),
    DeliveryState.CANCELLED: phrase("not sent"),
}
EMERGENCY_STATES: Mapping[EmergencyState, str] = {
    EmergencyState.RUNNING: phrase("running"),
    EmergencyState.ENDED: phrase("ended"),
    EmergencyState.EXPIRED: phrase("expired"),
    EmergencyState.REVOKED: phrase("revoked"),
}
PRIOR_STATES: Mapping[PriorState, str] = {
    PriorState.WANTED: phrase("on its way from the archive"),
    PriorState.ATTACHED: phrase("here"),
    PriorState.FAILED: phrase("could not be fetched"),
}
CATEGORIES: Mapping[Category, str] = {
    Category.MINUTES: phrase("1: within minutes"),
    Category.HOURS: phrase("2: within hours"),
    Category.DAYS: phrase("3: within days"),
}


def term(value: str) -> str:
    """Return a word of the domain in the reader's language; one that has no other word stays as it is."""
    return say(TERMS.get(value, value))


def section_title(name: str) -> str:
    """Return the name of a section as a heading."""
    said = term(name)
    return said[:1].upper() + said[1:]


def study_state(state: StudyState) -> str:
    """Return the state of a study as the worklist shows it."""
    return say(STUDY_STATES[state])


def report_state(state: ReportState) -> str:
    """Return the state of a report as the worklist shows it."""
    return say(REPORT_STATES[state])


def delivery_state(state: str) -> str:
    """Return the state of a delivery, by its name in the table."""
    return say(DELIVERY_STATES[DeliveryState(state)]) if state in set(DeliveryState) else state
