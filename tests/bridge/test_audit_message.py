"""DICOM audit messages: valid by the schema, one patient, never too long, any text.

Covered: structure, sizes, characters, refusals. Not covered: which event becomes which message
(`tests/workers/test_audit_forms.py`), sending (`test_syslog.py`).
"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pacs_bridge.audit_message import (
    LARGEST_MESSAGE,
    PATIENT_NUMBER,
    URI,
    AuditCode,
    AuditMessage,
    EventAction,
    EventOutcome,
    Participant,
    ParticipantObject,
    render_audit_message,
)

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("audit_message.rng")))
MESSAGE = AuditMessage(
    event=AuditCode("110112", "DCM", "Query"),
    action=EventAction.EXECUTE,
    at=datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC),
    outcome=EventOutcome.SUCCESS,
    source_id="JANUSMED",
    participants=(Participant("reader", is_requestor=True, access_point="10.0.0.1"),),
)


def parse(message: AuditMessage) -> etree._Element:
    root = etree.fromstring(render_audit_message(message))
    SCHEMA.assertValid(root)
    return root


def test_message_is_valid_and_says_when_in_utc():
    root = parse(MESSAGE)
    assert root.find("EventIdentification").get("EventDateTime") == "2026-11-22T12:00:00.123Z"
    assert root.find("ActiveParticipant").get("UserIsRequestor") == "true"


def test_schema_refuses_what_is_not_a_message():
    root = etree.fromstring(render_audit_message(MESSAGE))
    root.find("EventIdentification").attrib.pop("EventOutcomeIndicator")
    assert not SCHEMA.validate(root)


@given(st.text(min_size=1))
def test_any_text_makes_a_valid_message_and_details_survive(text: str):
    text = text.encode("utf-8", "replace").decode()
    thing = ParticipantObject("1", URI, type_code=2, role=13, name=text, details=(("entry", text),))
    people = (Participant(text, is_requestor=True, user_name=text, access_point=text),)
    root = etree.fromstring(
        render_audit_message(replace(MESSAGE, participants=people, objects=(thing,))),
        etree.XMLParser(huge_tree=True),
    )
    detail = root.find("ParticipantObjectIdentification/ParticipantObjectDetail")
    assert base64.b64decode(detail.get("value")).decode() == text


@pytest.mark.covers("T33")
def test_long_details_are_left_out_until_the_message_fits():
    details = (("small", "kept"), ("large", "x" * 40_000), ("larger", "y" * 50_000))
    thing = ParticipantObject("1", URI, type_code=2, role=13, details=details)
    rendered = render_audit_message(replace(MESSAGE, objects=(thing,)))
    assert len(rendered) <= LARGEST_MESSAGE
    values = [
        base64.b64decode(detail.get("value")).decode()
        for detail in etree.fromstring(rendered).iter("ParticipantObjectDetail")
    ]
    assert values == ["kept", "left out: 40000 characters", "left out: 50000 characters"]


def test_message_that_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="cannot be cut"):
        render_audit_message(replace(MESSAGE, source_id="x" * 40_000))


@pytest.mark.covers("T33")
def test_two_patients_no_participant_or_no_zone_are_refused():
    patient = ParticipantObject("1", PATIENT_NUMBER, type_code=1, role=1)
    with pytest.raises(ValueError, match="one patient"):
        render_audit_message(replace(MESSAGE, objects=(patient, patient)))
    with pytest.raises(ValueError, match="participant"):
        render_audit_message(replace(MESSAGE, participants=()))
    with pytest.raises(ValueError, match="zone"):
        render_audit_message(replace(MESSAGE, at=datetime(2026, 1, 1)))
