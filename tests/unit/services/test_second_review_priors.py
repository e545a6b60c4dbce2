"""The prior beside a second review, and what ends its blindness.

Covered: who sees it, without whom, what is recorded, restrictions; the question before the study is opened in
the reading room; what an opening for the review does not open. Not covered: the page (`tests/e2e`).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.domain.access import Actor
from app.domain.errors import InvalidTransition, NotAuthorised, NotBlind, NotFound, StudyRestricted
from app.domain.second_review import Score, SecondReview
from app.domain.worklist import WorklistQuery
from app.services import asking, documents, reading, second_review, similar, study_groups
from app.services.amending import add_addendum
from app.services.next_study import next_study
from app.services.prior_viewing import OpenedPrior, compare_with_prior, open_prior
from app.services.reading import may_see_pixels, open_study
from app.services.second_review_priors import open_prior_of_review
from tests.unit.services.conftest import NOW, PASSWORD, QUIET, House, image, uid
from tests.unit.services.test_prior_viewing import attach
from tests.unit.services.test_second_review import NEXT_WEEK, one_drawn

ARCHIVED = (
    "FINDINGS\nSmall left effusion since 2024-03-01; seen by Dr. M. Faraway-Smith, Klinik Nord.\n"
    "No klein nodule; discussed with ATTENDING.\nElectronically signed by Faraway, Mary on 2025-01-02"
)


def take(house: House, who: str = "colleague", report: str = "") -> SecondReview:
    """Draw the report of `s1` with the study `before` beside it, and take its review."""
    review = one_drawn(house)
    house.receive(image("before", 2), image("before", 1))
    attach(house, "before", report=report)
    second_review.open_second_review(house.store, house[who], review.review_id, now=NEXT_WEEK)
    return review


def opened(house: House, review: SecondReview, who: str = "colleague") -> OpenedPrior:
    return open_prior_of_review(house.store, house[who], review.review_id, now=NEXT_WEEK)


@pytest.mark.covers("R3", "U6", "A1")
def test_prior_is_beside_the_case_and_shows_itself_when_it_is_asked_for_on_record(house: House) -> None:
    review = take(house, report=ARCHIVED)
    case = second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    [named] = case.review.priors
    assert (named.prior_uid, named.report_text) == (uid("before"), "")
    with pytest.raises(NotAuthorised):
        may_see_pixels(house.store, house["colleague"], uid("before", "image", 1), now=NEXT_WEEK)
    shown = opened(house, review)
    assert [one.sop_uid for one in shown.instances] == [uid("before", "image", n) for n in (1, 2)]
    assert may_see_pixels(house.store, house["colleague"], uid("before", "image", 1), now=NEXT_WEEK)
    [entry] = house.log("prior viewed", study="before")
    assert (entry.username, entry.detail["beside"]) == ("colleague", uid("s1"))
    assert entry.detail["second_review_id"] == review.review_id
    assert (entry.detail["images"], entry.detail["report"]) == (2, True)


@pytest.mark.covers("R3")
def test_report_of_the_prior_comes_without_who_wrote_it(house: House) -> None:
    shown = opened(house, take(house, report=ARCHIVED))
    assert shown.prior.report_text == (
        "FINDINGS\nSmall left effusion since 2024-03-01; seen by [name], Klinik Nord.\n"
        "No klein nodule; discussed with [name]."
    )


@pytest.mark.covers("R3")
def test_own_report_of_the_prior_comes_with_its_addendum_and_without_either_signer(house: House) -> None:
    before = house.signed("before")
    add_addendum(
        house.store,
        house["attending"],
        before.report_id,
        version=before.version,
        password=PASSWORD,
        text="Told to Dr Attending by telephone.",
        destinations=[],
        now=NOW + QUIET,
    )
    house.signed("s1")
    attach(house, "before", report="an archive's copy")
    second_review.draw_second_reviews(house.store, house["admin"], percent=100, seed=1, now=NEXT_WEEK)
    review = next(
        one
        for one in second_review.waiting_reviews(house.store, house["colleague"], now=NEXT_WEEK)
        if one.study_uid == uid("s1")
    )
    second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    text = opened(house, review).prior.report_text
    assert "Nodule in the left lung." in text
    assert "ADDENDUM 1\nTold to [name] by telephone." in text
    assert "Attending" not in text
    open_study(house.store, house["colleague"], uid("s1"), now=NEXT_WEEK, not_blind=True)
    in_room = open_prior(house.store, house["colleague"], uid("s1"), uid("before"), now=NEXT_WEEK)
    assert "ADDENDUM 1 (Dr Attending)" in in_room.prior.report_text


@pytest.mark.covers("R3", "C2")
def test_prior_is_for_who_has_taken_the_case_and_until_it_is_scored(house: House) -> None:
    review = one_drawn(house)
    house.receive(image("before"))
    attach(house, "before")
    with pytest.raises(InvalidTransition, match="take this second review first"):
        opened(house, review)
    with pytest.raises(NotAuthorised, match="what they have signed"):
        opened(house, review, "attending")
    second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    assert opened(house, review).prior.prior_uid == uid("before")
    second_review.score_second_review(
        house.store, house["colleague"], review.review_id, Score.CONCUR, "", now=NEXT_WEEK
    )
    with pytest.raises(InvalidTransition):
        opened(house, review)


@pytest.mark.covers("R3", "C2")
def test_prior_that_the_reviewer_may_not_see_is_not_named_and_the_next_one_is_taken(house: House) -> None:
    review = one_drawn(house)
    house.receive(image("before"), image("older"))
    attach(house, "before", "older")
    admin = house["admin"]
    study_groups.add_group(house.store, admin, "staff", now=NEXT_WEEK)
    study_groups.restrict_study(house.store, admin, uid("before"), ["staff"], "private", now=NEXT_WEEK)
    case = second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    assert [prior.prior_uid for prior in case.review.priors] == [uid("older")]
    assert opened(house, review).prior.prior_uid == uid("older")
    study_groups.restrict_study(house.store, admin, uid("older"), ["staff"], "private", now=NEXT_WEEK)
    case = second_review.open_second_review(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    assert case.review.priors == ()
    with pytest.raises(NotFound, match="no earlier study"):
        opened(house, review)
    study_groups.restrict_study(house.store, admin, uid("s1"), ["staff"], "private", now=NEXT_WEEK)
    with pytest.raises(StudyRestricted):
        opened(house, review)


@pytest.mark.covers("R3")
def test_study_under_ones_own_review_is_opened_after_a_question_and_counts_as_not_blind(house: House) -> None:
    review = take(house)
    before = len(house.log("study opened", study="s1"))
    with pytest.raises(NotBlind, match="would not be blind"):
        open_study(house.store, house["colleague"], uid("s1"), now=NEXT_WEEK)
    assert len(house.log("study opened", study="s1")) == before
    for other in ("attending", "resident", "viewer"):
        assert open_study(house.store, house[other], uid("s1"), now=NEXT_WEEK)
    assert open_study(house.store, house["colleague"], uid("s1"), now=NEXT_WEEK, not_blind=True)
    entry = house.log("study opened", study="s1")[-1]
    assert entry.detail["not_blind_review"] == review.review_id
    assert open_study(house.store, house["colleague"], uid("s1"), now=NEXT_WEEK), "asked once"
    assert "not_blind_review" not in house.log("study opened", study="s1")[-1].detail
    scored = second_review.score_second_review(
        house.store, house["colleague"], review.review_id, Score.CONCUR, "", now=NEXT_WEEK
    )
    assert scored.was_blind is False


@pytest.mark.covers("R3")
def test_nothing_is_asked_without_a_review_or_once_it_is_handed_in_or_given_back(house: House) -> None:
    review = take(house)
    second_review.give_back(house.store, house["colleague"], review.review_id, now=NEXT_WEEK)
    assert open_study(house.store, house["colleague"], uid("s1"), now=NEXT_WEEK)
    house.signed("s2")
    second_review.draw_second_reviews(house.store, house["admin"], percent=100, seed=1, now=NEXT_WEEK)
    assert open_study(house.store, house["colleague"], uid("s2"), now=NEXT_WEEK)


@pytest.mark.covers("R3")
def test_handed_in_review_stays_blind_when_the_study_is_opened_afterwards(house: House) -> None:
    review = take(house)
    scored = second_review.score_second_review(
        house.store, house["colleague"], review.review_id, Score.CONCUR, "", now=NEXT_WEEK
    )
    assert open_study(house.store, house["colleague"], uid("s1"), now=NEXT_WEEK)
    ((own, _),) = second_review.scored_by_me(house.store, house["colleague"], now=NEXT_WEEK)
    assert (scored.was_blind, own.was_blind) == (True, True)


def test_case_under_ones_own_review_is_nobodys_next_case_by_key(house: House) -> None:
    take(house)
    house.receive(image("s1", 7), now=NEXT_WEEK)
    house.complete(now=NEXT_WEEK + QUIET)
    house.draft("s1", revision=2)
    later = NEXT_WEEK + QUIET
    assert next_study(house.store, house["colleague"], WorklistQuery(), now=later) is None
    found = next_study(house.store, house["resident"], WorklistQuery(), now=later)
    assert found is not None
    assert found.study.study_uid == uid("s1")


Act = Callable[[House, Actor], object]


@pytest.mark.covers("R3", "C2")
@pytest.mark.parametrize(
    "act",
    [
        lambda h, a: reading.refresh(h.store, a, uid("s1"), now=NEXT_WEEK),
        lambda h, a: open_prior(h.store, a, uid("s1"), uid("before"), now=NEXT_WEEK),
        lambda h, a: compare_with_prior(h.store, a, uid("s1"), uid("before"), now=NEXT_WEEK),
        lambda h, a: asking.ask(h.store, a, uid("s1"), "Normal?", now=NEXT_WEEK),
        lambda h, a: similar.find_similar(h.store, a, uid("s1"), similar.EmbeddingCache(), now=NEXT_WEEK),
        lambda h, a: documents.export_document(h.store, a, 1, kind="pdf", build=lambda _: b"", now=NEXT_WEEK),
    ],
)
def test_opening_for_the_review_alone_opens_nothing_that_shows_signer_or_draft(
    house: House, act: Act
) -> None:
    take(house)
    with pytest.raises(NotAuthorised):
        act(house, house["colleague"])
    assert may_see_pixels(house.store, house["colleague"], uid("s1", "image", 1), now=NEXT_WEEK)
