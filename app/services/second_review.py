"""Second reviews: drawn by the week at random, read blind by another attending, scored once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import Conflict, InvalidTransition, NotFound
from app.domain.review import Review
from app.domain.second_review import (
    Agreement,
    BlindCase,
    Remark,
    Score,
    SecondReview,
    count_agreement,
    draw_week,
    give_comment,
    last_whole_week,
)
from app.domain.signed_text import sections_of
from app.domain.study import Study
from app.services.alerts import clear_alert, raise_alert
from app.services.facts import fact_about
from app.services.orders import clinical_context
from app.services.permission import permit
from app.services.second_review_gate import require_stranger
from app.services.second_review_priors import prior_beside
from app.services.study_access import begin_on_study, closed_among, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

REMARK_DAYS = 90
"""How long a signer finds what a second reader said."""

ALERT_DAYS = 30
"""How long a score of 3b stands as an alert, unless it is corrected."""

_ACT = Action.SECOND_REVIEW


def draw_second_reviews(store: Store, actor: Actor, *, percent: float, seed: int, now: datetime) -> int:
    """Draw from what was signed in the last week that is over, once; return how many reports.

    Alerts that have stood long enough are cleared. Reports that began as a draft and those that a person
    wrote are drawn each for themselves.

    Parameters
    ----------
    percent
        Share of the signed reports; 0 draws nothing and keeps no draw.
    seed
        Kept with the draw, so that it can be repeated; 63 bits.
    """
    week = last_whole_week(now)
    with store.begin() as tx:
        tx.alerts.clear_older(AlertKind.SECOND_REVIEW, than=now - timedelta(days=ALERT_DAYS), now=now)
        if not percent or tx.second_reviews.was_drawn(week):
            return 0
        with_draft, without = (
            tx.second_reviews.signed_in_week(week, with_draft=is_ai) for is_ai in (True, False)
        )
        draw = draw_week(week, with_draft=with_draft, without_draft=without, percent=percent, seed=seed)
        if not tx.second_reviews.add_draw(draw, frozenset(with_draft), now=now):
            return 0
        detail = {
            "week": week.isoformat(),
            "seed": str(seed),
            "signed": len(with_draft) + len(without),
            "drawn": len(draw.drawn),
        }
        tx.audit.append(AuditFact(event=AuditEvent.SECOND_REVIEWS_DRAWN, actor=actor, at=now, detail=detail))
        return len(draw.drawn)


def waiting_reviews(store: Store, actor: Actor, *, now: datetime) -> tuple[SecondReview, ...]:
    """Return what this person can take, their own begun ones first: not what they signed or may not open.

    Raises
    ------
    NotAuthorised
        If the role may not.
    """
    permit(store, actor, _ACT, now=now)
    with store.begin() as tx:
        waiting = [
            r for r in tx.second_reviews.waiting(actor.user_id) if r.is_open_to(actor.user_id, now=now)
        ]
        closed = closed_among(tx, actor, [review.study_uid for review in waiting], now=now)
    free = [review for review in waiting if review.study_uid not in closed]
    return tuple(sorted(free, key=lambda review: (review.reviewer_id != actor.user_id, review.review_id)))


def open_second_review(store: Store, actor: Actor, review_id: int, *, now: datetime) -> BlindCase:
    """Take a second review and show its case, without signer and without what the model wrote.

    Raises
    ------
    NotAuthorised, NotFound, StudyRestricted
        If the role may not, the person signed it, there is none, or the study is not open to them.
    Conflict
        If it is scored, or somebody else has it.
    """
    permit(store, actor, _ACT, now=now)
    require_stranger(store, actor, review_id, now=now)
    with begin_on_study(store, actor, _ACT, now=now) as tx:
        review = tx.second_reviews.lock(review_id)
        emergency = require_access(tx, actor, review.study_uid, now=now)
        if not review.is_open_to(actor.user_id, now=now):
            raise Conflict("this second review is scored already, or somebody else has it")
        signed = tx.reports.amendments.signed_text(review.report_id)
        if signed is None:
            raise NotFound("the report of this second review is not signed any more")
        is_new = review.reviewer_id != actor.user_id or review.taken_at is None
        taken = replace(review, reviewer_id=actor.user_id, taken_at=now)
        tx.second_reviews.save(taken)
        study, report = tx.studies.get(review.study_uid), tx.reports.get(review.report_id)
        if is_new:
            detail = {
                "revision": report.revision,
                "report_id": report.report_id,
                "second_review_id": review_id,
            }
            if emergency is not None:
                detail["emergency_id"] = emergency.emergency_id
            tx.audit.append(fact_about(tx, study, AuditEvent.STUDY_OPENED, actor, now=now, detail=detail))
        instances = tx.studies.instances(study.study_uid, up_to_revision=report.revision)
        prior = prior_beside(tx, actor, study.study_uid, now=now)
        shown = Review(
            study=study,
            instances=instances,
            draft=None,
            report=None,
            lock=None,
            may_edit=False,
            attestations=(),
            deliveries=(),
            superseded_by=None,
            others=(),
            priors=() if prior is None else (prior,),
            context=clinical_context(tx, study),
            emergency=emergency,
        )
        return BlindCase(taken, shown, sections_of(signed.original))


def give_back(store: Store, actor: Actor, review_id: int, *, now: datetime) -> None:
    """Leave a second review that was taken to others; nothing happens when somebody else has it."""
    permit(store, actor, _ACT, now=now)
    with store.begin() as tx:
        review = tx.second_reviews.lock(review_id)
        if review.score is None and review.reviewer_id == actor.user_id:
            tx.second_reviews.save(replace(review, reviewer_id=None, taken_at=None))


def score_second_review(
    store: Store, actor: Actor, review_id: int, score: Score, comment: str, *, now: datetime
) -> SecondReview:
    """Score what was taken; once.

    Raises
    ------
    NotAuthorised, NotFound, StudyRestricted
        As `open_second_review`.
    InvalidTransition
        If this person has not taken it, or it is scored already.
    Rejected
        If a discrepancy has no comment.
    """
    permit(store, actor, _ACT, now=now)
    require_stranger(store, actor, review_id, now=now)
    comment = give_comment(score, comment)
    with begin_on_study(store, actor, _ACT, now=now) as tx:
        review = tx.second_reviews.lock(review_id)
        require_access(tx, actor, review.study_uid, now=now)
        if review.score is not None or review.reviewer_id != actor.user_id:
            raise InvalidTransition("a second review is scored once, by the person who has taken it")
        was_blind = not tx.second_reviews.was_opened_otherwise(actor.username, review.study_uid)
        scored = replace(review, score=score, comment=comment, was_blind=was_blind, scored_at=now)
        tx.second_reviews.save(scored)
        _tell(tx, actor, scored, AuditEvent.SECOND_REVIEW_SCORED, now)
        return scored


def correct_second_review(
    store: Store, actor: Actor, review_id: int, score: Score, comment: str, *, now: datetime
) -> SecondReview:
    """Replace one's own score by a new entry; the former stays on record.

    Raises
    ------
    NotAuthorised, NotFound, StudyRestricted, Rejected
        As `score_second_review`.
    InvalidTransition
        If it is not scored, another person's, or corrected already.
    """
    permit(store, actor, _ACT, now=now)
    require_stranger(store, actor, review_id, now=now)
    comment = give_comment(score, comment)
    with begin_on_study(store, actor, _ACT, now=now) as tx:
        former = tx.second_reviews.lock(review_id)
        require_access(tx, actor, former.study_uid, now=now)
        is_own = former.score is not None and former.reviewer_id == actor.user_id
        if not is_own or tx.second_reviews.is_corrected(review_id):
            raise InvalidTransition("a person corrects the last score that they gave")
        # who corrects has seen, since the score, who signed
        after = replace(
            former, score=score, comment=comment, scored_at=now, corrects=review_id, was_blind=False
        )
        after = tx.second_reviews.add_correction(after)
        clear_alert(tx, AlertKind.SECOND_REVIEW, _subject(former), now=now)
        _tell(tx, actor, after, AuditEvent.SECOND_REVIEW_CORRECTED, now)
        return after


def scored_by_me(store: Store, actor: Actor, *, now: datetime) -> tuple[tuple[SecondReview, str], ...]:
    """Return what this person scored in the last 90 days and stands, with who had signed it."""
    permit(store, actor, _ACT, now=now)
    with store.begin() as tx:
        scored = tx.second_reviews.scored(since=now - timedelta(days=REMARK_DAYS))
        corrected = {review.corrects for review in scored}
        own = [r for r in scored if r.reviewer_id == actor.user_id and r.review_id not in corrected]
        closed = closed_among(tx, actor, [review.study_uid for review in own], now=now)
        return tuple((review, _signer(tx, review)) for review in own if review.study_uid not in closed)


def remarks_for_me(store: Store, actor: Actor, *, now: datetime) -> tuple[Remark, ...]:
    """Return the discrepancies that were found in this person's own reports; never by whom.

    Raises
    ------
    NotAuthorised
        If the role may not sign.
    """
    permit(store, actor, Action.SIGN_FINAL, now=now)
    if actor.user_id is None:
        return ()
    with store.begin() as tx:
        scored = tx.second_reviews.scored_of_signer(actor.user_id, since=now - timedelta(days=REMARK_DAYS))
        corrected = {review.corrects for review in scored}
        closed = closed_among(tx, actor, [review.study_uid for review in scored], now=now)
        return tuple(
            _remark(review, "" if review.study_uid in closed else review.study_uid)
            for review in scored
            if review.score is not Score.CONCUR and review.review_id not in corrected
        )


def agreement(store: Store, actor: Actor, *, days: int | None, now: datetime) -> Mapping[bool, Agreement]:
    """Return the sums of what was scored in the last days, by whether the report began as a draft.

    Raises
    ------
    NotAuthorised
        If the role may not look at the quality board.
    """
    permit(store, actor, Action.VIEW_QUALITY, now=now)
    with store.begin() as tx:
        scored = tx.second_reviews.scored(since=None if days is None else now - timedelta(days=days))
    return {is_ai: count_agreement([r for r in scored if r.with_draft is is_ai]) for is_ai in (True, False)}


def _tell(tx: UnitOfWork, actor: Actor, review: SecondReview, event: AuditEvent, now: datetime) -> None:
    """Record a score, and raise the alert that a missed and likely significant discrepancy deserves."""
    study: Study = tx.studies.get(review.study_uid)
    score = None if review.score is None else review.score.value
    detail = {"second_review_id": review.review_id, "report_id": review.report_id, "score": score}
    tx.audit.append(fact_about(tx, study, event, actor, now=now, detail=detail))
    if review.score is Score.MISSED_LIKELY:
        reason = "score 3b: should be seen most of the time and is likely to matter; the signer can read why"
        raise_alert(tx, AlertKind.SECOND_REVIEW, _subject(review), reason, now=now)


def _subject(review: SecondReview) -> str:
    return f"second review {review.review_id}"


def _signer(tx: UnitOfWork, review: SecondReview) -> str:
    signed = tx.reports.amendments.signed_text(review.report_id)
    return "" if signed is None else signed.original.printed_name


def _remark(review: SecondReview, study_uid: str) -> Remark:
    if review.score is None or review.scored_at is None:
        raise InvalidTransition("a second review that is not scored has nothing to say")
    return Remark(review.review_id, study_uid, review.score, review.comment, review.scored_at)
