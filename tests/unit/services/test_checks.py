"""Checks inside the signature: no path signs over a stop; a warning counts as confirmed for one text.

Not covered here: what each check finds (`tests/unit/checks`), the dialog (`tests/ui/test_checks_view.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.amendment import AmendmentKind
from app.domain.checks import CheckCode, Confirmation, Severity, confirm, warnings_of
from app.domain.critical import Category
from app.domain.errors import CheckFailed, NotAuthorised, ReportIncomplete, WarningsNotConfirmed
from app.domain.report import Report, ReportState, Section
from app.services.amending import add_addendum, correct_report
from app.services.checks import CheckedReport, check_open_report
from app.services.critical import open_loop
from app.services.difference import read_difference
from app.services.reading import add_sentence, edit_sentence, open_study, reject_sentence
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, draft_of, image, uid

AT = NOW + QUIET
PEOPLE = ("attending", "resident")


def _sign(house: House, username: str, report: Report, **changes: Any) -> None:
    arguments: dict[str, Any] = {"version": report.version, "password": PASSWORD, "destinations": [PACS]}
    sign(house.store, house[username], report.report_id, **(arguments | {"now": AT} | changes))


def _checked(house: House, username: str, report: Report) -> CheckedReport:
    return check_open_report(house.store, house[username], report.report_id, now=AT)


def _codes(house: House, username: str, report: Report) -> set[CheckCode]:
    return {check.code for check in _checked(house, username, report).checks}


def _report(house: House, username: str, findings: str, impression: str, **changes: Any) -> Report:
    """A report whose AI sentences were edited to these texts."""
    report = house.accepted(house.drafted(**changes), username)
    edit_sentence(house.store, house[username], report.report_id, "ai-1", findings, now=AT)
    return edit_sentence(house.store, house[username], report.report_id, "ai-2", impression, now=AT)


def _is_unsigned(house: House, report: Report) -> bool:
    nothing_left = house.count("attestations") == house.count("deliveries") == 0
    return house.report(report.report_id).state is ReportState.IN_REVIEW and nothing_left


@pytest.mark.covers("U8")
@pytest.mark.parametrize("username", PEOPLE)
def test_a_stop_is_signed_by_nobody_whatever_is_confirmed(house: House, username: str) -> None:
    report = _report(house, username, "Small left pleural effusion.", "Right pleural effusion.")
    checked = _checked(house, username, report)
    assert [(c.code, c.severity, c.key) for c in checked.checks] == [(CheckCode.SIDE, Severity.STOP, "ai-2")]
    everything = Confirmation(report.version, frozenset(check.mark for check in checked.checks))
    for confirmation in (None, everything):
        with pytest.raises(CheckFailed, match=r"left, the impression .* right"):
            _sign(house, username, report, confirmation=confirmation)
    assert _is_unsigned(house, report)


@pytest.mark.covers("U8")
@pytest.mark.parametrize(
    ("findings", "impression"),
    [("Nodule of [size] mm.", "Nodule."), ("Nodule of ___ mm.", "Nodule."), ("Nodule ???", "Nodule.")],
)
def test_an_open_field_is_a_stop(house: House, findings: str, impression: str) -> None:
    report = _report(house, "attending", findings, impression)
    with pytest.raises(ReportIncomplete, match="not filled in"):
        _sign(house, "attending", report, confirmation=house.confirm("attending", report))
    assert _is_unsigned(house, report)


@pytest.mark.covers("U8")
@pytest.mark.parametrize("username", PEOPLE)
def test_a_warning_needs_one_word_and_the_audit_log_says_which(house: House, username: str) -> None:
    report = _report(house, username, "The prostate is enlarged.", "Enlarged prostate.")
    with pytest.raises(WarningsNotConfirmed, match="female patient") as refused:
        _sign(house, username, report)
    assert {check.code for check in refused.value.checks} == {CheckCode.SEX}
    assert _is_unsigned(house, report)
    _sign(house, username, report, confirmation=house.confirm(username, report))
    (entry,) = house.log("report signed")
    assert entry.detail["confirmed"] == ["sex@ai-1", "sex@ai-2"]
    assert "prostate" not in str(entry.detail).lower()


@pytest.mark.covers("U8")
def test_a_report_without_a_warning_needs_no_word(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    assert _codes(house, "attending", report) == set()
    _sign(house, "attending", report)
    (entry,) = house.log("report signed")
    assert "confirmed" not in entry.detail


@pytest.mark.covers("U8")
def test_a_warning_that_came_since_is_not_confirmed(house: House) -> None:
    report = _report(house, "attending", "The prostate is enlarged.", "Enlarged prostate.")
    confirmation = house.confirm("attending", report)
    house.receive(image("earlier", patient_id="id-of-s1", patient_name="Name^S1"))
    text = "A 30 cm nodule."
    changed = add_sentence(house.store, house["attending"], report.report_id, Section.FINDINGS, text, now=AT)
    for stale in (confirmation, replace(confirmation, version=changed.version)):
        with pytest.raises(WarningsNotConfirmed, match="30 cm is not plausible"):
            _sign(house, "attending", changed, confirmation=stale)
    assert _is_unsigned(house, report)


@pytest.mark.covers("U8")
def test_the_word_for_one_version_counts_for_no_other(house: House) -> None:
    report = _report(house, "attending", "The prostate is enlarged.", "Enlarged prostate.")
    confirmation = house.confirm("attending", report)
    text = "Otherwise normal."
    changed = add_sentence(house.store, house["attending"], report.report_id, Section.FINDINGS, text, now=AT)
    with pytest.raises(WarningsNotConfirmed):
        _sign(house, "attending", changed, confirmation=confirmation)


@pytest.mark.covers("U8")
def test_a_warning_that_other_records_raise_after_the_word_is_not_confirmed(house: House) -> None:
    """The text is the same; the critical result that answered it was cancelled meanwhile."""
    report = _report(house, "attending", "Free air under the diaphragm.", "Free air.")
    loop = open_loop(house.store, house["attending"], uid("s1"), "Free air", Category.MINUTES, now=AT)
    confirmation = house.confirm("attending", report)
    assert CheckCode.CRITICAL_NOT_TOLD not in _codes(house, "attending", report)
    from app.services.critical import cancel_loop

    cancel_loop(house.store, house["attending"], loop.critical_id, "opened twice", now=AT)
    with pytest.raises(WarningsNotConfirmed, match="nobody is noted to be told"):
        _sign(house, "attending", report, confirmation=confirmation)


def test_an_attending_confirms_anew_what_a_resident_confirmed(house: House) -> None:
    report = _report(house, "resident", "The prostate is enlarged.", "Enlarged prostate.")
    words = house.confirm("resident", report)
    _sign(house, "resident", report, confirmation=words)
    opened = open_study(house.store, house["attending"], uid("s1"), now=AT).report
    assert opened is not None
    with pytest.raises(WarningsNotConfirmed):
        _sign(house, "attending", opened, confirmation=words)
    _sign(house, "attending", opened, confirmation=house.confirm("attending", opened))
    assert house.report(report.report_id).state is ReportState.SIGNED


@pytest.mark.covers("U6", "U8")
def test_a_comparison_without_an_earlier_study_is_a_warning_until_one_is_known(house: House) -> None:
    report = _report(house, "attending", "Unchanged nodule.", "Nodule.")
    assert CheckCode.NO_PRIOR in _codes(house, "attending", report)
    house.receive(image("earlier", patient_id="id-of-s1", patient_name="Name^S1", study_date="20250101"))
    assert CheckCode.NO_PRIOR not in _codes(house, "attending", report)


@pytest.mark.covers("U8")
def test_the_side_of_every_image_is_held_against_the_report(house: House) -> None:
    """An image of before the side was kept says nothing, and with it the study might show both sides."""
    known = {"description": "Knee", "body_part": "KNEE"}
    report = _report(house, "attending", "Fracture of the left knee.", "Fracture.", **known, laterality="R")
    (check,) = _checked(house, "attending", report).checks
    assert (check.code, check.severity) == (CheckCode.SIDE_OF_STUDY, Severity.WARNING)
    with pytest.raises(WarningsNotConfirmed, match="every image is marked right"):
        _sign(house, "attending", report)
    with house.store.begin() as tx:
        assert tx.studies.sides_of_images(uid("s1")) == {"R"}
    house.receive(replace(image("s2"), **known, laterality="R"), replace(image("s2", 2), **known))
    house.receive(replace(image("s2", 3), **known, laterality="L", rows=None, columns=None))
    with house.store.begin() as tx:
        assert tx.studies.sides_of_images(uid("s2")) == {"R", ""}


def test_a_critical_finding_of_the_ai_that_the_report_lacks_is_a_warning(house: House) -> None:
    house.receive(image())
    house.complete()
    house.draft(content=draft_of(findings=("Pneumothorax",), text="Left pneumothorax."))
    report = house.accepted(uid("s1"), "attending")
    codes = _codes(house, "attending", report)
    # the signature opens the loop of an accepted critical finding by itself
    assert CheckCode.CRITICAL_OF_AI not in codes
    assert CheckCode.CRITICAL_NOT_TOLD not in codes
    for key in ("ai-1", "ai-2"):
        reject_sentence(house.store, house["attending"], report.report_id, key, now=AT)
    checks = _checked(house, "attending", report).checks
    (check,) = [check for check in checks if check.code is CheckCode.CRITICAL_OF_AI]
    assert check.values == {"finding": "Pneumothorax", "percent": "90"}


@pytest.mark.covers("U8", "S4")
@pytest.mark.parametrize("kind", list(AmendmentKind))
def test_an_amendment_with_a_warning_needs_its_word_too(house: House, kind: AmendmentKind) -> None:
    report = house.signed()
    text = "The prostate is enlarged."
    arguments: dict[str, Any] = {"version": report.version, "password": PASSWORD, "destinations": [PACS]}

    def amend(confirmation: Confirmation | None) -> None:
        store, actor, number = house.store, house["attending"], report.report_id
        given = arguments | {"now": AT, "confirmation": confirmation}
        if kind is AmendmentKind.ADDENDUM:
            add_addendum(store, actor, number, text=text, **given)
        else:
            sections = {"findings": text, "impression": "Enlarged prostate."}
            correct_report(store, actor, number, sections=sections, reason="wrong patient", **given)

    with pytest.raises(WarningsNotConfirmed, match="female patient") as refused:
        amend(None)
    assert house.report(report.report_id) == report
    amend(Confirmation(report.version, frozenset(check.mark for check in refused.value.checks)))
    (entry,) = house.log("report addended" if kind is AmendmentKind.ADDENDUM else "report corrected")
    assert set(entry.detail["confirmed"]) <= {"sex@addendum", "sex@findings", "sex@impression"}
    assert entry.detail["confirmed"]


@pytest.mark.covers("U8", "S4")
def test_a_correction_cannot_contradict_itself(house: House) -> None:
    report = house.signed()
    sections = {"findings": "Left pleural effusion.", "impression": "Right pleural effusion."}
    with pytest.raises(CheckFailed):
        correct_report(
            house.store,
            house["attending"],
            report.report_id,
            version=report.version,
            password=PASSWORD,
            sections=sections,
            reason="side",
            destinations=[PACS],
            now=AT,
        )
    assert house.report(report.report_id) == report


def test_checks_and_difference_are_for_who_has_the_study_open(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    for look in (check_open_report, read_difference):
        with pytest.raises(NotAuthorised, match="open the study first"):
            look(house.store, house["colleague"], report.report_id, now=AT)
        with pytest.raises(NotAuthorised):
            look(house.store, house["auditor"], report.report_id, now=AT)


def test_a_signed_report_has_nothing_left_to_check(house: House) -> None:
    report = house.signed()
    assert _checked(house, "attending", report).checks == ()


def test_confirming_names_the_warnings_and_never_a_stop(house: House) -> None:
    report = _report(house, "attending", "Prostate enlarged. Left effusion.", "Right effusion.")
    checked = _checked(house, "attending", report)
    marks = confirm(checked.report, checked.checks).marks
    assert marks == {check.mark for check in warnings_of(checked.checks)}
    assert not any(mark.startswith("side@") for mark in marks)


def test_what_was_the_draft_stays_beside_a_signed_report(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    edit_sentence(house.store, house["attending"], report.report_id, "ai-1", "Nodule, 9 mm.", now=AT)
    changed = add_sentence(
        house.store, house["attending"], report.report_id, Section.FINDINGS, "Old fracture.", now=AT
    )
    _sign(house, "attending", changed)
    difference = read_difference(
        house.store, house["attending"], report.report_id, now=AT + timedelta(days=400)
    )
    fates = {change.key: change.fate.value for change in difference.changes}
    assert fates == {"ai-1": "edited", "human-1": "added", "ai-2": "accepted"}
    (edited,) = [change for change in difference.changes if change.key == "ai-1"]
    assert " ".join(piece.old for piece in edited.pieces).split() == ["Nodule", "in", "the", "left", "lung."]
    assert " ".join(piece.new for piece in edited.pieces).split() == ["Nodule,", "9", "mm."]


def test_the_difference_of_a_corrected_report_is_to_the_text_in_force(house: House) -> None:
    report = house.signed()
    correct_report(
        house.store,
        house["attending"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        sections={"findings": "Nodule in the left lung, 9 mm.", "impression": "Possible lesion."},
        reason="size",
        destinations=[PACS],
        now=AT,
    )
    difference = read_difference(house.store, house["attending"], report.report_id, now=AT)
    assert [p.new for p in difference.sections[Section.FINDINGS] if p.old != p.new] == ["lung, 9 mm."]
