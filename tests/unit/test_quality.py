"""Sums and drift of AI sentences, without a database.

Covered: what counts as discordant, sums by model and finding, the band and the seven days. Not covered: which
reports count (`tests/unit/services/test_quality.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest

from app.domain.meaning import Turn
from app.domain.quality import (
    Cause,
    ReadSentence,
    SignedReading,
    Times,
    judge_models,
    read_sentence,
    share_changed,
    time_signing,
    words_changed,
)
from app.domain.quality_band import (
    DayShare,
    bands,
    binomial_tail,
    drift,
    interval,
    side_of_band,
    usual_share,
)
from app.domain.reading_time import SectionEffort
from app.domain.report import Decision, Origin, Section, Sentence
from app.domain.section_times import SectionBoard, SectionMedians, sum_sections

MONDAY = date(2026, 11, 2)
ACCEPTED = ReadSentence(("Edema",), Decision.ACCEPTED, 0.0)
REFUSED = ReadSentence(("Edema", "Fracture"), Decision.REJECTED, 0.0)


def written(text: str, ai_text: str, decision: Decision, origin: Origin = Origin.AI) -> Sentence:
    return Sentence("ai-1", Section.FINDINGS, 0, text, ai_text, origin, decision, ("Edema",))


@pytest.mark.parametrize(
    ("sentence", "changed", "discordant"),
    [
        (written("Edema.", "Edema.", Decision.ACCEPTED), 0.0, False),
        (written("Edema.", "Edema.", Decision.REJECTED), 0.0, True),
        (written("Mild edema.", "Edema.", Decision.EDITED), 0.41, False),
        (written("The lungs are clear.", "Edema.", Decision.EDITED), 0.77, True),
    ],
)
def test_a_sentence_is_discordant_when_it_was_refused_or_says_something_else(
    sentence: Sentence, changed: float, discordant: bool
) -> None:
    read = read_sentence(sentence)
    assert read is not None
    assert read.changed == pytest.approx(changed, abs=0.01)
    assert read.is_discordant is discordant


def test_what_a_person_wrote_or_nobody_touched_does_not_count() -> None:
    assert read_sentence(written("x", "", Decision.EDITED, Origin.HUMAN)) is None
    assert read_sentence(written("x", "x", Decision.UNTOUCHED)) is None


@pytest.mark.covers("R3")
def test_a_short_no_is_discordant_and_says_why() -> None:
    turned = read_sentence(
        written("Pneumothorax is seen today.", "No pneumothorax is seen today.", Decision.EDITED)
    )
    assert turned is not None
    assert turned.changed < 0.2
    assert (turned.turn, turned.cause, turned.is_discordant) == (Turn.NEGATION, Cause.NEGATION, True)
    slip = read_sentence(written("No pneumothorax.", "No pneumothrax.", Decision.EDITED))
    assert slip is not None
    assert (slip.cause, slip.is_discordant) == (None, False)
    other_side = read_sentence(written("Left nodule seen.", "Right nodule seen.", Decision.EDITED))
    assert other_side is not None
    assert other_side.cause is Cause.SIDE


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [("a b c", "a b c", 0), ("a b c", "a x c", 1), ("a b", "a b c d", 2), ("a b c", "c", 2), ("", "a", 1)],
)
def test_words_that_were_put_in_taken_out_or_replaced(before: str, after: str, words: int) -> None:
    assert words_changed(before, after) == words


@pytest.mark.covers("R3")
def test_times_are_median_and_90th_percentile_by_model_and_month() -> None:
    december = date(2026, 12, 1)
    readings = [SignedReading("m", MONDAY, float(n), (ACCEPTED,), "CR") for n in range(1, 11)]
    readings += [SignedReading("m", december, 100.0, (REFUSED,), "CT")]
    (judged,) = judge_models(readings)
    assert judged.times == Times(11, 6.0, 10.0)
    assert judged.months == {date(2026, 11, 1): Times(10, 5.5, 9.0), december: Times(1, 100.0, 100.0)}
    assert {name: counts.discordance for name, counts in judged.modalities.items()} == {"CR": 0.0, "CT": 1.0}
    assert time_signing([SignedReading("m", MONDAY, None, (ACCEPTED,))]) is None


@pytest.mark.covers("R3")
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, table I, method 3 (score, without continuity correction)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_against_published_values(successes: int, trials: int, low: float, high: float) -> None:
    assert interval(successes, trials) == pytest.approx((low, high), abs=0.00006)
    assert interval(0, 0) == (0.0, 1.0)


def test_share_of_changed_characters() -> None:
    assert share_changed("same", "same") == 0.0
    assert share_changed("abcd", "efgh") == 1.0


def test_sums_stand_by_model_finding_and_day() -> None:
    readings = [
        SignedReading("b", MONDAY, 60.0, (ACCEPTED, REFUSED)),
        SignedReading("b", MONDAY + timedelta(days=1), 120.0, (ACCEPTED,)),
        SignedReading("a", MONDAY, None, (ACCEPTED,)),
        SignedReading("c", MONDAY, 5.0, ()),
    ]
    first, second = judge_models(readings)
    assert (first.model, first.times, first.total.acceptance) == ("a", None, 1.0)
    assert (second.model, second.reports, second.times) == ("b", 2, Times(2, 90.0, 120.0))
    assert second.total.discordance == pytest.approx(1 / 3)
    assert second.findings["Edema"].sentences == 3
    assert second.findings["Fracture"].discordance == 1.0
    assert second.days == (DayShare(MONDAY, 1, 2), DayShare(MONDAY + timedelta(days=1), 0, 1))


def test_binomial_tail_against_values_of_a_table() -> None:
    assert binomial_tail(8, 10, 0.5) == pytest.approx(0.0546875)
    assert binomial_tail(0, 10, 0.3) == pytest.approx(1.0)
    assert binomial_tail(600, 5000, 0.1) == pytest.approx(2.5e-6, rel=0.5)
    assert (binomial_tail(1, 5, 0.0), binomial_tail(0, 5, 0.0), binomial_tail(5, 5, 1.0)) == (0.0, 1.0, 1.0)


def days(shares: list[float], sentences: int = 100) -> list[DayShare]:
    return [
        DayShare(MONDAY + timedelta(days=number), round(share * sentences), sentences)
        for number, share in enumerate(shares)
    ]


@pytest.mark.covers("R3")
@pytest.mark.parametrize(
    ("shares", "outside"),
    [
        ([0.1] * 20 + [0.3] * 7, "above the band around 10%"),
        ([0.3] * 20 + [0.1] * 7, "below the band around 30%"),
        ([0.1] * 20 + [0.3] * 6, ""),
        ([0.1] * 20 + [0.3] * 6 + [0.1], ""),
        ([0.1] * 20 + [0.3] * 3 + [0.0] * 4, ""),
        ([0.1] * 27, ""),
        ([0.3] * 7, ""),
    ],
)
def test_drift_is_seven_days_on_one_side_of_the_band(shares: list[float], outside: str) -> None:
    said = drift(days(shares))
    assert said.endswith(outside) if outside else said == ""


@pytest.mark.covers("R3")
def test_band_of_a_day_holds_what_is_not_rare_around_the_usual_share() -> None:
    shown = days([0.1] * 20 + [0.3] * 7)
    assert usual_share(shown) == pytest.approx(0.1)
    around = bands(shown)
    assert [band.side for band in around] == ["inside"] * 20 + ["above"] * 7
    low, high = around[0].low, around[0].high
    assert side_of_band(DayShare(MONDAY, round(100 * high), 100), 0.1) == "inside"
    assert side_of_band(DayShare(MONDAY, round(100 * high) + 1, 100), 0.1) == "above"
    assert side_of_band(DayShare(MONDAY, round(100 * low) - 1, 100), 0.1) == "below"
    assert bands(shown[:7]) == ()


def test_few_sentences_before_or_a_day_make_no_drift() -> None:
    assert drift(days([0.1] * 9 + [0.9] * 7, sentences=10)) == ""
    assert side_of_band(DayShare(MONDAY, 1, 1), 0.1) == "inside"


@pytest.mark.covers("R3")
def test_a_model_that_does_not_change_is_hardly_ever_called_drifting() -> None:
    rng = Random(0)
    alarms = 0
    for _ in range(500):
        drawn = [
            DayShare(MONDAY + timedelta(days=n), sum(rng.random() < 0.15 for _ in range(40)), 40)
            for n in range(30)
        ]
        alarms += bool(drift(drawn))
    assert alarms == 0


def test_sections_are_summed_by_model_in_reading_order_with_half_values_between_two() -> None:
    def effort(report: int, model: str, section: Section) -> SectionEffort:
        return _effort(report, {report % 3}, model, section)

    told = [effort(n, "b", section) for n in range(6) for section in (Section.IMPRESSION, Section.FINDINGS)]
    told += [effort(n, "", Section.TECHNIQUE) for n in range(5)]
    told += [effort(n, "a", Section.FINDINGS) for n in range(4)]  # too few
    lines = (
        SectionMedians("", Section.TECHNIQUE, 5, 2.0, 2.0),
        SectionMedians("b", Section.FINDINGS, 6, 2.5, 2.5),
        SectionMedians("b", Section.IMPRESSION, 6, 2.5, 2.5),
    )
    assert sum_sections(told) == SectionBoard(lines, left_out=1)
    assert sum_sections([]) == SectionBoard()


@pytest.mark.parametrize(
    ("readers", "is_shown"),
    [
        ([{1}, {2}, {3}, {1}, {2}], True),
        ([{1}, {2}, {3}, {1}], False),  # four reports
        ([{1}, {2}, {1}, {2}, {1}, {2}], False),  # two readers
        ([{1}, {1}, {1}, {2}, {3}], False),  # the median is the first reader's
        ([{1}, {1}, {1}, {2}, {3}, {2}], True),
        ([{1, 9}, {2, 9}, {3, 9}, {1, 9}, {2, 9}], False),  # one who is in every report
        ([{1, 2, 3}, {4}, {5}, {1}, {2}], True),
    ],
)
def test_line_of_sections_is_never_one_persons(readers: list[set[int]], is_shown: bool) -> None:
    found = sum_sections([_effort(number, own) for number, own in enumerate(readers)])
    assert (len(found.lines), found.left_out) == ((1, 0) if is_shown else (0, 1))


def _effort(
    report: int, readers: set[int], model: str = "a", section: Section = Section.FINDINGS
) -> SectionEffort:
    return SectionEffort(report, model, section, float(report), report, frozenset(readers))
