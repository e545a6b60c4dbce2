"""Routing rules around the database: asked in the transaction of completion, kept, honoured, on record.

Covered: exclusion, no draft, priority, late images, the file and its versions, the administrator's acts.
Not covered: what an expression may say (`tests/unit/rules`), the listener process (`tests/workers`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.access import Role
from app.domain.errors import InvalidTransition, NotAuthorised, Rejected, RulesBroken, StaleVersion
from app.domain.routing import Targets
from app.domain.rule_version import NO_RULES, digest_of
from app.domain.rules import HeaderValues
from app.domain.rules_toml import read_rules
from app.domain.study import Instance, Study, StudyState
from app.services import rules
from app.services.assembly import Route, complete_due_studies
from app.services.drafting import take_order
from app.services.reading import WorklistQuery, open_study, worklist
from app.services.routing import rule_on
from app.services.rules_in_force import RulesInForce
from tests.unit.services.conftest import NOW, QUIET, House, draft_of, image, uid

AT = NOW + QUIET
TARGETS = Targets({"PACS"}, {"report_sr"})
NO_LEGS = b"""
[[rules]]
name = "no legs"
when = 'BodyPartExamined == "LEG"'
exclude = "legs are read elsewhere"
"""


def by(content: bytes, **values: str) -> Route:
    """What routes studies by these rules; `values` are those of the first image's header."""
    found = read_rules(content)

    def route(study: Study, instances: tuple[Instance, ...]):
        return rule_on(found, study, instances, lambda _, keywords: HeaderValues(values)).routing

    return route


def complete(house: House, route: Route, *, now=AT) -> tuple[str, ...]:
    return complete_due_studies(house.store, open_studies=frozenset(), quiet=QUIET, now=now, route=route)


def listed(house: House, *states: StudyState) -> list[str]:
    page = worklist(house.store, house["attending"], WorklistQuery(states=states), now=AT)
    return [row.study.study_uid for row in page.rows]


def test_excluded_study_is_stored_and_never_drafted_and_not_in_the_worklist(house: House) -> None:
    house.receive(image("leg"), image("chest"))
    complete(house, by(NO_LEGS, BodyPartExamined="LEG"))
    study = house.study("leg")
    assert (study.state, study.reason) == (StudyState.EXCLUDED, "legs are read elsewhere")
    assert study.routing is not None
    assert study.routing.fired == ("no legs",)
    assert house.jobs("draft_study") == []
    assert take_order(house.store, uid("leg"), 1) is None
    assert listed(house) == []
    assert set(listed(house, StudyState.EXCLUDED)) == {uid("leg"), uid("chest")}
    [entry] = house.log("study excluded", study="leg")
    assert entry.detail["rules"] == ["no legs"]
    assert "LEG" not in str(entry.detail)


def test_late_image_leaves_an_excluded_study_excluded(house: House) -> None:
    house.receive(image("leg"))
    complete(house, by(NO_LEGS, BodyPartExamined="LEG"))
    house.receive(image("leg", 2), now=AT)
    study = house.study("leg")
    assert (study.state, study.revision, study.instance_count) == (StudyState.EXCLUDED, 1, 2)


def test_study_that_was_in_the_worklist_is_never_excluded_by_a_late_image(house: House) -> None:
    house.drafted("s1")
    house.receive(image("s1", 2), now=AT)
    complete(house, by(NO_LEGS, BodyPartExamined="LEG"), now=AT + QUIET)
    assert house.study().state is StudyState.COMPLETE
    assert house.study().revision == 2


@pytest.mark.covers("P5")
def test_study_without_draft_is_open_to_its_readers_at_once_with_the_reason(house: House) -> None:
    house.receive(image())
    text = b'[[rules]]\nname = "children"\nwhen = "age < 18"\ndraft = false\nreason = "not for children"'
    found = read_rules(text)
    complete(house, lambda study, own: rule_on(found, study, own, lambda *_: HeaderValues(age=3)).routing)
    study = house.study()
    assert (study.state, study.reason) == (StudyState.UNDRAFTED, "not for children")
    assert house.jobs("draft_study") == []
    assert take_order(house.store, uid("s1"), 1) is None
    assert not house.draft(content=draft_of())
    review = open_study(house.store, house["attending"], uid("s1"), now=AT)
    assert review.may_edit
    assert [entry.event for entry in house.log(study="s1")][:3] == [
        "study received", "study completed", "study undrafted"
    ]  # fmt: skip


@pytest.mark.covers("P4")
def test_priority_of_a_rule_reorders_queue_and_worklist_and_shows_its_reason(house: House) -> None:
    from tests.workers.test_work_queue import pick

    for name in ("a", "b", "c"):
        house.receive(image(name, calling_ae="ER" if name == "c" else "WARD"))
    text = b'[[rules]]\nname = "er"\nwhen = \'calling_ae == "ER"\'\npriority = "stat"\nreason = "from the ER"'
    complete(house, by(text))
    assert listed(house)[0] == uid("c")
    page = worklist(house.store, house["attending"], WorklistQuery(), now=AT)
    assert page.rows[0].study.priority_reason == "from the ER"
    picked = [job.arguments["study_uid"] for job in pick(house.store, 3)]
    assert picked[0] == uid("c")


@pytest.mark.covers("P4")
def test_rule_may_lower_a_sender_that_calls_everything_stat(house: House) -> None:
    house.receive(image(requested_priority="STAT"))
    complete(house, by(b'[default]\npriority = "routine"\nreason = "this sender marks all as STAT"'))
    assert (house.study().priority, house.study().priority_reason) == (0, "this sender marks all as STAT")


def test_rule_that_fails_is_on_record_and_the_study_goes_on(house: House) -> None:
    house.receive(image())
    complete(house, by(b'[[rules]]\nname = "bad"\nwhen = "1 / len(Modality) > 0"\nexclude = "x"'))
    assert house.study().state is StudyState.COMPLETE
    [entry] = house.log("study completed", study="s1")
    assert (entry.detail["rules"], entry.detail["rules_failed"]) == ([], ["bad"])


def test_rules_know_the_study_beside_its_first_image(house: House) -> None:
    house.receive(image(number=2), image(number=1), image(number=3, rows=None, columns=None, modality="PR"))
    seen: list[Instance] = []

    def read(instance: Instance, keywords: Collection[str]) -> HeaderValues:
        seen.append(instance)
        return HeaderValues()

    text = b'[default]\nmodel = "tiny"\n[[rules]]\nname = "a"\ndraft = false\n'
    text += b"when = 'instance_count == 3 and series_count == 1 and \"PR\" in modalities and hour == 8'"
    found = read_rules(text)
    complete(house, lambda study, own: rule_on(found, study, own, read).routing)
    routing = house.study().routing
    assert routing is not None
    assert (routing.fired, routing.model) == (("a",), "tiny")
    assert [instance.instance_number for instance in seen] == [1]


def test_decision_and_completion_come_together_or_not_at_all(house: House) -> None:
    house.receive(image())

    def broken(*_: object) -> None:
        raise RuntimeError("no decision")

    with pytest.raises(RuntimeError):
        complete(house, broken)
    assert (house.study().state, house.study().routing) == (StudyState.RECEIVING, None)
    assert house.log("study completed") == []


def test_change_by_hand_is_taken_up_once_and_recorded(house: House, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    first, second = RulesInForce(path, TARGETS), RulesInForce(path, TARGETS)
    assert first.refresh(house.store, now=NOW).is_empty
    assert house.log("rules changed") == []
    path.write_bytes(NO_LEGS)
    for process in (first, second, first):
        assert len(process.refresh(house.store, now=NOW).rules) == 1
    path.unlink()
    assert first.refresh(house.store, now=NOW).is_empty
    details = [(e.detail["old_sha256"], e.detail["new_sha256"]) for e in house.log("rules changed")]
    digest = digest_of(NO_LEGS)
    assert details == [(NO_RULES, digest), (digest, NO_RULES)]


def test_broken_file_leaves_the_last_good_rules_also_after_a_restart(house: House, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(NO_LEGS)
    process = RulesInForce(path, TARGETS)
    good = process.refresh(house.store, now=NOW)
    path.write_bytes(NO_LEGS + b"\nwhen = ")
    for running in (process, RulesInForce(path, TARGETS)):
        assert running.refresh(house.store, now=NOW) == good
        assert "not TOML" in running.problem
    path.write_bytes(NO_LEGS + b"\n")
    process.refresh(house.store, now=NOW)
    assert process.problem == ""


def test_destination_that_the_settings_lost_is_told_and_its_rules_stay(house: House, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(b"[default]\ndestinations = {PACS = []}\n" + NO_LEGS)
    RulesInForce(path, TARGETS).refresh(house.store, now=NOW)
    without = RulesInForce(path, Targets(set(), {"report_sr"}))
    assert len(without.refresh(house.store, now=NOW).rules) == 1
    assert "no destination PACS" in without.problem


def save(house: House, path: Path, content: bytes, *, began: bytes = b"", who: str = "admin") -> bool:
    return rules.save_rules(
        house.store, house[who], path, content, read_sha256=digest_of(began), targets=TARGETS, now=AT
    )


@pytest.mark.covers("A1")
def test_saved_rules_are_in_the_file_in_the_versions_and_in_the_audit_log(
    house: House, tmp_path: Path
) -> None:
    path = tmp_path / "rules.toml"
    assert save(house, path, NO_LEGS)
    assert save(house, path, NO_LEGS + b"\n", began=NO_LEGS)
    assert path.read_bytes() == NO_LEGS + b"\n"
    assert list(tmp_path.iterdir()) == [path]
    shown = rules.view_rules(house.store, house["admin"], path, TARGETS, now=AT)
    assert [version.content for version in shown.versions] == [NO_LEGS + b"\n", NO_LEGS]
    [first, second] = house.log("rules changed")
    assert (first.username, first.detail["origin"]) == ("admin", "reading room")
    assert second.detail["old_sha256"] == first.detail["new_sha256"] == digest_of(NO_LEGS)
    RulesInForce(path, TARGETS).refresh(house.store, now=AT)
    assert len(house.log("rules changed")) == 2


def test_nothing_is_saved_that_is_broken_or_overtaken_or_cannot_be_written(
    house: House, tmp_path: Path
) -> None:
    path = tmp_path / "rules.toml"
    with pytest.raises(RulesBroken):
        save(house, path, b"[[rules]]")
    path.write_bytes(NO_LEGS)
    with pytest.raises(StaleVersion):
        save(house, path, b"# mine")
    assert path.read_bytes() == NO_LEGS
    (tmp_path / "file").write_text("")
    with pytest.raises(Rejected):
        save(house, tmp_path / "file" / "rules.toml", NO_LEGS)
    assert house.log("rules changed") == []


@pytest.mark.parametrize("role", [role.value for role in Role if role not in {Role.ADMIN, Role.SERVICE}])
def test_only_the_administrator_manages_rules(house: House, tmp_path: Path, role: str) -> None:
    path, found = tmp_path / "rules.toml", read_rules(NO_LEGS)
    with pytest.raises(NotAuthorised):
        save(house, path, NO_LEGS, who=role)
    with pytest.raises(NotAuthorised):
        rules.view_rules(house.store, house[role], path, TARGETS, now=AT)
    with pytest.raises(NotAuthorised):
        rules.try_rules(house.store, house[role], found, uid("s1"), lambda *_: HeaderValues(), now=AT)
    with pytest.raises(NotAuthorised):
        rules.include_study(house.store, house[role], uid("s1"), now=AT)
    assert not path.exists()
    assert len(house.log("access denied")) == 4


def test_trying_rules_changes_nothing_and_is_on_record(house: House) -> None:
    house.receive(image())
    found = read_rules(NO_LEGS)
    values = HeaderValues({"BodyPartExamined": "LEG"})
    ruling = rules.try_rules(house.store, house["admin"], found, uid("s1"), lambda *_: values, now=AT)
    assert ruling.routing.excluded == "legs are read elsewhere"
    assert (house.study().state, house.study().routing) == (StudyState.RECEIVING, None)
    [entry] = house.log("rules tested", study="s1")
    assert "LEG" not in str(entry.detail)


def test_excluded_study_can_be_taken_in_and_stays_in(house: House) -> None:
    route = by(NO_LEGS, BodyPartExamined="LEG")
    house.receive(image("leg"))
    complete(house, route)
    rules.include_study(house.store, house["admin"], uid("leg"), now=AT)
    assert house.study("leg").state is StudyState.COMPLETE
    assert len(house.jobs("draft_study")) == len(house.log("study included", study="leg")) == 1
    with pytest.raises(InvalidTransition):
        rules.include_study(house.store, house["admin"], uid("leg"), now=AT)
    house.receive(image("leg", 2), now=AT)
    complete(house, route, now=AT + timedelta(hours=1))
    assert house.study("leg").state is StudyState.COMPLETE
    assert listed(house) == [uid("leg")]
