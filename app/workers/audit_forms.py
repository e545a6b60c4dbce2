"""The entries of our audit log as DICOM audit messages (PS3.15 A.5): the whole catalogue, in one table."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.access import Role
from app.domain.audit import AuditEntry, AuditEvent, Outcome
from pacs_bridge.audit_message import (
    APPLICATION,
    PATIENT_NUMBER,
    STUDY_UID,
    URI,
    AccessPoint,
    AuditCode,
    AuditMessage,
    EventAction,
    EventOutcome,
    Participant,
    ParticipantObject,
)

OURS = "99JANUSMED"
_C, _R, _U, _D, _E = (
    EventAction.CREATE,
    EventAction.READ,
    EventAction.UPDATE,
    EventAction.DELETE,
    EventAction.EXECUTE,
)


@dataclass(frozen=True)
class EventForm:
    """How an event is told: EventID, EventActionCode, and the standard's EventTypeCode if it has one."""

    event: AuditCode
    action: EventAction
    event_type: AuditCode | None = None


def _code(value: str, meaning: str) -> AuditCode:
    """Return a code of PS3.16 CID 400 to 403."""
    return AuditCode(value, "DCM", meaning)


_ACTIVITY = _code("110100", "Application Activity")
_AUDIT_LOG_USED = _code("110101", "Audit Log Used")
_EXPORT = _code("110106", "Export")
_ACCESSED = _code("110103", "DICOM Instances Accessed")
_TRANSFERRED = _code("110104", "DICOM Instances Transferred")
_ORDER = _code("110109", "Order Record")
_PATIENT = _code("110110", "Patient Record")
_DELETED = _code("110105", "DICOM Study Deleted")
_PROCEDURE = _code("110111", "Procedure Record")
_QUERY = _code("110112", "Query")
_ALERT = _code("110113", "Security Alert")
_AUTHENTICATION = _code("110114", "User Authentication")
_LOGIN, _LOGOUT = _code("110122", "Login"), _code("110123", "Logout")
_USER_CHANGED = _code("110137", "User Security Attributes Changed")
_ROLES_CHANGED = _code("110136", "Security Roles Changed")
_OBJECT_CHANGED = _code("110135", "Object Security Attributes Changed")
_SOFTWARE = _code("110131", "Software Configuration")

EVENT_FORMS: Mapping[AuditEvent, EventForm] = {
    AuditEvent.LOGIN: EventForm(_AUTHENTICATION, _E, _LOGIN),
    AuditEvent.LOGIN_FAILED: EventForm(_AUTHENTICATION, _E, _LOGIN),
    AuditEvent.LOGOUT: EventForm(_AUTHENTICATION, _E, _LOGOUT),
    AuditEvent.LIST_STUDIES: EventForm(_QUERY, _E),
    AuditEvent.STUDY_OPENED: EventForm(_ACCESSED, _R),
    AuditEvent.INSTANCES_RETRIEVED: EventForm(_ACCESSED, _R),
    AuditEvent.DRAFT_VIEWED: EventForm(_ACCESSED, _R),
    AuditEvent.SENTENCE_EDITED: EventForm(_PROCEDURE, _U),
    AuditEvent.SENTENCE_ACCEPTED: EventForm(_PROCEDURE, _U),
    AuditEvent.SENTENCE_REJECTED: EventForm(_PROCEDURE, _U),
    AuditEvent.SENTENCE_REOPENED: EventForm(_PROCEDURE, _U),
    AuditEvent.SENTENCE_MOVED: EventForm(_PROCEDURE, _U),
    AuditEvent.TEMPLATE_USED: EventForm(_PROCEDURE, _U),
    AuditEvent.REPORT_LOCKED: EventForm(_PROCEDURE, _U),
    AuditEvent.REPORT_TAKEN_OVER: EventForm(_PROCEDURE, _U),
    AuditEvent.REPORT_SIGNED: EventForm(_PROCEDURE, _U),
    AuditEvent.REPORT_ADDENDED: EventForm(_PROCEDURE, _U),
    AuditEvent.REPORT_CORRECTED: EventForm(_PROCEDURE, _U),
    AuditEvent.REPORT_WITHDRAWN: EventForm(_PROCEDURE, _D),
    AuditEvent.REPORT_SUPERSEDED: EventForm(_PROCEDURE, _U),
    AuditEvent.REPORT_EXPORTED: EventForm(_EXPORT, _R),
    AuditEvent.CRITICAL_OPENED: EventForm(_PROCEDURE, _U),
    AuditEvent.CRITICAL_ESCALATED: EventForm(_ALERT, _E),
    AuditEvent.CRITICAL_CLOSED: EventForm(_PROCEDURE, _U),
    AuditEvent.CRITICAL_CANCELLED: EventForm(_PROCEDURE, _U),
    AuditEvent.SECOND_REVIEWS_DRAWN: EventForm(_ACTIVITY, _E),
    AuditEvent.SECOND_REVIEW_SCORED: EventForm(_PROCEDURE, _U),
    AuditEvent.SECOND_REVIEW_CORRECTED: EventForm(_PROCEDURE, _U),
    AuditEvent.QUALITY_EXPORTED: EventForm(_ACTIVITY, _R),
    AuditEvent.STUDY_RECEIVED: EventForm(_TRANSFERRED, _C),
    AuditEvent.STUDY_COMPLETED: EventForm(_PROCEDURE, _U),
    AuditEvent.STUDY_EXCLUDED: EventForm(_PROCEDURE, _U),
    AuditEvent.STUDY_INCLUDED: EventForm(_PROCEDURE, _U),
    AuditEvent.STUDY_DRAFTED: EventForm(_PROCEDURE, _C),
    AuditEvent.STUDY_UNDRAFTED: EventForm(_PROCEDURE, _U),
    AuditEvent.PRIORS_FOUND: EventForm(_QUERY, _E),
    AuditEvent.PRIOR_ATTACHED: EventForm(_TRANSFERRED, _C),
    AuditEvent.PRIORS_FAILED: EventForm(_TRANSFERRED, _C),
    AuditEvent.PRIOR_VIEWED: EventForm(_ACCESSED, _R),
    AuditEvent.QUESTION_ASKED: EventForm(_PROCEDURE, _C),
    AuditEvent.QUESTION_ANSWERED: EventForm(_PROCEDURE, _U),
    AuditEvent.SIMILAR_SEARCHED: EventForm(_QUERY, _E),
    AuditEvent.SIMILAR_OPENED: EventForm(_QUERY, _E),
    AuditEvent.ORDER_RECEIVED: EventForm(_ORDER, _C),
    AuditEvent.ORDER_ATTACHED: EventForm(_ORDER, _U),
    AuditEvent.ORDER_MISMATCH: EventForm(_ALERT, _E),
    AuditEvent.PATIENT_CORRECTED: EventForm(_PATIENT, _U),
    AuditEvent.PATIENT_MERGED: EventForm(_PATIENT, _U),
    AuditEvent.MESSAGE_REFUSED: EventForm(_ALERT, _E),
    AuditEvent.INSTANCE_QUARANTINED: EventForm(_ALERT, _E),
    AuditEvent.ASSOCIATION_REJECTED: EventForm(_ALERT, _E, _code("110126", "Node Authentication")),
    AuditEvent.DELIVERY_SENT: EventForm(_TRANSFERRED, _R),
    AuditEvent.DELIVERY_CANCELLED: EventForm(_TRANSFERRED, _R),
    AuditEvent.DELIVERY_FAILED: EventForm(_TRANSFERRED, _R),
    AuditEvent.COMMITMENT_ASKED: EventForm(_TRANSFERRED, _R),
    AuditEvent.DELIVERY_COMMITTED: EventForm(_TRANSFERRED, _R),
    AuditEvent.COMMITMENT_FAILED: EventForm(_TRANSFERRED, _R),
    AuditEvent.WORK_DEAD: EventForm(_ACTIVITY, _E),
    AuditEvent.WORK_RETRIED: EventForm(_ACTIVITY, _E),
    AuditEvent.AUDIT_VIEWED: EventForm(_AUDIT_LOG_USED, _R),
    AuditEvent.AUDIT_EXPORTED: EventForm(_AUDIT_LOG_USED, _R),
    AuditEvent.AUDIT_VERIFIED: EventForm(_AUDIT_LOG_USED, _R),
    AuditEvent.SIGNATURES_VERIFIED: EventForm(_ACTIVITY, _E),
    AuditEvent.KEY_ROTATED: EventForm(_ALERT, _E, _code("110130", "Security Configuration")),
    AuditEvent.AUDIT_CHECKPOINT: EventForm(_ACTIVITY, _E),
    AuditEvent.AUDIT_STAMPED: EventForm(_ACTIVITY, _E),
    AuditEvent.USER_ADDED: EventForm(_ALERT, _E, _USER_CHANGED),
    AuditEvent.USER_CHANGED: EventForm(_ALERT, _E, _USER_CHANGED),
    AuditEvent.SECOND_FACTOR_SET: EventForm(_ALERT, _E, _USER_CHANGED),
    AuditEvent.SECOND_FACTOR_REMOVED: EventForm(_ALERT, _E, _USER_CHANGED),
    AuditEvent.IDENTITY_CONFIRMED: EventForm(_AUTHENTICATION, _E),
    AuditEvent.GROUP_ADDED: EventForm(_ALERT, _E, _ROLES_CHANGED),
    AuditEvent.GROUP_CHANGED: EventForm(_ALERT, _E, _USER_CHANGED),
    AuditEvent.GROUP_REMOVED: EventForm(_ALERT, _E, _ROLES_CHANGED),
    AuditEvent.STUDY_RESTRICTED: EventForm(_ALERT, _E, _OBJECT_CHANGED),
    AuditEvent.STUDY_UNRESTRICTED: EventForm(_ALERT, _E, _OBJECT_CHANGED),
    AuditEvent.EMERGENCY_STARTED: EventForm(_ALERT, _E, _code("110127", "Emergency Override Started")),
    AuditEvent.EMERGENCY_STOPPED: EventForm(_ALERT, _E, _code("110138", "Emergency Override Stopped")),
    AuditEvent.MODEL_LOADED: EventForm(_ALERT, _E, _SOFTWARE),
    AuditEvent.MODEL_STOPPED: EventForm(_ALERT, _E, _SOFTWARE),
    AuditEvent.MODEL_RESUMED: EventForm(_ALERT, _E, _SOFTWARE),
    AuditEvent.RULES_CHANGED: EventForm(_ALERT, _E, _SOFTWARE),
    AuditEvent.TEMPLATE_CHANGED: EventForm(_ALERT, _E, _SOFTWARE),
    AuditEvent.MACRO_CHANGED: EventForm(_ALERT, _E, _SOFTWARE),
    AuditEvent.WORDS_CHANGED: EventForm(_ALERT, _E, _SOFTWARE),
    AuditEvent.RULES_TESTED: EventForm(_ACTIVITY, _E),
    AuditEvent.QUARANTINE_RELEASED: EventForm(_TRANSFERRED, _C),
    AuditEvent.QUARANTINE_DISCARDED: EventForm(_DELETED, _D),
    AuditEvent.QUARANTINE_INSPECTED: EventForm(_ACCESSED, _R),
    AuditEvent.QUARANTINE_REMOVED: EventForm(_DELETED, _D),
    AuditEvent.STUDY_PURGED: EventForm(_DELETED, _D),
    AuditEvent.STUDY_RESTORED: EventForm(_TRANSFERRED, _C),
    AuditEvent.STUDY_HELD: EventForm(_PROCEDURE, _U),
    AuditEvent.STUDY_HOLD_ENDED: EventForm(_PROCEDURE, _U),
    AuditEvent.BACKUP_MADE: EventForm(_code("110106", "Export"), _R),
    AuditEvent.BACKUP_RESTORED: EventForm(_code("110107", "Import"), _C),
    AuditEvent.PATIENT_HELD: EventForm(_PATIENT, _U),
    AuditEvent.PATIENT_HOLD_ENDED: EventForm(_PATIENT, _U),
    AuditEvent.PATIENT_EXPORTED: EventForm(_code("110106", "Export"), _R),
    AuditEvent.PATIENT_ERASED: EventForm(_PATIENT, _D),
    AuditEvent.ALERT_ACKNOWLEDGED: EventForm(_ACTIVITY, _E),
    AuditEvent.ACCESS_DENIED: EventForm(_ALERT, _E, _code("110132", "Use of Restricted Function")),
    AuditEvent.SERVICE_STARTED: EventForm(_ACTIVITY, _E, _code("110120", "Application Start")),
    AuditEvent.SERVICE_STOPPED: EventForm(_ACTIVITY, _E, _code("110121", "Application Stop")),
}


@dataclass(frozen=True)
class AuditSource:
    """Which system tells it: AuditSourceID and AuditEnterpriseSiteID."""

    source_id: str
    site: str = ""


def as_message(entry: AuditEntry, source: AuditSource) -> AuditMessage:
    """Return an entry as a message; the entry itself travels in it, so that its digest can be checked.

    The patient stands in it as in the log: by the keyed reference.
    """
    form = EVENT_FORMS[AuditEvent(entry.event)]
    ours = AuditCode(entry.event.replace(" ", "-"), OURS, entry.event)
    return AuditMessage(
        event=form.event,
        action=form.action,
        at=entry.at,
        outcome=EventOutcome.SUCCESS if entry.outcome == Outcome.SUCCESS else EventOutcome.MINOR_FAILURE,
        source_id=source.source_id,
        site=source.site,
        event_types=(form.event_type, ours) if form.event_type else (ours,),
        participants=(_requestor(entry), Participant("janus-med", is_requestor=False, roles=(APPLICATION,))),
        objects=tuple(_objects(entry)),
    )


def _requestor(entry: AuditEntry) -> Participant:
    roles = (APPLICATION,) if entry.role == Role.SERVICE else (AuditCode(entry.role, OURS, entry.role),)
    return Participant(
        user_id=entry.username,
        is_requestor=True,
        roles=roles,
        access_point=entry.source,
        access_point_type=_kind_of(entry.source),
    )


def _kind_of(source: str) -> AccessPoint:
    try:
        ipaddress.ip_address(source)
    except ValueError:
        return AccessPoint.MACHINE_NAME
    return AccessPoint.IP_ADDRESS


def _objects(entry: AuditEntry) -> list[ParticipantObject]:
    """Patient, study, the log's entry (type 1 person, 2 system object; role 13 security resource)."""
    objects = []
    if entry.patient_ref:
        objects.append(ParticipantObject(entry.patient_ref, PATIENT_NUMBER, type_code=1, role=1))
    if entry.study_uid:
        objects.append(ParticipantObject(entry.study_uid, STUDY_UID, type_code=2, role=3))
    body = json.dumps(entry.body(), ensure_ascii=False, separators=(",", ":"))
    objects.append(
        ParticipantObject(
            f"urn:janus-med:audit:{entry.seq}",
            URI,
            type_code=2,
            role=13,
            name="Security Audit Log",
            details=(("entry", body), ("digest", entry.digest)),
        )
    )
    return objects
