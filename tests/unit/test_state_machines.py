"""Every pair of state and command of every state machine: the arrows that exist, all others refused."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.commitment import COMMITMENT_TRANSITIONS, CommitmentCommand, CommitmentState
from app.domain.critical import CRITICAL_TRANSITIONS, CriticalCommand, CriticalState
from app.domain.delivery import DELIVERY_TRANSITIONS, DeliveryCommand, DeliveryState
from app.domain.emergency import EMERGENCY_TRANSITIONS, EmergencyCommand, EmergencyState
from app.domain.errors import InvalidTransition
from app.domain.machine import advance
from app.domain.order import ORDER_TRANSITIONS, OrderCommand, OrderState
from app.domain.report import EDITABLE, FINAL, REPORT_TRANSITIONS, ReportCommand, ReportState
from app.domain.study import STUDY_TRANSITIONS, StudyCommand, StudyState

Table = Mapping[tuple[Any, Any], Any]
MACHINES: dict[str, tuple[Table, type[StrEnum], type[StrEnum]]] = {
    "study": (STUDY_TRANSITIONS, StudyState, StudyCommand),
    "report": (REPORT_TRANSITIONS, ReportState, ReportCommand),
    "delivery": (DELIVERY_TRANSITIONS, DeliveryState, DeliveryCommand),
    "commitment": (COMMITMENT_TRANSITIONS, CommitmentState, CommitmentCommand),
    "order": (ORDER_TRANSITIONS, OrderState, OrderCommand),
    "critical": (CRITICAL_TRANSITIONS, CriticalState, CriticalCommand),
    "emergency": (EMERGENCY_TRANSITIONS, EmergencyState, EmergencyCommand),
}

# Written out once more, by hand: state, then "command -> state" of each arrow.
# What is not here is refused.
ARROWS = {
    "emergency": """
        RUNNING: end -> ENDED, expire -> EXPIRED, revoke -> REVOKED
        ENDED:
        EXPIRED:
        REVOKED:
    """,
    "critical": """
        OPEN: escalate -> ESCALATED, close -> CLOSED, cancel -> CANCELLED
        ESCALATED: escalate -> ESCALATED, close -> CLOSED, cancel -> CANCELLED
        CLOSED:
        CANCELLED:
    """,
    "study": """
        RECEIVING: receive image -> RECEIVING, complete -> COMPLETE
        RECEIVING: exclude -> EXCLUDED, quarantine -> QUARANTINED
        COMPLETE: draft -> DRAFTED, decline draft -> UNDRAFTED, receive image -> RECEIVING
        COMPLETE: exclude -> EXCLUDED, quarantine -> QUARANTINED
        DRAFTED: receive image -> RECEIVING
        UNDRAFTED: draft -> DRAFTED, decline draft -> UNDRAFTED, receive image -> RECEIVING
        EXCLUDED: receive image -> EXCLUDED, include -> COMPLETE
        QUARANTINED: receive image -> QUARANTINED
    """,
    "report": """
        DRAFTED: open -> IN_REVIEW, reject -> REJECTED, supersede -> SUPERSEDED
        IN_REVIEW: open -> IN_REVIEW, sign preliminary -> PRELIMINARY, sign final -> SIGNED
        IN_REVIEW: reject -> REJECTED, supersede -> SUPERSEDED
        PRELIMINARY: open -> PRELIMINARY, sign preliminary -> PRELIMINARY, sign final -> SIGNED
        PRELIMINARY: supersede -> SUPERSEDED
        SIGNED: add addendum -> ADDENDED, correct -> CORRECTED, withdraw -> WITHDRAWN
        ADDENDED: add addendum -> ADDENDED, correct -> CORRECTED, withdraw -> WITHDRAWN
        CORRECTED: add addendum -> ADDENDED, correct -> CORRECTED, withdraw -> WITHDRAWN
        WITHDRAWN:
        REJECTED:
        SUPERSEDED:
    """,
    "delivery": """
        PENDING: acknowledge -> SENT, fail -> FAILED, give up -> DEAD, cancel -> CANCELLED
        FAILED: acknowledge -> SENT, fail -> FAILED, give up -> DEAD, retry -> PENDING, cancel -> CANCELLED
        SENT: commit -> COMMITTED, lose -> FAILED
        DEAD: retry -> PENDING, cancel -> CANCELLED
        CANCELLED: acknowledge -> SENT
        COMMITTED:
    """,
    "commitment": """
        PENDING: accept -> ASKED, confirm -> COMMITTED, deny -> LOST, abandon -> ABANDONED
        ASKED: confirm -> COMMITTED, deny -> LOST, time out -> UNANSWERED
        UNANSWERED: confirm -> COMMITTED, deny -> LOST, abandon -> ABANDONED
        LOST: abandon -> ABANDONED
        ABANDONED: confirm -> COMMITTED, deny -> LOST
        COMMITTED:
    """,
    "order": """
        REQUESTED: place -> REQUESTED, change -> REQUESTED, start -> IN_PROGRESS
        REQUESTED: complete -> COMPLETED, cancel -> CANCELLED
        IN_PROGRESS: place -> IN_PROGRESS, change -> IN_PROGRESS, start -> IN_PROGRESS
        IN_PROGRESS: complete -> COMPLETED, cancel -> CANCELLED
        COMPLETED: place -> COMPLETED, change -> COMPLETED, start -> COMPLETED
        COMPLETED: complete -> COMPLETED, cancel -> CANCELLED
        CANCELLED: place -> REQUESTED, change -> CANCELLED, start -> CANCELLED
        CANCELLED: complete -> CANCELLED, cancel -> CANCELLED
    """,
}


def arrows(name: str) -> dict[tuple[str, str], str]:
    table: dict[tuple[str, str], str] = {}
    for line in ARROWS[name].strip().splitlines():
        state, _, rest = line.strip().partition(":")
        for arrow in filter(None, map(str.strip, rest.split(","))):
            command, _, target = arrow.partition(" -> ")
            table[state, command] = target
    return table


def pairs() -> list[Any]:
    return [
        pytest.param(name, state, command, id=f"{name}-{state.value}-{command.value}")
        for name, (_, states, commands) in MACHINES.items()
        for state, command in itertools.product(states, commands)
    ]


@pytest.mark.covers("S1")
@pytest.mark.parametrize(("name", "state", "command"), pairs())
def test_every_pair_leads_where_it_should_or_is_refused(name: str, state: StrEnum, command: StrEnum) -> None:
    table, states, _ = MACHINES[name]
    expected = arrows(name).get((state.value, command.value))
    if expected is None:
        with pytest.raises(InvalidTransition, match=f"{state.value} does not allow {command.value}"):
            advance(table, state, command)
    else:
        assert advance(table, state, command) is states(expected)


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_is_written_out_and_can_be_reached(name: str) -> None:
    table, states, commands = MACHINES[name]
    written = {line.strip().partition(":")[0] for line in ARROWS[name].strip().splitlines()}
    assert written == {state.value for state in states}
    reached = {next(iter(states)), *table.values()}
    assert reached == set(states)
    assert {command for _, command in table} == set(commands), "no command is without any arrow"


@pytest.mark.covers("S1", "S4", "T39")
@given(st.lists(st.sampled_from(list(ReportCommand)), max_size=40))
def test_no_way_leads_from_a_signed_report_back(commands: list[ReportCommand]) -> None:
    """Whatever is tried in whatever order: signed stays signed, and what is final cannot be edited."""
    state, signed = ReportState.DRAFTED, False
    for command in commands:
        try:
            state = advance(REPORT_TRANSITIONS, state, command)
        except InvalidTransition:
            continue
        signed = signed or command is ReportCommand.SIGN_FINAL
        assert (state in FINAL) is signed
        assert not (state in FINAL and state in EDITABLE)


@pytest.mark.covers("S1", "S6")
@given(st.lists(st.sampled_from(list(DeliveryCommand)), max_size=40))
def test_delivery_is_sent_only_by_an_acknowledgement(commands: list[DeliveryCommand]) -> None:
    state, acknowledged = DeliveryState.PENDING, False
    for command in commands:
        try:
            state = advance(DELIVERY_TRANSITIONS, state, command)
        except InvalidTransition:
            continue
        # a receiver that says it has lost the object takes its acknowledgement back
        acknowledged = command is DeliveryCommand.ACKNOWLEDGE or (
            acknowledged and command is not DeliveryCommand.LOSE
        )
        assert (state in {DeliveryState.SENT, DeliveryState.COMMITTED}) is acknowledged


@pytest.mark.covers("L12")
@given(st.lists(st.sampled_from(list(StudyCommand)), max_size=40))
def test_study_is_drafted_only_after_it_was_complete(commands: list[StudyCommand]) -> None:
    """A late image asks for a new completion, or for a person's word, before anything is drafted again."""
    state, complete = StudyState.RECEIVING, False
    for command in commands:
        try:
            state = advance(STUDY_TRANSITIONS, state, command)
        except InvalidTransition:
            continue
        if command in {StudyCommand.COMPLETE, StudyCommand.INCLUDE}:
            complete = True
        elif command is StudyCommand.RECEIVE_IMAGE:
            complete = False
        assert complete or state not in {StudyState.COMPLETE, StudyState.DRAFTED, StudyState.UNDRAFTED}
