"""Who may open a restricted study: a generated matrix over the services, then what must not leak around it.

Covered: role by use case by access, worklist and masked rows, priors, critical results, restrictions by hand
and by rule, groups. Not covered: the emergency access itself (`test_emergency.py`), DICOMweb
(`tests/dicomweb/test_restricted.py`), the screen (`tests/ui`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.access import Action, Role, may, service_actor
from app.domain.critical import Category
from app.domain.errors import (
    Conflict,
    JanusMedError,
    NotAuthorised,
    NotFound,
    Rejected,
    RulesBroken,
    StudyRestricted,
)
from app.domain.prior import FoundStudy
from app.domain.report import ReportState
from app.domain.routing import routing_of
from app.domain.rules import HeaderValues, StudyFacts, decide
from app.domain.rules_toml import read_rules
from app.domain.study import Instance, Study, StudyState
from app.services import critical, study_groups
from app.services.emergency import start_emergency
from app.services.priors import record_attached, record_found
from app.services.reading import WorklistQuery, may_see_pixels, open_study, refresh, worklist
from app.services.routing import rule_on
from app.services.rules_in_force import put_into_force
from tests.unit.services.conftest import NOW, QUIET, House, image, uid
from tests.unit.services.test_roles import ROLES, USE_CASES
from tests.unit.services.test_routing import by, complete

AT = NOW + QUIET
READERS = ("viewer", "resident", "attending")
GROUP = "staff health"
LISTS = {
    "worklist",
    "refresh_worklist",
    "list_open_loops",
    "waiting_reviews",
    "scored_by_me",
    "remarks_for_me",
}
# putting the pen down needs no access: it must always be possible; one's own account is no study
FREE = {
    "release_lock",
    "retry_delivery",
    "enrol",
    "end_other_sessions",
    "list_models",
    "stop_model",
    "resume_model",
    # sums without a study
    "agreement",
    "quality_board",
    "section_times",
    "watched_days",
    "own_quality",
    "export_quality",
    # texts of the department and of oneself
    "usable_templates",
    "macros_of",
    # words that belong to no study until a reader writes them into a report
    "take_dictation",
    "save_own_macro",
    "remove_own_macro",
    # of a review that nobody drew here: `test_second_review.py` draws one of a restricted study
    "open_second_review",
    "open_prior_of_review",
    "give_back",
    "score_second_review",
    "correct_second_review",
}
FILTERS_OF_BOTH: dict[str, Any] = {
    "text": "name",
    "patient": "name^s",
    "patient_id": "id-of-s",
    "accession": "acc-s",
    "description": "chest",
    "fewest_images": 1,
    "report_states": (ReportState.DRAFTED,),
}
STAFF_ONLY = b"""
[[rules]]
name = "staff"
when = 'ReferringPhysicianName == "Staff^Health"'
restrict_to = ["Staff  Health"]
"""


def guard(house: House, study: str = "s1", *members: str) -> None:
    """Restrict a study to a group with these members."""
    admin = house["admin"]
    if GROUP not in {group.name for group in study_groups.list_groups(house.store, admin, now=AT)}:
        study_groups.add_group(house.store, admin, GROUP, now=AT)
    for username in members:
        study_groups.change_member(house.store, admin, GROUP, username, is_member=True, now=AT)
    study_groups.restrict_study(house.store, admin, uid(study), [GROUP], "an employee", now=AT)


def _break_glass(house: House, *, began: timedelta) -> None:
    for username in READERS:
        start_emergency(house.store, house[username], uid("s1"), "shock room", now=AT - began)


SITUATIONS: dict[str, tuple[Callable[[House], object], bool]] = {
    "no restriction": (lambda house: None, True),
    "in group": (lambda house: guard(house, "s1", *READERS), True),
    "not in group": (guard, False),
    "emergency access": (
        lambda house: (guard(house), _break_glass(house, began=timedelta(minutes=59))),
        True,
    ),
    "emergency access expired": (
        lambda house: (guard(house), _break_glass(house, began=timedelta(minutes=60))),
        False,
    ),
}


@pytest.mark.covers("C2", "T37")
@pytest.mark.parametrize("situation", SITUATIONS)
def test_role_by_use_case_by_access(house: House, situation: str) -> None:
    """Everybody has had the study open before: what counts is access at the moment of the act."""
    open_study(house.store, house["colleague"], house.drafted(), now=AT)
    critical.open_loop(house.store, house["colleague"], uid("s1"), "Pneumothorax", Category.MINUTES, now=AT)
    for username in READERS:
        open_study(house.store, house[username], uid("s1"), now=AT)
    prepare, is_open = SITUATIONS[situation]
    prepare(house)
    for name, (action, act) in USE_CASES.items():
        for role in ROLES:
            actor = service_actor("draft") if role == "service" else house[role]
            denied, error, answer = len(house.log("access denied")), None, None
            try:
                answer = act(house, actor)
            except JanusMedError as refusal:
                error = refusal
            where = (name, role, situation, error)
            if not may(Role(role), action):
                assert isinstance(error, NotAuthorised), where
                assert str(error).startswith("the role"), where
            elif role not in READERS or name in FREE or is_open:
                assert not isinstance(error, NotAuthorised), where
            elif name in LISTS:
                assert "Name^S1" not in str(answer), where
                assert "Pneumothorax" not in str(answer), where
            else:
                assert isinstance(error, StudyRestricted), where
                entry = house.log("access denied")[-1]
                assert len(house.log("access denied")) == denied + 1, where
                assert (entry.username, entry.study_uid) == (role, uid("s1")), where


@pytest.mark.covers("C2")
def test_restricted_study_is_in_no_list_but_is_found_by_its_whole_number(house: House) -> None:
    house.drafted()
    house.drafted("s2")
    guard(house, "s1", "resident")

    def look(username: str, text: str = ""):
        return worklist(house.store, house[username], WorklistQuery(text=text), now=AT)

    assert [row.study.study_uid for row in look("viewer").rows] == [uid("s2")]
    assert look("viewer").total == 1
    for username in ("resident", "admin"):
        assert look(username).total == 2
    for part in ("acc-s", "Name^S1", "id-of-s", "chest of s1"):
        assert look("viewer", part).masked == ()
        assert uid("s1") not in {row.study.study_uid for row in look("viewer", part).rows}
    for number in ("acc-s1", "id-of-s1"):
        page = look("attending", number)
        assert (page.rows, page.total) == ((), 0)
        [masked] = page.masked
        assert (masked.study_uid, masked.modality) == (uid("s1"), "CR")
        assert "Name" not in str(page)
        assert "id-of" not in str(page)
        assert house.log("list studies")[-1].detail["masked"] == 1
        assert look("resident", number).masked == look("admin", number).masked == ()


@pytest.mark.covers("C2")
@pytest.mark.parametrize("field", FILTERS_OF_BOTH, ids=str)
def test_filters_do_not_count_restricted_studies(house: House, field: str) -> None:
    house.drafted()
    house.drafted("s2")
    guard(house, "s1", "resident")
    query = WorklistQuery(**{field: FILTERS_OF_BOTH[field]}, limit=1)
    seen = worklist(house.store, house["viewer"], query, now=AT)
    assert ([row.study.study_uid for row in seen.rows], seen.total) == ([uid("s2")], 1)
    everything = worklist(house.store, house["resident"], query, now=AT)
    assert (len(everything.rows), everything.total) == (1, 2)


def test_paging_past_the_end_counts_what_the_reader_may_open(house: House) -> None:
    house.drafted()
    house.drafted("s2")
    guard(house)
    page = worklist(house.store, house["viewer"], WorklistQuery(offset=5), now=AT)
    assert (page.rows, page.total) == ((), 1)


@pytest.mark.covers("C2")
def test_access_that_is_withdrawn_counts_from_the_next_act_on(house: House) -> None:
    house.drafted()
    guard(house, "s1", "viewer")
    open_study(house.store, house["viewer"], uid("s1"), now=AT)
    assert may_see_pixels(house.store, house["viewer"], uid("s1", "image", 1), now=AT).until is None
    study_groups.change_member(house.store, house["admin"], GROUP, "viewer", is_member=False, now=AT)
    for act in (
        lambda: refresh(house.store, house["viewer"], uid("s1"), now=AT),
        lambda: may_see_pixels(house.store, house["viewer"], uid("s1", "image", 1), now=AT),
    ):
        with pytest.raises(StudyRestricted):
            act()


@pytest.mark.covers("C2")
def test_restricted_prior_does_not_show_beside_an_open_study(house: House) -> None:
    house.drafted("now")
    house.signed("before")
    worker = service_actor("housekeeping")
    found = FoundStudy(uid("before"), "20250101", "", "secret description", ("CR",), 1)
    record_found(house.store, worker, uid("now"), [found], source="PACS", now=AT)
    with house.store.begin() as tx:
        [prior] = tx.priors.of_study(uid("now"))
    record_attached(house.store, worker, prior, report_text="", now=AT)
    reader = house["viewer"]
    [shown] = open_study(house.store, reader, uid("now"), now=AT).priors
    assert "Nodule" in shown.report_text
    guard(house, "before", "resident")
    for review in (
        open_study(house.store, reader, uid("now"), now=AT),
        refresh(house.store, reader, uid("now"), now=AT),
    ):
        assert review.priors == ()
        assert "secret description" not in str(review)
    with pytest.raises(StudyRestricted):
        may_see_pixels(house.store, reader, uid("before", "image", 1), now=AT)
    assert open_study(house.store, house["resident"], uid("now"), now=AT).priors == (shown,)


def test_open_loop_of_a_restricted_study_is_not_forgotten_and_names_nobody(house: House) -> None:
    house.drafted()
    critical.open_loop(house.store, house["resident"], uid("s1"), "Pneumothorax", Category.HOURS, now=AT)
    guard(house, "s1", "resident")
    [loop] = critical.list_open_loops(house.store, house["attending"], now=AT)
    assert (loop.study, loop.result.finding) == (None, critical.RESTRICTED)
    [loop] = critical.list_open_loops(house.store, house["resident"], now=AT)
    assert loop.study is not None
    assert loop.result.finding == "Pneumothorax"


@pytest.mark.covers("C2", "A1")
def test_rule_restricts_at_completion_and_makes_the_group_that_nobody_made(house: House) -> None:
    house.receive(image("staff"))
    route = by(STAFF_ONLY, ReferringPhysicianName="Staff^Health")
    complete(house, route)
    assert house.study("staff").routing is not None
    [entry] = house.log("study restricted", study="staff")
    assert entry.detail == {"groups": [GROUP], "by": "rule"}
    [group] = study_groups.list_groups(house.store, house["admin"], now=AT)
    assert (group.name, group.members, group.studies) == (GROUP, (), 1)
    with pytest.raises(StudyRestricted):
        open_study(house.store, house["attending"], uid("staff"), now=AT)
    house.receive(image("staff", 2), now=AT)
    complete(house, by(b"[default]\ndraft = true\n"), now=AT + QUIET)
    assert house.study("staff").revision == 2
    with pytest.raises(StudyRestricted):
        open_study(house.store, house["attending"], uid("staff"), now=AT)


@pytest.mark.covers("C2")
def test_person_who_lifts_a_restriction_is_not_overruled_by_a_rule(house: House) -> None:
    route = by(STAFF_ONLY, ReferringPhysicianName="Staff^Health")
    house.receive(image("staff"))
    complete(house, route)
    study_groups.restrict_study(house.store, house["admin"], uid("staff"), [], "no employee", now=AT)
    house.receive(image("staff", 2), now=AT)
    complete(house, route, now=AT + QUIET)
    assert open_study(house.store, house["viewer"], uid("staff"), now=AT).study.revision == 2
    assert [entry.detail["by"] for entry in house.log("study restriction lifted")] == ["hand"]


@pytest.mark.covers("C2")
def test_rule_that_cannot_be_evaluated_restricts_and_does_nothing_else(house: House) -> None:
    found = read_rules(STAFF_ONLY + b'priority = "stat"\n')

    def route(study: Study, instances: tuple[Instance, ...]):
        return rule_on(found, study, instances, lambda *_: HeaderValues(problem="unreadable")).routing

    house.receive(image("staff"))
    complete(house, route)
    study = house.study("staff")
    assert study.routing is not None
    assert (study.routing.failed, study.routing.priority) == (("staff",), None)
    assert study.routing.restrict_to == (GROUP,)


@pytest.mark.covers("C2")
def test_study_that_no_rule_was_asked_about_waits_only_where_rules_restrict(house: House) -> None:
    house.receive(image("arriving"))
    assert open_study(house.store, house["viewer"], uid("arriving"), now=AT).report is None
    with house.store.begin() as tx:
        put_into_force(tx, service_actor("listener"), STAFF_ONLY, origin="file", now=AT)
    with pytest.raises(StudyRestricted):
        open_study(house.store, house["viewer"], uid("arriving"), now=AT)
    assert worklist(house.store, house["viewer"], WorklistQuery(), now=AT).total == 0
    complete(house, by(STAFF_ONLY))
    assert open_study(house.store, house["viewer"], uid("arriving"), now=AT).study.routing is not None


@pytest.mark.covers("C2")
def test_fetched_prior_is_asked_about_once_and_hidden_until_then(house: House) -> None:
    house.drafted("now")
    found = FoundStudy(uid("before"), "20250101", "", "CHEST", ("CR",), 1)
    record_found(house.store, service_actor("housekeeping"), uid("now"), [found], source="PACS", now=AT)
    with house.store.begin() as tx:
        put_into_force(tx, service_actor("listener"), STAFF_ONLY, origin="file", now=AT)
    house.receive(image("before"))
    assert house.study("before").state is StudyState.EXCLUDED
    assert open_study(house.store, house["viewer"], uid("now"), now=AT).priors == ()
    complete(house, by(STAFF_ONLY, ReferringPhysicianName="Staff^Health"))
    complete(house, by(STAFF_ONLY, ReferringPhysicianName="Somebody"))
    assert len(house.log("study restricted", study="before")) == 1
    assert open_study(house.store, house["viewer"], uid("now"), now=AT).priors == ()
    assert house.jobs("draft_study") == [{"study_uid": uid("now"), "revision": 1}]


@pytest.mark.covers("C2", "A1")
def test_each_act_of_an_administrator_is_on_record(house: House) -> None:
    house.drafted()
    guard(house, "s1", "viewer")
    admin = house["admin"]
    with pytest.raises(Conflict, match="1 studies are restricted"):
        study_groups.remove_group(house.store, admin, GROUP, now=AT)
    uid_of = study_groups.name_study(house.store, admin, " acc-s1 ", now=AT)
    study_groups.restrict_study(house.store, admin, uid_of, [], "asked for", now=AT)
    assert study_groups.restriction_of(house.store, admin, uid_of, now=AT).groups == frozenset()
    assert study_groups.change_member(house.store, admin, GROUP, "viewer", is_member=False, now=AT)
    assert not study_groups.change_member(house.store, admin, GROUP, "viewer", is_member=False, now=AT)
    study_groups.remove_group(house.store, admin, GROUP, now=AT)
    assert [entry.event for entry in house.log() if "group" in entry.event or "restrict" in entry.event] == [
        "study group added",
        "study group changed",
        "study restricted",
        "study restriction lifted",
        "study group changed",
        "study group removed",
    ]
    assert "an employee" not in str(house.log()), "a reason is free text and stays out of the chain"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\x00b"], ids=["none", "blank", "long", "control"])
def test_a_restriction_needs_a_reason_and_groups_that_exist(house: House, reason: str) -> None:
    house.drafted()
    study_groups.add_group(house.store, house["admin"], GROUP, now=AT)
    with pytest.raises(Rejected):
        study_groups.restrict_study(house.store, house["admin"], uid("s1"), [GROUP], reason, now=AT)
    with pytest.raises(NotFound, match="no group nobody"):
        study_groups.restrict_study(house.store, house["admin"], uid("s1"), ["nobody"], "why", now=AT)
    assert open_study(house.store, house["viewer"], uid("s1"), now=AT)


@pytest.mark.parametrize("name", ["", "x" * 41, "a\x00", "\ud800"])
def test_group_has_a_name(house: House, name: str) -> None:
    with pytest.raises(Rejected):
        study_groups.add_group(house.store, house["admin"], name, now=AT)
    study_groups.add_group(house.store, house["admin"], " VIP  ward ", now=AT)
    with pytest.raises(Conflict, match="vip ward"):
        study_groups.add_group(house.store, house["admin"], "vip ward", now=AT)


@pytest.mark.covers("C2")
def test_only_those_who_manage_access_do(house: House) -> None:
    house.drafted()
    for username in (*READERS, "auditor"):
        actor = house[username]
        for act in (
            lambda a=actor: study_groups.list_groups(house.store, a, now=AT),
            lambda a=actor: study_groups.add_group(house.store, a, "x", now=AT),
            lambda a=actor: study_groups.remove_group(house.store, a, "x", now=AT),
            lambda a=actor: study_groups.change_member(house.store, a, "x", "viewer", is_member=True, now=AT),
            lambda a=actor: study_groups.restrict_study(house.store, a, uid("s1"), [], "x", now=AT),
            lambda a=actor: study_groups.restriction_of(house.store, a, uid("s1"), now=AT),
            lambda a=actor: study_groups.name_study(house.store, a, "acc-s1", now=AT),
        ):
            with pytest.raises(NotAuthorised, match=Action.MANAGE_ACCESS.value):
                act()


def test_machine_reads_what_its_groups_may(house: House) -> None:
    house.drafted()
    guard(house)
    machine = replace(service_actor("viewer"), role=Role.VIEWER)
    with pytest.raises(StudyRestricted):
        open_study(house.store, machine, uid("s1"), now=AT)
    assert open_study(house.store, replace(machine, groups=(GROUP,)), uid("s1"), now=AT)


@pytest.mark.parametrize("value", ['"vip"', "[1]", '[""]', f'["{"x" * 41}"]'])
def test_rule_that_names_no_group_is_refused(value: str) -> None:
    with pytest.raises(RulesBroken, match="restrict_to"):
        read_rules(f"[default]\nrestrict_to = {value}\n".encode())


def test_first_rule_that_says_something_decides_and_an_empty_list_keeps_the_study_open() -> None:
    content = b"""
    [default]
    restrict_to = ["night"]
    [[rules]]
    name = "chest"
    when = 'BodyPartExamined == "CHEST"'
    restrict_to = []
    [[rules]]
    name = "all"
    when = 'called_ae == "US"'
    restrict_to = ["VIP", "vip", "press"]
    """
    rules = read_rules(content)
    for part, ae, expected in (
        ("CHEST", "US", ()),
        ("LEG", "US", ("vip", "press")),
        ("LEG", "OTHER", ("night",)),
    ):
        header = HeaderValues({"BodyPartExamined": part})
        routing = decide(rules, StudyFacts(called_ae=ae), header).routing
        assert routing.restrict_to == expected
        assert routing_of(routing.to_json()) == routing
    assert rules.may_restrict
