"""Who may do what: the whole matrix of roles and actions, written out."""

from __future__ import annotations

import itertools

import pytest

from app.domain.access import PERMISSIONS, Action, Actor, Role, may, require, service_actor
from app.domain.errors import NotAuthorised

# one row per action; columns: viewer, resident, attending, admin, auditor, service
MATRIX = """
list studies      x x x x . .
open study        x x x . . .
edit report       . x x . . .
sign preliminary  . x x . . .
sign final        . . x . . .
take over         . x x . . .
add addendum      . . x . . .
correct report    . . x . . .
withdraw report   . . x . . .
handle critical result . x x . . .
view quality      . . x x . .
second review     . . x . . .
view audit        . . . . x x
export audit      . . . . x x
manage users      . . . x . x
view operations   . . . x . x
retry work        . . . x . x
manage rules      . . . x . .
store instances   . x x x . .
manage quarantine . . . x . .
hold study        . . . x . x
hold patient      . . . x . x
export patient    . . . x . x
erase patient     . . . x . x
own account       x x x x x .
start emergency access x x x . . .
manage study access . . . x . x
view AI models    x x x x x .
stop AI model     . . x x . .
resume AI model   . . . x . .
ask the AI        . x x . . .
manage templates  . . . x . .
manage words      . . . x . .
find similar studies . x x . . .
"""


def allowed() -> dict[tuple[Role, Action], bool]:
    roles = (Role.VIEWER, Role.RESIDENT, Role.ATTENDING, Role.ADMIN, Role.AUDITOR, Role.SERVICE)
    table = {}
    for line in MATRIX.strip().splitlines():
        *name, viewer, resident, attending, admin, auditor, service = line.split()
        marks = (viewer, resident, attending, admin, auditor, service)
        action = Action(" ".join(name))
        table |= {(role, action): mark == "x" for role, mark in zip(roles, marks, strict=True)}
    return table


@pytest.mark.covers("C2")
def test_matrix_names_every_role_and_every_action() -> None:
    assert set(allowed()) == set(itertools.product(Role, Action))
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.covers("C2", "S2")
@pytest.mark.parametrize(("role", "action"), itertools.product(Role, Action))
def test_every_role_may_do_what_the_matrix_says_and_nothing_else(role: Role, action: Action) -> None:
    actor = Actor(username="somebody", printed_name="Somebody", role=role, source="test")
    expected = allowed()[role, action]
    assert may(role, action) is expected
    if expected:
        require(actor, action)
    else:
        with pytest.raises(NotAuthorised, match=f"{role.value} may not {action.value}"):
            require(actor, action)


@pytest.mark.covers("S2")
def test_no_process_can_sign_or_edit_or_see_images() -> None:
    for action in (Action.SIGN_FINAL, Action.SIGN_PRELIMINARY, Action.EDIT_REPORT, Action.OPEN_STUDY):
        assert not may(service_actor("worker").role, action)


def test_process_cannot_be_taken_for_a_person() -> None:
    actor = service_actor("worker")
    assert "/" in actor.username, "no account can have a slash in its name"
    assert (actor.user_id, actor.session_id) == (None, None)
