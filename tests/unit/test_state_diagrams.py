"""The drawn state machines are the ones that the domain uses."""

from __future__ import annotations

from tests import state_diagrams


def test_drawn_state_machines_are_up_to_date() -> None:
    assert state_diagrams.main(["--check"]) == 0
