"""What a sentence says of the findings, and what changed between two reports.

Covered: names of findings, normal studies, the order of changes. Not covered: the reader of sentences itself
(`tests/unit/checks`).
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.change import Change, ChangeKind, compare, statements_of
from app.domain.comparing import comparing_word
from app.domain.draft import DraftContent
from app.domain.finding import Presence
from app.domain.finding_statements import read_text
from app.domain.report import Decision, Origin, Section, Sentence

P, Q, A = Presence.PRESENT, Presence.POSSIBLE, Presence.ABSENT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("No pneumothorax or pleural effusion.", {"Pneumothorax": A, "Pleural Effusion": A}),
        ("No pneumothorax, but a small right effusion.", {"Pneumothorax": A, "Pleural Effusion": P}),
        ("Small left effusion with atelectasis.", {"Pleural Effusion": P, "Atelectasis": P}),
        ("The heart is not enlarged.", {"Cardiomegaly": A}),
        ("Cardiac silhouette is mildly enlarged.", {"Cardiomegaly": P}),
        ("Pneumonia cannot be excluded.", {"Pneumonia": Q}),
        ("Possible nodule in the left lung.", {"Lung Lesion": Q}),
        ("A nodule is suspected.", {"Lung Lesion": Q}),
        ("Multiple pulmonary nodules, suspicious.", {"Lung Lesion": P}),
        ("The effusion has resolved.", {"Pleural Effusion": A}),
        ("Effusion is no longer seen.", {"Pleural Effusion": A}),
        (
            "There is no focal consolidation, effusion, or oedema.",
            dict.fromkeys(("Consolidation", "Pleural Effusion", "Edema"), A),
        ),
        ("The lungs are clear.", {"No Finding": P}),
        ("Kein Pneumothorax. Pleuraerguss links.", {"Pneumothorax": A, "Pleural Effusion": P}),
        ("Herz nicht vergrößert.", {"Cardiomegaly": A}),
        ("Lungen unauffällig.", {"No Finding": P}),
        ("Scoliosis. No pulmonary embolism.", {"scoliosis": P, "pulmonary embolism": A}),
        ("A right chest tube.", {"Support Devices": P}),
        ("Pas d'anomalie.", {}),
    ],
)
def test_sentence_is_read_with_its_denials_and_doubts(text: str, said: dict[str, Presence]) -> None:
    assert {one.finding: one.presence for one in read_text(text)} == said


def test_side_is_the_one_that_the_sentence_names() -> None:
    sides = [read_text(text)[0].side for text in ("Left effusion.", "Bilateral effusions.", "An effusion.")]
    assert sides == ["left", "both", ""]
    assert read_text("Effusion on the right and on the left.")[0].side == "both"


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error(text: str) -> None:
    read_text(text)


def test_long_text_of_another_system_is_read_in_its_beginning_alone() -> None:
    text = "no acute " * 200_000
    assert read_text(text + "Pneumothorax.") == ()


def changes(now: str, then: str) -> list[tuple[str, ChangeKind, str]]:
    return [(one.finding, one.kind, one.why) for one in compare(read_text(now), read_text(then))]


@pytest.mark.parametrize(
    ("now", "then", "kind", "why"),
    [
        ("Left effusion.", "No effusion.", ChangeKind.NEW, ""),
        ("Left effusion.", "The lungs are clear.", ChangeKind.NEW, ""),
        ("No effusion.", "Left effusion.", ChangeKind.GONE, ""),
        ("Normal chest.", "Left effusion.", ChangeKind.GONE, ""),
        ("Left effusion.", "Left effusion.", ChangeKind.STILL_THERE, ""),
        ("Left effusion.", "Right effusion.", ChangeKind.CANNOT_TELL, "sides"),
        ("Possible effusion.", "No effusion.", ChangeKind.CANNOT_TELL, "possible_one"),
        ("Possible effusion.", "Possible effusion.", ChangeKind.CANNOT_TELL, "possible_both"),
        ("Left effusion.", "No pneumothorax.", ChangeKind.NOT_MENTIONED, "silent_then"),
        ("No pneumothorax.", "Left effusion.", ChangeKind.NOT_MENTIONED, "silent_now"),
    ],
)
def test_finding_stands_beside_the_earlier_one(now: str, then: str, kind: ChangeKind, why: str) -> None:
    assert changes(now, then) == [("Pleural Effusion", kind, why)]


def test_what_both_deny_is_left_out_and_an_unreadable_text_is_not_compared() -> None:
    assert changes("No effusion.", "No effusion.") == []
    assert changes("Left effusion.", "Pas d'épanchement.") == []


def test_normal_study_with_a_device_says_nothing_of_the_device() -> None:
    assert changes("The lungs are clear.", "Pacemaker. The lungs are clear.") == [
        ("Support Devices", ChangeKind.NOT_MENTIONED, "silent_now")
    ]


def test_critical_comes_first_then_what_changed() -> None:
    now = "Pneumothorax. Left effusion. Nodule in the right lung. The heart is enlarged. No fracture."
    then = "Small pneumothorax. No effusion. Nodule in the left lung. The heart is enlarged. Fracture."
    assert [(finding, kind.value) for finding, kind, _ in changes(now, then)] == [
        ("Pneumothorax", "still there"),
        ("Pleural Effusion", "new"),
        ("Fracture", "gone"),
        ("Lung Lesion", "cannot tell"),
        ("Cardiomegaly", "still there"),
    ]


def sentence(text: str, *findings: str, decision: Decision = Decision.UNTOUCHED, ai: str = "") -> Sentence:
    origin = Origin.AI if findings or ai else Origin.HUMAN
    return Sentence("ai-1", Section.FINDINGS, 0, text, ai or text, origin, decision, findings)


def content(polarity: str) -> DraftContent:
    raw = {"section": "findings", "text": "x", "polarity": polarity}
    found = ({"name": "Edema", "probability": 0.7},)
    return DraftContent("drafted", "", {}, found, (raw,), {}, (), {}, {})


def test_tags_of_an_ai_sentence_count_until_a_person_rewrites_it() -> None:
    untouched = statements_of([sentence("Haze.", "Edema")], content("uncertain"))
    assert [(s.finding, s.presence, s.by_ai, s.probability) for s in untouched] == [("Edema", Q, True, 0.7)]
    accepted = statements_of([sentence("Haze.", "Edema", decision=Decision.ACCEPTED)], content("positive"))
    assert [(s.presence, s.by_ai, s.probability) for s in accepted] == [(P, False, None)]
    rewritten = sentence("No oedema.", "Edema", decision=Decision.EDITED, ai="Haze.")
    assert [s.presence for s in statements_of([rewritten], content("positive"))] == [A]


def test_rejected_sentence_says_nothing() -> None:
    refused = sentence("Haze.", "Edema", decision=Decision.REJECTED)
    assert statements_of([refused], content("positive")) == ()


def test_change_is_of_the_ai_when_one_side_is() -> None:
    [said] = statements_of([sentence("Haze.", "Edema")], content("positive"))
    assert Change("Edema", ChangeKind.NEW, said, None).by_ai
    [own] = read_text("Edema.")
    assert not Change("Edema", ChangeKind.NEW, own, None).by_ai


@pytest.mark.covers("U6")
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Unchanged left effusion.", "Unchanged"),
        ("Compared with the prior film, larger.", "Compared with"),
        ("The nodule has increased in size.", "has increased"),
        ("No pneumothorax is seen.", ""),
        ("Prior median sternotomy.", ""),
        ("No prior film is available.", ""),
        ("Im Vergleich zur Voraufnahme kleiner.", "Im Vergleich"),
    ],
)
def test_words_of_comparison_are_found(text: str, word: str) -> None:
    assert comparing_word(text) == word
