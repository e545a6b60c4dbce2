"""What the checks find in a report, in English and German, and what they leave alone.

Covered: every code on planted faults, silence on clean reports, negation and doubt, sides, properties.
Not covered here: what the store knows of a study, and the signature (`tests/unit/services/test_checks.py`).
Rates on real reports are measured by `bench/checks.py`: those texts are not part of the repository.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.checks import (
    STOPS,
    Check,
    CheckCode,
    Confirmation,
    CriticalKnown,
    Severity,
    Subject,
    require_checked,
    warnings_of,
)
from app.domain.checks_report import check_addendum, check_passages, check_report
from app.domain.errors import CheckFailed, ReportIncomplete, WarningsNotConfirmed
from app.domain.report import Decision, Origin, Section, Sentence
from app.domain.statements import Passage, Polarity, Side, read_mentions, side_of, split_sentences
from tests.unit.checks.faults import clean_reports, planted_faults, subject

PLANTED = tuple(planted_faults())


@cache
def _found_in(number: int) -> tuple[Check, ...]:
    """What is found in the planted report of this number."""
    report = PLANTED[number].report
    return check_passages(report.passages, report.subject)


def _found(findings: str, impression: str = "See above.", about: Subject | None = None) -> set[CheckCode]:
    passages = (Passage("findings", "f", findings), Passage("impression", "i", impression))
    return {check.code for check in check_passages(passages, about or subject())}


@pytest.mark.covers("U8")
def test_a_clean_report_is_left_alone() -> None:
    found = [
        (report.findings, check.message)
        for report in clean_reports()
        for check in check_passages(report.passages, report.subject)
    ]
    assert found == []


@pytest.mark.covers("U8")
@pytest.mark.parametrize("code", sorted({planted.code for planted in PLANTED}))
def test_every_planted_fault_is_named_in_both_languages(code: CheckCode) -> None:
    missed = defaultdict(list)
    tried = defaultdict(int)
    for number, planted in enumerate(PLANTED):
        if planted.code is code:
            report = planted.report
            tried[report.language] += 1
            if code not in {check.code for check in _found_in(number)}:
                missed[report.language].append((report.findings, report.impression))
    assert dict(missed) == {}
    assert set(tried) == {"en", "de"}
    assert min(tried.values()) >= 8


def test_the_set_of_faults_is_large_and_names_every_code_of_the_text() -> None:
    assert len(PLANTED) >= 300
    beside_the_text = {CheckCode.EMPTY, CheckCode.UNTOUCHED, CheckCode.CRITICAL_OF_AI}
    assert {planted.code for planted in PLANTED} == set(CheckCode) - beside_the_text


def test_a_fault_that_is_no_stop_stops_nothing() -> None:
    for number, planted in enumerate(PLANTED):
        stops = {check.code for check in _found_in(number) if check.severity is Severity.STOP}
        assert stops <= {planted.code} & STOPS, planted


@pytest.mark.parametrize(
    ("text", "concept", "polarity", "side"),
    [
        ("No pneumothorax, pleural effusion or focal consolidation.", "consolidation", "DENIED", ""),
        ("Small left pleural effusion, no pneumothorax.", "pleural_effusion", "STATED", "left"),
        ("Small left pleural effusion, no pneumothorax.", "pneumothorax", "DENIED", ""),
        ("No pneumothorax, small right effusion.", "effusion", "STATED", "right"),
        ("No large effusion.", "effusion", "DOUBTED", ""),
        ("No change in the left pleural effusion.", "pleural_effusion", "DOUBTED", "left"),
        ("Pneumothorax: none.", "pneumothorax", "DENIED", ""),
        ("The pneumothorax has resolved.", "pneumothorax", "DENIED", ""),
        ("A pneumothorax cannot be excluded.", "pneumothorax", "DOUBTED", ""),
        ("Findings may represent pneumonia.", "pneumonia", "DOUBTED", ""),
        ("History of lung nodule.", "nodule", "DOUBTED", ""),
        ("No skin fold: a pneumothorax.", "pneumothorax", "STATED", ""),
        ("No effusion, but a left pneumothorax.", "pneumothorax", "STATED", "left"),
        ("Fracture at the left shoulder.", "fracture", "STATED", "left"),
        ("Left ventricular hypertrophy with a pleural effusion.", "pleural_effusion", "STATED", ""),
        ("Bilateral pleural effusions.", "pleural_effusion", "STATED", "both"),
        ("Pleural effusion, left greater than right.", "pleural_effusion", "STATED", "both"),
        ("Kein Pleuraerguss, kein Infiltrat.", "pleural_effusion", "DENIED", ""),
        ("Ein Pneumothorax ist nicht abgrenzbar.", "pneumothorax", "DENIED", ""),
        ("Pneumothorax wurde ausgeschlossen.", "pneumothorax", "DENIED", ""),
        ("V.a. Pneumonie re. Unterlappen.", "pneumonia", "DOUBTED", "right"),
        ("Z.n. Rippenfraktur links.", "fracture", "DOUBTED", "left"),
        ("Pneumothorax nicht auszuschließen.", "pneumothorax", "DOUBTED", ""),
        ("Rundherd li. Oberlappen.", "nodule", "STATED", "left"),
        ("Keine Zunahme des Pleuraergusses rechts.", "pleural_effusion", "DOUBTED", "right"),
        ("Pleuraergüsse beidseits.", "pleural_effusion", "STATED", "both"),
        ("Kniegelenkserguss rechts.", "joint_effusion", "STATED", "right"),
    ],
)
def test_what_is_said_of_an_abnormality(text: str, concept: str, polarity: str, side: str) -> None:
    mentions = read_mentions([Passage("findings", "", text)])
    said = {(m.concept, m.polarity, m.side) for m in mentions}
    assert (concept, Polarity(polarity), Side(side)) in said


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1. No change. 2. Small effusion.", 2),
        ("Ca. 12 mm. Z.n. Fraktur li. Unterarm.", 2),
        ("Dr. Meier was told. No fracture.", 2),
        ("Misst 1.2 cm. Kein Erguss.", 2),
        ("Lungs clear.No effusion.", 2),
        ("", 0),
    ],
)
def test_sentences_end_where_they_end(text: str, count: int) -> None:
    assert len(split_sentences(text)) == count


@pytest.mark.parametrize(
    ("findings", "impression"),
    [
        ("Left pleural effusion. Right lung clear.", "Left pleural effusion."),
        ("Left and right pleural effusions.", "Right pleural effusion, larger than left."),
        ("Possible right nodule.", "Nodule on the left."),
        ("Nodules on both sides.", "Left nodule."),
        ("Right effusion. Left effusion.", "Left effusion."),
        ("No left effusion. Right effusion.", "Right effusion."),
    ],
)
def test_sides_that_can_both_be_so_stop_nothing(findings: str, impression: str) -> None:
    assert CheckCode.SIDE not in _found(findings, impression)


@pytest.mark.parametrize(
    ("findings", "impression", "contradicts"),
    [
        ("No effusion. Small effusion at the base.", "See above.", True),
        ("No left pneumothorax. Right pneumothorax.", "Right pneumothorax.", False),
        ("No pneumothorax on either side. Right pneumothorax.", "Right pneumothorax.", True),
        ("No rib fracture. Fracture of the clavicle.", "Clavicle fracture.", False),
        ("No fracture. Fracture of the clavicle.", "Clavicle fracture.", True),
        ("No new nodule. Old nodule on the left.", "Nodule.", False),
        ("No large effusion. Small effusion.", "Small effusion.", False),
        ("Kein Pleuraerguss. Kleiner Pleuraerguss links.", "Siehe oben.", True),
        ("Kein Pneumothorax links. Pneumothorax rechts.", "Pneumothorax rechts.", False),
    ],
)
def test_what_is_stated_and_denied(findings: str, impression: str, contradicts: bool) -> None:
    assert (CheckCode.CONTRADICTION in _found(findings, impression)) is contradicts


@pytest.mark.parametrize(
    "text",
    [
        "Slices of 5 mm were read.",
        "The nodule measures 1,200 HU.",
        "Gemessen am 04.03.2025 um 12:30.",
        "The aorta measures 3.2 x 3.4 cm.",
        "L4/L5 shows a 4 mm protrusion.",
        "Nodule of 3 to 4 mm in size.",
        "Follow-up on 2027-03-04 is recommended.",
        "Kontrolle am 04.03.2027 empfohlen.",
        "Compared with 3/4/2026 there is less.",
        "Discussed with Dr. Miller by phone.",
        "Cervical spine is not shown.",
        "No comparison available; unchanged position cannot be judged.",
    ],
)
def test_what_only_looks_like_a_fault_is_left_alone(text: str) -> None:
    alone = subject(sex="M", priors_known=0)
    assert _found(f"Lungs clear. {text}", about=alone) - {CheckCode.NO_PRIOR} == set()
    if "No comparison" in text:
        assert CheckCode.NO_PRIOR not in _found(text, about=alone)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("She is Mrs. Muster.", False),
        ("Frau Muster hustet.", False),
        ("Herr Kollege House bittet um Bericht.", False),
        ("Mr. House asked for it.", False),
        ("Patient: Erika Muster", False),
        ("Patient: Otto Miller", True),
        ("Herr Schulze hustet.", True),
    ],
)
def test_the_name_of_another_patient(text: str, found: bool) -> None:
    assert (CheckCode.NAME in _found(f"Lungs clear. {text}")) is found


@pytest.mark.parametrize("sex", ["O", ""])
def test_without_a_known_sex_none_is_contradicted(sex: str) -> None:
    text = "The prostate and the uterus are normal. Lungs clear."
    assert CheckCode.SEX not in _found(text, about=subject(sex=sex))


def test_a_loop_that_names_the_finding_answers_it() -> None:
    told = subject(critical=CriticalKnown(told=("Spannungspneumothorax rechts",)))
    assert CheckCode.CRITICAL_NOT_TOLD in _found("Right pneumothorax.", "Right pneumothorax.")
    assert CheckCode.CRITICAL_NOT_TOLD not in _found("Right pneumothorax.", "Right pneumothorax.", told)


def test_a_critical_finding_of_the_ai_that_the_text_denies_is_told() -> None:
    known = subject(critical=CriticalKnown(of_model={"Pneumothorax": 0.91}))
    assert CheckCode.CRITICAL_OF_AI in _found("No pneumothorax.", "Normal chest.", known)
    assert CheckCode.CRITICAL_OF_AI not in _found("Possible pneumothorax.", "Possible pneumothorax.", known)


def _sentence(section: Section, text: str, **changes: object) -> Sentence:
    key = str(changes.pop("key", section.value))
    sentence = Sentence(key, section, 0, text, text, Origin.AI, Decision.ACCEPTED)
    return replace(sentence, **changes)  # type: ignore[arg-type]


def test_an_empty_section_and_an_untouched_sentence_are_stops() -> None:
    untouched = _sentence(Section.FINDINGS, "Lungs clear.", decision=Decision.UNTOUCHED)
    refused = _sentence(Section.IMPRESSION, "Normal.", decision=Decision.REJECTED)
    checks = check_report((untouched, refused), subject())
    assert [(check.code, check.severity) for check in checks] == [
        (CheckCode.EMPTY, Severity.STOP),
        (CheckCode.UNTOUCHED, Severity.STOP),
    ]
    assert checks[0].values == {"section": "impression"}
    assert checks[1].key == "findings"


def test_what_the_reader_refused_is_not_checked() -> None:
    kept = (_sentence(Section.FINDINGS, "Lungs clear."), _sentence(Section.IMPRESSION, "Normal."))
    refused = _sentence(Section.FINDINGS, "[size] prostate", key="no", decision=Decision.REJECTED)
    assert check_report((*kept, refused), subject()) == ()


def test_an_addendum_need_not_repeat_the_report() -> None:
    assert check_addendum("Discussed with the referring physician.", subject(priors_here=1)) == ()
    found = {check.code for check in check_addendum("Prostate of 4 x 3, [see below].", subject())}
    assert found == {CheckCode.SEX, CheckCode.UNIT, CheckCode.PLACEHOLDER}


WORDS = st.sampled_from(
    [
        "no",
        "small",
        "left",
        "right",
        "pleural",
        "effusion",
        "pneumothorax",
        "nodule",
        "fracture",
        ".",
        ",",
        "but",
        "12",
        "mm",
        "30",
        "cm",
        "[",
        "]",
        "possible",
        "kein",
        "Erguss",
        "links",
        "rechts",
        "Rundherd",
        "unverändert",
        "compared",
        "with",
        "prior",
        "the",
        "in",
        "of",
        "prostate",
        "2027-01-01",
        "Mrs.",
        "Miller",
    ]
)
TEXTS = st.lists(WORDS, max_size=25).map(" ".join)


@settings(deadline=None)
@given(TEXTS, TEXTS, st.text(max_size=60))
def test_any_text_is_checked_and_twice_alike(findings: str, impression: str, noise: str) -> None:
    passages = (Passage("findings", "f", f"{findings} {noise}"), Passage("impression", "i", impression))
    once, again = (check_passages(passages, subject()) for _ in range(2))
    assert once == again
    assert len({check.mark for check in once}) == len(once)
    order = [check.severity is Severity.STOP for check in once]
    assert order == sorted(order, reverse=True)
    for check in once:
        assert check.message
        assert "{" not in check.template.format(**dict.fromkeys(check.values, ""))


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_a_stop_is_never_signed_and_a_warning_only_with_its_own_word(findings: str, impression: str) -> None:
    passages = (Passage("findings", "f", findings), Passage("impression", "i", impression))
    checks = check_passages(passages, subject())
    every = frozenset(check.mark for check in checks)
    if any(check.severity is Severity.STOP for check in checks):
        with pytest.raises((ReportIncomplete, CheckFailed)):
            require_checked(checks, Confirmation(7, every), 7)
        return
    require_checked(checks, Confirmation(7, every), 7)
    for check in warnings_of(checks):
        for word in (None, Confirmation(6, every), Confirmation(7, every - {check.mark})):
            with pytest.raises(WarningsNotConfirmed):
                require_checked(checks, word, 7)


@settings(deadline=None)
@given(TEXTS)
def test_a_side_is_read_alike_whatever_stands_around_it(text: str) -> None:
    assert side_of(text) in set(Side)
    assert side_of(f"{text} left right") is Side.BOTH


def test_a_mark_says_what_was_confirmed_and_the_log_does_not() -> None:
    passages = (Passage("findings", "f", "Lungs clear. Patient: Otto Miller"),)
    (check,) = check_passages(passages, subject())
    other = Check(check.code, check.template, {"name": "Otto Mueller"}, check.section, check.key)
    assert check.place == other.place == "name@f"
    assert check.mark != other.mark


def test_what_was_asked_and_compared_states_nothing() -> None:
    """An indication asks for what the findings deny, and names what hurts."""
    passages = (
        Passage("indication", "a", "Pneumothorax right? Left effusion drained."),
        Passage("comparison", "b", "CT of the left knee, 2024-01-05."),
        Passage("findings", "f", "No pneumothorax. No effusion."),
        Passage("impression", "i", "Normal chest."),
    )
    assert check_passages(passages, subject()) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("None.", set()),
        ("Keine Voraufnahmen.", set()),
        ("-", set()),
        ("Radiograph of 2024-01-05.", {CheckCode.NO_PRIOR}),
    ],
)
def test_the_section_comparison_compares_when_it_names_something(text: str, found: set[CheckCode]) -> None:
    passages = (
        Passage("comparison", "c", text),
        Passage("findings", "f", "Lungs clear."),
        Passage("impression", "i", "Normal chest."),
    )
    codes = {check.code for check in check_passages(passages, subject(priors_known=0))}
    assert codes == found
    here = {check.code for check in check_passages(passages, subject(priors_here=1))}
    assert (CheckCode.NOT_COMPARED in here) is not bool(found)
