"""Second reviews: drawn by chance, read blind by another attending, scored once.

Covered: the draw, its seed and strata; who may take, score and correct; what is hidden; the alert, the remark
and the sums; restricted studies; erasure; the guard of the database. Not covered: the form (`tests/ui`,
`tests/e2e`).
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.access import Actor, Role, service_actor
from app.domain.alert import AlertKind
from app.domain.errors import Conflict, InvalidTransition, NotAuthorised, Rejected, StudyRestricted
from app.domain.patient_data import PatientKey
from app.domain.report import Section
from app.domain.second_review import (
    Agreement,
    Score,
    SecondReview,
    count_agreement,
    draw_sample,
    draw_week,
    last_whole_week,
)
from app.services import second_review, study_groups
from app.services.alerts import open_alerts
from app.services.erasure import erase_patient
from app.services.reading import add_sentence, may_see_pixels, open_study
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, uid
from tests.unit.services.test_erasure import settle

# NOW is a Sunday: its week is over from the next day on
NEXT_WEEK = NOW + timedelta(days=2)
WEEK = date(2026, 11, 16)
KEEPER = service_actor("housekeeping")


@pytest.fixture
def third(house: House) -> Actor:
    """Another attending, who has signed nothing."""
    with house.store.begin() as tx:
        user = tx.users.add(
            username="third", printed_name="Dr Third", role=Role.ATTENDING, password_hash="x", now=NOW
        )
        return user.act(source="10.0.0.9")


def written_by_hand(house: House, name: str) -> None:
    report = open_study(house.store, house["attending"], house.undrafted(name), now=NOW + QUIET).report
    assert report is not None
    for section in Section:
        report = add_sentence(
            house.store, house["attending"], report.report_id, section, "No lesion.", now=NOW + QUIET
        )
    sign(
        house.store,
        house["attending"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[PACS],
        now=NOW + QUIET,
    )


def draw(house: House, percent: float = 100.0, seed: int = 7) -> int:
    return second_review.draw_second_reviews(house.store, KEEPER, percent=percent, seed=seed, now=NEXT_WEEK)


def one_drawn(house: House) -> SecondReview:
    """The second review of one report that the attending has signed."""
    house.signed("s1")
    assert draw(house) == 1
    (review,) = second_review.waiting_reviews(house.store, house["colleague"], now=NEXT_WEEK)
    return review


def score(
    house: House, review: SecondReview, given: Score = Score.CONCUR, comment: str = "", who: str = "colleague"
) -> SecondReview:
    second_review.open_second_review(house.store, house[who], review.review_id, now=NEXT_WEEK)
    return second_review.score_second_review(
        house.store, house[who], review.review_id, given, comment, now=NEXT_WEEK
    )


def sums(house: House, days: int | None = 90) -> tuple[Agreement, Agreement]:
    found = second_review.agreement(house.store, house["admin"], days=days, now=NEXT_WEEK)
    return found[True], found[False]


@pytest.mark.covers("R3")
def test_sample_keeps_its_share_and_can_be_drawn_again() -> None:
    numbers = list(range(1, 31))
    assert draw_sample(numbers, 100, Random(0)) == tuple(numbers)
    assert draw_sample(numbers, 0, Random(0)) == ()
    counts = [len(draw_sample(numbers, 5, Random(seed))) for seed in range(2000)]
    assert set(counts) == {1, 2}
    assert sum(counts) / 2000 == pytest.approx(1.5, abs=0.04)
    hits = [0] * 31
    for seed in range(2000):
        for number in draw_sample(numbers, 10, Random(seed)):
            hits[number] += 1
    assert min(hits[1:]) > 140
    assert max(hits[1:]) < 260
    first = draw_week(WEEK, with_draft=numbers, without_draft=[40, 50], percent=50, seed=11)
    assert first == draw_week(WEEK, with_draft=numbers, without_draft=[40, 50], percent=50, seed=11)
    assert sum(number >= 40 for number in first.drawn) == 1, "each stratum is drawn for itself"


def test_last_whole_week_ends_before_today() -> None:
    assert last_whole_week(NOW) == date(2026, 11, 9)
    assert last_whole_week(NEXT_WEEK) == WEEK


@pytest.mark.covers("R3")
def test_week_is_drawn_once_with_its_seed_on_record_and_by_stratum(house: House) -> None:
    house.signed("s1")
    written_by_hand(house, "s2")
    house.accepted(house.drafted("s3"), "attending")
    assert draw(house, percent=0.0) == 0
    assert house.count("second_review_draws") == 0
    assert draw(house) == 2
    assert draw(house) == 0
    waiting = second_review.waiting_reviews(house.store, house["colleague"], now=NEXT_WEEK)
    assert sorted(review.with_draft for review in waiting) == [False, True]
    (entry,) = house.log("second reviews drawn")
    assert entry.detail == {"week": "2026-11-16", "seed": "7", "signed": 2, "drawn": 2}
    assert house.count("second_review_draws", "seed = 7 AND percent = 100") == 1


@pytest.mark.covers("R3")
def test_case_shows_the_signed_text_and_images_and_neither_signer_nor_draft(house: House) -> None:
    review = one_drawn(house)
    case = second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    assert case.sections == {"findings": "Nodule in the left lung.", "impression": "Possible lesion."}
    shown = case.review
    assert (shown.draft, shown.report, shown.attestations, shown.text) == (None, None, (), None)
    assert [image.sop_uid for image in shown.instances] == [uid("s1", "image", 1)]
    assert "attending" not in repr(case).replace("colleague", "").lower()
    assert may_see_pixels(house.store, house["colleague"], uid("s1", "image", 1), now=NEXT_WEEK)
    opened = house.log("study opened", study="s1")[-1]
    assert (opened.username, opened.detail["second_review_id"]) == ("colleague", review.review_id)


@pytest.mark.covers("R3", "C2")
@pytest.mark.parametrize("username", ["viewer", "resident", "admin", "auditor"])
def test_others_neither_see_nor_score_second_reviews(house: House, username: str) -> None:
    review = one_drawn(house)
    actor = house[username]
    for act in (
        lambda: second_review.waiting_reviews(house.store, actor, now=NEXT_WEEK),
        lambda: second_review.open_second_review(house.store, actor, review.review_id, now=NEXT_WEEK),
        lambda: second_review.give_back(house.store, actor, review.review_id, now=NEXT_WEEK),
        lambda: second_review.scored_by_me(house.store, actor, now=NEXT_WEEK),
        lambda: second_review.score_second_review(
            house.store, actor, review.review_id, Score.CONCUR, "", now=NEXT_WEEK
        ),
        lambda: second_review.correct_second_review(
            house.store, actor, review.review_id, Score.CONCUR, "", now=NEXT_WEEK
        ),
    ):
        with pytest.raises(NotAuthorised):
            act()
    assert len([e for e in house.log("access denied") if e.username == username]) == 6


@pytest.mark.covers("R3", "C2")
def test_nobody_reviews_what_they_signed_not_even_past_the_application(house: House) -> None:
    review = one_drawn(house)
    assert second_review.waiting_reviews(house.store, house["attending"], now=NEXT_WEEK) == ()
    with pytest.raises(NotAuthorised, match="what they have signed"):
        second_review.open_second_review(house.store, house["attending"], review.review_id, now=NEXT_WEEK)
    assert house.log("access denied")[-1].detail == {"action": "review one's own report"}
    with pytest.raises(DBAPIError, match="what they have signed"), house.store.begin() as tx:
        tx.session.execute(
            text("UPDATE second_reviews SET reviewer_id = :id"), {"id": house["attending"].user_id}
        )


@pytest.mark.covers("R3")
def test_score_is_given_once_by_who_has_taken_it_and_stays(house: House) -> None:
    review = one_drawn(house)
    with pytest.raises(InvalidTransition):
        second_review.score_second_review(
            house.store, house["colleague"], review.review_id, Score.CONCUR, "", now=NEXT_WEEK
        )
    with pytest.raises(Rejected, match="comment"):
        score(house, review, Score.MISSED_UNLIKELY)
    scored = score(house, review, Score.HARD_LIKELY, "A second nodule.")
    assert (scored.score, scored.was_blind) == (Score.HARD_LIKELY, True)
    with pytest.raises(Conflict):
        second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    with pytest.raises(DBAPIError, match="stays as it is"), house.store.begin() as tx:
        tx.session.execute(text("UPDATE second_reviews SET score = '1'"))
    (entry,) = house.log("second review scored")
    assert entry.detail["score"] == "2b"
    assert "nodule" not in str(entry.detail)


@pytest.mark.covers("R3")
def test_taken_review_is_closed_to_others_until_it_is_given_back_or_a_day_has_passed(
    house: House, third: Actor
) -> None:
    review = one_drawn(house)

    def waiting(at: timedelta = timedelta()) -> int:
        return len(second_review.waiting_reviews(house.store, third, now=NEXT_WEEK + at))

    second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    assert waiting() == 0
    with pytest.raises(Conflict):
        second_review.open_second_review(house.store, third, review.review_id, now=NEXT_WEEK)
    assert waiting(timedelta(hours=25)) == 1
    second_review.give_back(house.store, third, review.review_id, now=NEXT_WEEK)
    assert waiting() == 0, "only who has taken it gives it back"
    second_review.give_back(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    assert waiting() == 1


@pytest.mark.covers("R3")
def test_who_had_opened_the_study_before_is_counted_as_not_blind(house: House) -> None:
    review = one_drawn(house)
    open_study(house.store, house["colleague"], review.study_uid, now=NEXT_WEEK)
    assert score(house, review).was_blind is False
    assert sums(house)[0].not_blind == 1


@pytest.mark.covers("R3")
def test_correction_is_a_new_entry_and_replaces_the_former_in_the_sums(house: House) -> None:
    review = one_drawn(house)
    score(house, review, Score.MISSED_LIKELY, "Missed nodule.")
    (alert,) = open_alerts(house.store)
    assert (alert.kind, alert.subject) == (AlertKind.SECOND_REVIEW, f"second review {review.review_id}")
    assert "nodule" not in alert.reason
    second_review.draw_second_reviews(
        house.store, KEEPER, percent=0, seed=1, now=NEXT_WEEK + timedelta(days=29)
    )
    assert len(open_alerts(house.store)) == 1
    after = second_review.correct_second_review(
        house.store, house["colleague"], review.review_id, Score.HARD_UNLIKELY, "Faint.", now=NEXT_WEEK
    )
    assert (after.corrects, after.was_blind) == (review.review_id, False)
    assert open_alerts(house.store) == ()
    assert house.count("second_reviews") == 2
    drafted, by_hand = sums(house)
    assert drafted.scores[Score.HARD_UNLIKELY] == drafted.reviews == 1
    assert by_hand.reviews == 0
    with pytest.raises(InvalidTransition):
        second_review.correct_second_review(
            house.store, house["colleague"], review.review_id, Score.CONCUR, "", now=NEXT_WEEK
        )


def test_alert_of_a_missed_discrepancy_stands_for_thirty_days(house: House) -> None:
    score(house, one_drawn(house), Score.MISSED_LIKELY, "Missed nodule.")
    for days, alerts in ((29, 1), (31, 0)):
        now = NEXT_WEEK + timedelta(days=days)
        second_review.draw_second_reviews(house.store, KEEPER, percent=0, seed=1, now=now)
        assert len(open_alerts(house.store)) == alerts


@pytest.mark.covers("R3")
def test_signer_reads_the_remark_without_a_name_and_reviewer_learns_the_signer(house: House) -> None:
    review = one_drawn(house)
    score(house, review, Score.MISSED_UNLIKELY, "Old fracture of a rib.")
    (remark,) = second_review.remarks_for_me(house.store, house["attending"], now=NEXT_WEEK)
    assert (remark.score, remark.comment) == (Score.MISSED_UNLIKELY, "Old fracture of a rib.")
    assert "olleague" not in repr(remark)
    assert second_review.remarks_for_me(house.store, house["colleague"], now=NEXT_WEEK) == ()
    ((scored, signer),) = second_review.scored_by_me(house.store, house["colleague"], now=NEXT_WEEK)
    assert (scored.review_id, signer) == (review.review_id, "Dr Attending")


@pytest.mark.covers("R3", "C2")
def test_restricted_study_is_neither_listed_nor_opened(house: House) -> None:
    review = one_drawn(house)
    study_groups.add_group(house.store, house["admin"], "staff", now=NEXT_WEEK)
    study_groups.restrict_study(
        house.store, house["admin"], review.study_uid, ["staff"], "an employee", now=NEXT_WEEK
    )
    assert second_review.waiting_reviews(house.store, house["colleague"], now=NEXT_WEEK) == ()
    with pytest.raises(StudyRestricted):
        second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)


@pytest.mark.covers("R3")
def test_erasure_takes_the_words_and_what_waits_and_leaves_the_count(house: House) -> None:
    house.signed("s1")
    house.signed("s2")
    assert draw(house) == 2
    scored, _ = second_review.waiting_reviews(house.store, house["colleague"], now=NEXT_WEEK)
    score(house, scored, Score.MISSED_UNLIKELY, "Name^S1 has a fracture.")
    settle(house)
    for name in ("s1", "s2"):
        erase_patient(
            house.store, house["admin"], PatientKey(f"id-of-{name}", "HOSPITAL"), "asked", now=NEXT_WEEK
        )
    assert house.count("second_reviews") == 1
    assert house.count("second_reviews", "comment <> ''") == 0
    assert sums(house)[0].reviews == 1


def test_agreement_has_an_interval() -> None:
    assert Agreement().share(Score.CONCUR) == (0.0, 0.0, 1.0)
    assert count_agreement([]).reviews == 0
    many = Agreement({Score.CONCUR: 95, Score.HARD_LIKELY: 3, Score.MISSED_LIKELY: 2})
    share, low, high = many.share(Score.HARD_LIKELY, Score.MISSED_LIKELY)
    assert (share, low, high) == pytest.approx((0.05, 0.0215, 0.1118), abs=0.0005)
