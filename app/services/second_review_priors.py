"""The prior beside a second review: as the first reader could have it, without who reported it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent
from app.domain.deidentify import names_in, without_authors
from app.domain.errors import InvalidTransition, NotFound
from app.domain.prior import Prior, PriorState
from app.services.facts import fact_about
from app.services.permission import permit
from app.services.prior_viewing import OpenedPrior, images_of
from app.services.priors import own_report
from app.services.second_review_gate import require_stranger
from app.services.study_access import begin_on_study, closed_among, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def prior_beside(tx: UnitOfWork, actor: Actor, study_uid: str, *, now: datetime) -> Prior | None:
    """Return the most relevant prior that is here and open to this person, without its report.

    The reading room's key puts the same one beside the study. One that is closed to the reviewer is not even
    named; the next one is taken.
    """
    priors = [prior for prior in tx.priors.of_study(study_uid) if prior.state is PriorState.ATTACHED]
    closed = closed_among(tx, actor, [prior.prior_uid for prior in priors], now=now)
    open_ones = (replace(prior, report_text="") for prior in priors if prior.prior_uid not in closed)
    return next(open_ones, None)


def open_prior_of_review(store: Store, actor: Actor, review_id: int, *, now: datetime) -> OpenedPrior:
    """Show the prior of a case that this person has taken; from now on they may see its pixels.

    Its report comes without signature lines and without the names of everybody who has, or had, an account.

    Raises
    ------
    NotAuthorised, NotFound, StudyRestricted
        As `open_second_review`; `NotFound` too when there is no prior that this person may see.
    InvalidTransition
        If this person has not taken the case, or has scored it.
    """
    permit(store, actor, Action.SECOND_REVIEW, now=now)
    require_stranger(store, actor, review_id, now=now)
    with begin_on_study(store, actor, Action.SECOND_REVIEW, now=now) as tx:
        review = tx.second_reviews.lock(review_id)
        require_access(tx, actor, review.study_uid, now=now)
        if review.score is not None or review.reviewer_id != actor.user_id:
            raise InvalidTransition("take this second review first")
        study = tx.studies.get(review.study_uid)
        prior = prior_beside(tx, actor, review.study_uid, now=now)
        if prior is None:
            raise NotFound("there is no earlier study beside this second review")
        images = images_of(tx, prior)
        shown = replace(prior, report_text=_text_of(tx, prior))
        detail = {
            "beside": study.study_uid,
            "second_review_id": review_id,
            "images": len(images),
            "report": bool(shown.report_text),
        }
        fact = fact_about(tx, study, AuditEvent.PRIOR_VIEWED, actor, now=now, detail=detail)
        tx.audit.append(replace(fact, study_uid=prior.prior_uid))
        return OpenedPrior(study, shown, images, "" if images else "GONE")


def _text_of(tx: UnitOfWork, prior: Prior) -> str:
    of_archive = next(
        (one.report_text for one in tx.priors.of_study(prior.study_uid) if one.prior_uid == prior.prior_uid),
        "",
    )
    text = own_report(tx, prior.prior_uid, with_names=False) or of_archive
    return without_authors(text, names=names_in(*tx.embeddings.staff_names()))
