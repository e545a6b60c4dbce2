"""An earlier study beside the one that is read: shown with its report, and compared finding by finding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent
from app.domain.change import Change, compare, statements_in, statements_of
from app.domain.errors import NotAuthorised, NotFound
from app.domain.finding_statements import Statement
from app.domain.lexicon import Lexicon
from app.domain.prior import Prior, PriorState
from app.domain.report import FINAL, Report, ReportState, releasable
from app.domain.signed_text import sentences_in_force
from app.domain.study import Instance, Study
from app.services.facts import fact_about
from app.services.lexicon import lexicon_in_force
from app.services.permission import permit, record_denial
from app.services.priors import own_report
from app.services.study_access import begin_on_study, closed_among, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_UNKNOWN = "this is no earlier study of the one that you have open"


@dataclass(frozen=True)
class OpenedPrior:
    """An earlier study as a reader has it beside the current one.

    Attributes
    ----------
    study
        The current one.
    instances
        Those with pixels, by series and number; empty when none is here.
    missing
        Why no image is here: ``WANTED``, ``FAILED``, or ``GONE``; empty when there is one.
    """

    study: Study
    prior: Prior
    instances: tuple[Instance, ...]
    missing: str


@dataclass(frozen=True)
class Comparison:
    """What changed since an earlier study.

    Attributes
    ----------
    study
        The current one.
    source
        What the earlier side was read from: ``signed``, ``draft``, ``archive``, ``withdrawn``, or ``none``.
    """

    study: Study
    prior: Prior
    source: str
    changes: tuple[Change, ...]


def open_prior(store: Store, actor: Actor, study_uid: str, prior_uid: str, *, now: datetime) -> OpenedPrior:
    """Show an earlier study beside the one that is open; from now on the reader may see its pixels.

    Raises
    ------
    NotAuthorised
        If the role may not read, or has not opened the current study.
    NotFound
        If it is no prior of that study, or none that this reader may open: those are not even named.
    StudyRestricted
        If the current study may not be opened any more.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        study = _opened(tx, actor, study_uid, now=now)
        prior = None if study is None else _listed(tx, actor, study_uid, prior_uid, now=now)
        if study is not None and prior is not None:
            instances = images_of(tx, prior)
            detail = {"beside": study_uid, "images": len(instances), "report": bool(prior.report_text)}
            fact = fact_about(tx, study, AuditEvent.PRIOR_VIEWED, actor, now=now, detail=detail)
            tx.audit.append(replace(fact, study_uid=prior_uid))
            gone = "GONE" if prior.state is PriorState.ATTACHED else prior.state.value
            return OpenedPrior(study, prior, instances, "" if instances else gone)
    _refuse(store, actor, study, study_uid, prior_uid, now)


def compare_with_prior(
    store: Store, actor: Actor, study_uid: str, prior_uid: str, *, now: datetime
) -> Comparison:
    """Compare the findings of the report as it stands with those of an earlier study.

    Raises
    ------
    NotAuthorised, NotFound, StudyRestricted
        As `open_prior`.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        study = _opened(tx, actor, study_uid, now=now)
        prior = None if study is None else _listed(tx, actor, study_uid, prior_uid, now=now)
        if study is not None and prior is not None:
            lexicon = lexicon_in_force(tx)
            source, then = _then(tx, prior, lexicon)
            report = _report_on_screen(tx, actor, study_uid)
            now_said = () if report is None else _said(tx, report, lexicon)
            return Comparison(study, prior, source, compare(now_said, then))
    _refuse(store, actor, study, study_uid, prior_uid, now)


def priors_of(tx: UnitOfWork, actor: Actor, study_uid: str, *, now: datetime) -> tuple[Prior, ...]:
    """Return the earlier studies that the reader may open, with our reports as they stand now.

    The others are not even named.
    """
    priors = tx.priors.of_study(study_uid)
    closed = closed_among(tx, actor, [prior.prior_uid for prior in priors], now=now)
    return tuple(
        replace(prior, report_text=own_report(tx, prior.prior_uid) or prior.report_text)
        for prior in priors
        if prior.prior_uid not in closed
    )


def images_of(tx: UnitOfWork, prior: Prior) -> tuple[Instance, ...]:
    """Return the images of an earlier study, by series and number; empty when none is here."""
    if prior.prior_uid not in tx.studies.lock_existing([prior.prior_uid]):
        return ()
    study = tx.studies.get(prior.prior_uid)
    every = tx.studies.instances(prior.prior_uid, up_to_revision=study.revision)
    return tuple(instance for instance in every if instance.is_image)


def _opened(tx: UnitOfWork, actor: Actor, study_uid: str, *, now: datetime) -> Study | None:
    """Return the study that this person has open; None when it was never opened."""
    study = tx.studies.get(study_uid)
    require_access(tx, actor, study_uid, now=now)
    was_opened, _ = tx.reports.last_opened(actor.username, study_uid)
    return study if was_opened else None


def _listed(tx: UnitOfWork, actor: Actor, study_uid: str, prior_uid: str, *, now: datetime) -> Prior | None:
    found = (prior for prior in priors_of(tx, actor, study_uid, now=now) if prior.prior_uid == prior_uid)
    return next(found, None)


def _refuse(
    store: Store, actor: Actor, study: Study | None, study_uid: str, prior_uid: str, now: datetime
) -> NoReturn:
    if study is None:
        act = "see a prior of a study that was not opened"
        record_denial(store, actor, act, now=now, study_uid=study_uid)
        raise NotAuthorised("open the study first")
    record_denial(store, actor, "see a study as a prior that is none", now=now, study_uid=prior_uid)
    raise NotFound(_UNKNOWN)


def _then(tx: UnitOfWork, prior: Prior, lexicon: Lexicon) -> tuple[str, tuple[Statement, ...]]:
    """Return what the earlier side says, and what it was read from: what was signed here counts first."""
    summaries = tx.reports.summaries(prior.prior_uid)
    final = [summary for summary in summaries if summary.state in FINAL]
    if final and final[-1].state is ReportState.WITHDRAWN:
        return "withdrawn", ()
    if final:
        return "signed", _said_and_signed(tx, tx.reports.get(final[-1].report_id), lexicon)
    if prior.report_text:
        return "archive", statements_in(prior.report_text, lexicon=lexicon)
    if summaries:
        return "draft", _said(tx, tx.reports.get(summaries[-1].report_id), lexicon)
    return "none", ()


def _said(tx: UnitOfWork, report: Report, lexicon: Lexicon) -> tuple[Statement, ...]:
    draft = tx.reports.drafts.get(report.draft_id)
    return statements_of(report.sentences, None if draft is None else draft.content, lexicon=lexicon)


def _said_and_signed(tx: UnitOfWork, report: Report, lexicon: Lexicon) -> tuple[Statement, ...]:
    draft, text = tx.reports.drafts.get(report.draft_id), tx.reports.amendments.signed_text(report.report_id)
    if text is None:
        return ()
    sentences = sentences_in_force(releasable(report.sentences), text.sections)
    said = statements_of(sentences, None if draft is None else draft.content, lexicon=lexicon)
    addenda = (statements_in(added.content.text, lexicon=lexicon) for added in text.addenda)
    return (*said, *(one for each in addenda for one in each))


def _report_on_screen(tx: UnitOfWork, actor: Actor, study_uid: str) -> Report | None:
    _, report_id = tx.reports.last_opened(actor.username, study_uid)
    return None if report_id is None else tx.reports.get(report_id)
