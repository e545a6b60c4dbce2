"""A department's own words: what is refused, and how a report is read with what is not.

Not covered here: versions and rights (`tests/unit/services/test_words.py`), and the page
(`tests/ui/test_words_view.py`).
"""

from __future__ import annotations

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from app.domain.change import statements_in
from app.domain.checks import CheckCode
from app.domain.checks_report import check_addendum, check_passages
from app.domain.department_words import (
    MOST_MARKS,
    MOST_TOLD,
    MOST_WORDINGS,
    MOST_WORDS,
    DepartmentWords,
    Wording,
    read_wordings,
    show_wordings,
)
from app.domain.errors import Rejected
from app.domain.finding import Presence
from app.domain.lexicon import load_lexicon
from app.domain.own_lexicon import extend
from app.domain.sample_reading import read_sample
from app.domain.spelling import slips_in
from app.domain.statements import Passage
from tests.unit.checks.faults import clean_reports, planted_faults, subject

OWN = DepartmentWords(
    well=("Port-a-Cath", "Plueralux"),
    medical=("Embosphere",),
    wordings=(
        Wording("pneumothorax", "PTX"),
        Wording("pleural_effusion", "Winkelschatten"),
        Wording("hemothorax", "bloody effusion"),
    ),
    marks=("@@", "nachtragen"),
).tidied()
LEXICON = extend(load_lexicon(), OWN)


def _mistake(**lists: tuple[object, ...]) -> str:
    with pytest.raises(Rejected) as refused:
        DepartmentWords(**lists).tidied()  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Small left PTX.", [("PTX", "pneumothorax", "STATED", "left")]),
        ("No ptx.", [("ptx", "pneumothorax", "DENIED", "")]),
        ("Possible PTX on the right.", [("PTX", "pneumothorax", "DOUBTED", "right")]),
        ("Kein Winkelschatten rechts.", [("Winkelschatten", "pleural_effusion", "DENIED", "right")]),
        # a word, not a part of one; and the longest of two
        ("The PTXY series, no aPTX.", []),
        ("Left bloody\n effusion.", [("bloody\n effusion", "hemothorax", "STATED", "left")]),
        # what the program knows is read as before
        ("Left pneumothorax.", [("pneumothorax", "pneumothorax", "STATED", "left")]),
        ("Effusion.", [("Effusion", "effusion", "STATED", "")]),
    ],
)
def test_own_wording_is_stated_denied_and_doubted_as_any_other(
    text: str, read: list[tuple[str, ...]]
) -> None:
    mentions = read_sample(text, LEXICON).mentions
    assert [(m.words, m.concept, m.polarity.value, m.side.value) for m in mentions] == read


@pytest.mark.covers("U8")
def test_own_wording_counts_in_every_check_of_the_report() -> None:
    passages = (
        Passage("findings", "f", "Small PTX on the left. No Winkelschatten."),
        Passage("impression", "i", "PTX on the right. Winkelschatten. @@"),
    )
    found = {(c.code, c.key) for c in check_passages(passages, subject(), lexicon=LEXICON)}
    assert found == {
        (CheckCode.SIDE, "i"),
        (CheckCode.DENIED_IN_FINDINGS, "i"),
        (CheckCode.CRITICAL_NOT_TOLD, "f"),
        (CheckCode.PLACEHOLDER_WORD, "i"),
    }
    # without the words, all that is left is that the sections name opposite sides
    assert [c.code for c in check_passages(passages, subject())] == [CheckCode.SIDE_DOUBTFUL]
    assert [c.code for c in check_addendum("Siehe @@.", subject(), lexicon=LEXICON)] == [
        CheckCode.PLACEHOLDER_WORD
    ]


def test_what_changed_reads_own_wordings_too() -> None:
    (said,) = statements_in("Small left PTX.", lexicon=LEXICON)
    assert (said.finding, said.presence, said.side) == ("Pneumothorax", Presence.PRESENT, "left")
    assert statements_in("Small left PTX.") == ()


def test_spelling_knows_own_words_and_compares_with_the_medical_ones() -> None:
    own = LEXICON.own_words
    assert [(s.word, s.meant) for s in slips_in("A Plueralux and Embsophere.", own)] == [
        ("Embsophere", "embosphere")
    ]
    assert [s.word for s in slips_in("A plueral Embosphere.", own)] == ["plueral"]
    assert [s.word for s in slips_in("A Plueralux.")] == []
    assert [s.meant for s in slips_in("A Mediastinel and Thoraxx.")] == [
        s.meant for s in slips_in("A Mediastinel and Thoraxx.", own)
    ]


def test_a_word_near_a_medical_one_can_be_declared_right() -> None:
    # "Plueral" would be "pleural" with two letters swapped
    assert [s.meant for s in slips_in("Dr. Plueral.")] == ["pleural"]
    named = extend(load_lexicon(), DepartmentWords(well=("Plueral",)).tidied())
    assert list(slips_in("Dr. Plueral.", named.own_words)) == []


@pytest.mark.parametrize(
    ("concept", "text", "why"),
    [
        (
            "pleural_effusion",
            "pneumothorax",
            "it stands for pneumothorax and cannot stand for pleural effusion",
        ),
        ("nodule", "Rippenfraktur", "it stands for fracture"),
        # what is longer would hide what it holds
        ("scoliosis", "small pneumothorax", "it holds pneumothorax, which stands for pneumothorax"),
        ("nodule", "Knoten ohne Fraktur", "it holds Fraktur, which stands for fracture"),
        ("pneumothorax", "no PTX", "by no a sentence denies"),
        ("pneumothorax", "kein Spalt", "by kein a sentence denies"),
        ("pneumothorax", "possible PTX", "by possible a sentence denies, doubts"),
        ("pneumothorax", "ohne", "by ohne a sentence denies"),
        ("pneumothorax", "aber PTX", "by aber a sentence"),
        ("pneumothorax", "left", "the checks know this word already"),
        ("pneumothorax", "unchanged", "the checks know this word already"),
        ("pneumothorax", "", "a wording has 3 to 60 letters"),
        ("pneumothorax", "PX", "a wording has 3 to 60 letters"),
        ("pneumothorax", "123", "a wording has 3 to 60 letters"),
        ("pneumothorax", "p" * 61, "a wording has 3 to 60 letters"),
        ("pneumothorax", "PTX.*", "a wording has 3 to 60 letters"),
        ("pneumothorax", "(PTX|)", "a wording has 3 to 60 letters"),
        ("pneumothorax", "PTX. Rest", "a wording has 3 to 60 letters"),
        ("pneumothorax", "-PTX", "a wording has 3 to 60 letters"),
        ("pneumothorax", "PT\x00X", "a wording has 3 to 60 letters"),
        ("hiccup", "singultus", "there is no abnormality hiccup"),
    ],
)
def test_a_wording_is_refused_with_the_reason(concept: str, text: str, why: str) -> None:
    mistake = _mistake(wordings=(Wording(concept, text),))
    assert why in mistake
    assert len(mistake.splitlines()) == 1


def test_one_wording_stands_for_one_abnormality() -> None:
    both = _mistake(wordings=(Wording("pneumothorax", "PTX"), Wording("effusion", "ptx")))
    assert both.splitlines() == [
        "ptx: it stands for pneumothorax and cannot stand for effusion too",
        "PTX: it stands for effusion and cannot stand for pneumothorax too",
    ]


def test_a_wording_holds_no_own_word_of_something_else() -> None:
    held = _mistake(wordings=(Wording("pneumothorax", "PTX"), Wording("scoliosis", "old-type ptx")))
    assert held == "old-type ptx: it holds PTX, which stands for pneumothorax"
    # what belongs together may: the longer one says more
    words = (Wording("pneumothorax", "PTX"), Wording("tension_pneumothorax", "tension PTX"))
    lexicon = extend(load_lexicon(), DepartmentWords(wordings=words).tidied())
    (mention,) = read_sample("Left tension PTX.", lexicon).mentions
    assert mention.concept == "tension_pneumothorax"


def test_other_words_are_refused_with_the_reason() -> None:
    assert "single words of 7 to 40 letters" in _mistake(medical=("Stents",))
    assert "single words of 7 to 40 letters" in _mistake(medical=("two words",))
    assert "2 to 40 letters and digits" in _mistake(well=("w" * 41,))
    assert "2 to 40 letters and digits" in _mistake(well=("<script>",))
    assert "a mark has 2 to 30 characters" in _mistake(marks=("@",))
    assert "a mark has 2 to 30 characters" in _mistake(marks=("@\x00@",))
    for word in ("pneumothorax", "no", "left", "mediastinum", "unchanged"):
        assert "the checks know this word already" in _mistake(marks=(word,))


def test_numbers_are_limited_and_not_every_mistake_is_told() -> None:
    assert "2001 are too many" in _mistake(well=tuple(f"Wort{n}" for n in range(MOST_WORDS + 1)))
    many = tuple(Wording("fracture", f"Bruchform {n}") for n in range(MOST_WORDINGS + 1))
    assert "301 are too many" in _mistake(wordings=many)
    assert "31 are too many" in _mistake(marks=tuple(f"@@{n}" for n in range(MOST_MARKS + 1)))
    assert len(_mistake(well=("?",) * 3 + tuple("?" * n for n in range(1, 100))).splitlines()) == MOST_TOLD
    assert DepartmentWords(wordings=many[:-1]).tidied().counts()["wordings"] == MOST_WORDINGS


def test_words_are_kept_in_order_each_once_and_come_back_from_json() -> None:
    tidy = DepartmentWords(
        well=(" Zebra ", "", "apple", "zebra"), wordings=(Wording("edema", "  wet   lung "),)
    )
    assert tidy.tidied() == DepartmentWords(("apple", "zebra"), wordings=(Wording("edema", "wet lung"),))
    assert DepartmentWords.of_json(OWN.to_json()) == OWN
    assert DepartmentWords.of_json({}) == DepartmentWords()


def test_wordings_are_written_a_line_for_each_abnormality() -> None:
    text = "pneumothorax: PTX, Spalt\nPleural  Effusion: Winkelschatten\n\n"
    wordings = read_wordings(text)
    assert [(w.concept, w.text.strip()) for w in wordings] == [
        ("pneumothorax", "PTX"),
        ("pneumothorax", "Spalt"),
        ("pleural_effusion", "Winkelschatten"),
    ]
    shown = show_wordings(DepartmentWords(wordings=wordings).tidied().wordings)
    assert shown == "pleural effusion: Winkelschatten\npneumothorax: PTX, Spalt"
    for wrong in ("pneumothorax PTX", "pneumothorax:", "pneumothorax: ,"):
        with pytest.raises(Rejected, match="line 1: write an abnormality, a colon"):
            read_wordings(wrong)


def test_a_wording_for_what_a_later_release_calls_otherwise_is_left_out() -> None:
    words = DepartmentWords(wordings=(Wording("gone", "PTX"),))
    assert read_sample("PTX.", extend(load_lexicon(), words)).mentions == ()


@pytest.mark.covers("U8")
def test_own_words_take_nothing_away_from_the_checks() -> None:
    for report in clean_reports():
        assert check_passages(report.passages, report.subject, lexicon=LEXICON) == ()
    for number, planted in enumerate(planted_faults()):
        if number % 16 == 0:
            report = planted.report
            with_own = check_passages(report.passages, report.subject, lexicon=LEXICON)
            assert with_own == check_passages(report.passages, report.subject)


@settings(deadline=None, max_examples=60)
@given(st.from_regex(r"\A[A-Za-zäöüßé0-9]{2,12}([-/' ][A-Za-zäöüßé0-9]{1,12}){0,4}\Z"))
def test_whatever_is_taken_is_read_as_it_stands_and_denied_by_a_denial(text: str) -> None:
    try:
        words = DepartmentWords(wordings=(Wording("fracture", text),)).tidied()
    except Rejected:
        reject()
    (wording,) = words.wordings
    lexicon = extend(load_lexicon(), words)
    for sentence, polarity in ((f"{wording.text}.", "STATED"), (f"No {wording.text}.", "DENIED")):
        read = {m.concept: m.polarity.value for m in read_sample(sentence, lexicon).mentions}
        assert read == {"fracture": polarity}
