"""The reading room: the worklist, a study with its draft and report, and the pixels that a reader may see."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.access import Action, Actor, may
from app.domain.audit import AuditEvent, AuditFact
from app.domain.emergency import EmergencyAccess
from app.domain.errors import NotAuthorised, NotFound, Rejected
from app.domain.intake import clean_value
from app.domain.report import EDITABLE, Report, ReportCommand, ReportState
from app.domain.review import LEASE, LockInfo, PixelSource, Review
from app.domain.study import Study
from app.domain.study_access import reader_of
from app.domain.worklist import SortKey, WorklistPage, WorklistQuery, WorklistRow
from app.services.ai_models import stop_of_draft
from app.services.beginning import begin_from_template
from app.services.editing import (
    accept_sentence,
    add_sentence,
    edit_sentence,
    move_sentence,
    reject_sentence,
    reopen_sentence,
)
from app.services.facts import fact_about
from app.services.image_access import may_see_pixels
from app.services.locking import give, hold, release_lock, renew_lock, take_over
from app.services.orders import clinical_context
from app.services.pens import activity_of_pen, look_at_pen
from app.services.permission import permit, record_denial
from app.services.prior_viewing import priors_of
from app.services.second_review_gate import end_blindness
from app.services.study_access import begin_on_study, require_access
from app.services.waiting_drafts import with_drafts
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

__all__ = [
    "PixelSource",
    "Review",
    "SortKey",
    "WorklistPage",
    "WorklistQuery",
    "WorklistRow",
    "accept_sentence",
    "activity_of_pen",
    "add_sentence",
    "edit_sentence",
    "look_at_pen",
    "may_see_pixels",
    "move_sentence",
    "open_study",
    "refresh",
    "refresh_worklist",
    "reject_sentence",
    "release_lock",
    "renew_lock",
    "reopen_sentence",
    "take_over",
    "worklist",
]

LARGEST_PAGE = 1000
_ONE_LOOK = timedelta(minutes=15)


def worklist(store: Store, actor: Actor, query: WorklistQuery, *, now: datetime) -> WorklistPage:
    """Return one page of the worklist: the studies that the actor may open.

    Who searches for the whole accession number or PatientID of a restricted study is told that it is there.

    Raises
    ------
    NotAuthorised, Rejected
        If the role may not, or the page is not 1 to 1,000 rows from 0 on.
    """
    permit(store, actor, Action.LIST_STUDIES, now=now)
    query = _checked(query)
    with store.begin() as tx:
        page = _page(tx, actor, query, now)
        tx.audit.append(_listed(actor, query, page, now))
        return page


def refresh_worklist(store: Store, actor: Actor, query: WorklistQuery, *, now: datetime) -> WorklistPage:
    """Return a page again for a list that stays on the screen: recorded once in a quarter of an hour."""
    permit(store, actor, Action.LIST_STUDIES, now=now)
    query = _checked(query)
    with store.begin() as tx:
        page = _page(tx, actor, query, now)
        if not tx.studies.was_listed(actor.username, since=now - _ONE_LOOK):
            tx.audit.append(_listed(actor, query, page, now))
        return page


def open_study(
    store: Store,
    actor: Actor,
    study_uid: str,
    *,
    now: datetime,
    lease: timedelta = LEASE,
    report_id: int | None = None,
    not_blind: bool = False,
) -> Review:
    """Open a study: who may write gets the pen when it is free, and a draft becomes a report in review.

    Parameters
    ----------
    lease
        How long the lock lasts unless renewed.
    report_id
        One of the study's reports, for example a signed one that a late image has left behind; None opens
        the newest.
    not_blind
        Whether who reviews its report for the second time accepts that the review counts as not blind.

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not read, or there is no such study or report.
    NotBlind
        If the reader has a blind second review of it that is not handed in, and has not accepted that.
    StudyRestricted
        If it is restricted to groups that the reader is not in.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        return open_in(tx, actor, study_uid, now=now, lease=lease, report_id=report_id, not_blind=not_blind)


def open_in(
    tx: UnitOfWork,
    actor: Actor,
    study_uid: str,
    *,
    now: datetime,
    lease: timedelta = LEASE,
    report_id: int | None = None,
    not_blind: bool = False,
) -> Review:
    """Open a study in a transaction of the caller, who has checked that the role may; see `open_study`."""
    study = tx.studies.get(study_uid)
    emergency = require_access(tx, actor, study_uid, now=now)
    chosen = _choose(tx, study, report_id)
    report = None if chosen is None else tx.reports.lock(chosen)
    unblinded = end_blindness(tx, actor, study_uid, is_accepted=not_blind)
    emergency_id = None if emergency is None else emergency.emergency_id
    also = {"emergency_id": emergency_id, "not_blind_review": unblinded}
    facts = [_opened(tx, study, report, actor, now, **also)]
    if report is not None and _may_write(actor, report):
        report, taken = _take_pen(tx, actor, study, report, lease=lease, now=now)
        if taken is not None:
            detail = {"report_id": report.report_id, "revision": report.revision}
            facts.append(fact_about(tx, study, AuditEvent.REPORT_LOCKED, actor, now=now, detail=detail))
    review = _review(tx, actor, study, report, emergency, now=now)
    if review.draft is not None and review.draft.content.is_drafted:
        detail = {"draft_id": review.draft.draft_id, "revision": review.draft.revision}
        facts.append(fact_about(tx, study, AuditEvent.DRAFT_VIEWED, actor, now=now, detail=detail))
    for fact in facts:
        tx.audit.append(fact)
    return review


def refresh(store: Store, actor: Actor, study_uid: str, *, now: datetime) -> Review:
    """Return what the reader has open as it stands now: the same report, even when a newer one is there.

    Opening is recorded, looking again is not. `Review.superseded_by` and `Review.others` tell of newer
    reports.

    Raises
    ------
    NotAuthorised
        If this person has never opened the study, or may not open it any more.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        study = tx.studies.get(study_uid)
        emergency = require_access(tx, actor, study_uid, now=now)
        was_opened, report_id = tx.reports.last_opened(actor.username, study_uid)
        if was_opened:
            report = None if report_id is None else tx.reports.get(report_id)
            return _review(tx, actor, study, report, emergency, now=now)
    record_denial(store, actor, "refresh a study that was not opened", now=now, study_uid=study_uid)
    raise NotAuthorised("open the study first")


def _choose(tx: UnitOfWork, study: Study, report_id: int | None) -> int | None:
    reports = [summary.report_id for summary in tx.reports.summaries(study.study_uid)]
    if report_id is None:
        return reports[-1] if reports else None
    if report_id not in reports:
        raise NotFound(f"the study has no report {report_id}")
    return report_id


def _may_write(actor: Actor, report: Report) -> bool:
    return may(actor.role, Action.EDIT_REPORT) and report.state in EDITABLE | {ReportState.DRAFTED}


def _take_pen(
    tx: UnitOfWork, actor: Actor, study: Study, report: Report, *, lease: timedelta, now: datetime
) -> tuple[Report, LockInfo | None]:
    """Give the actor the lock if it is free; the lock is returned when it is a new one."""
    former = tx.reports.leases.get(report.report_id)
    if former is not None and former.is_held(now=now):
        if former.user_id == actor.user_id:
            hold(tx, former, lease=lease, now=now)
        return report, None
    if report.state is ReportState.DRAFTED:
        report = report.advance(ReportCommand.OPEN, now=now)
        tx.reports.save(report)
        report = begin_from_template(tx, actor, study, report, now=now)
    return report, give(tx, actor, report.report_id, lease=lease, now=now)


def _review(
    tx: UnitOfWork,
    actor: Actor,
    study: Study,
    report: Report | None,
    emergency: EmergencyAccess | None,
    *,
    now: datetime,
) -> Review:
    others = tx.reports.summaries(study.study_uid)
    context = clinical_context(tx, study)
    priors = priors_of(tx, actor, study.study_uid, now=now)
    if report is None:
        instances = tx.studies.instances(study.study_uid, up_to_revision=study.revision)
        return Review(
            study, instances, None, None, None, False, (), (), None, others, priors, context, emergency
        )
    lock = tx.reports.leases.get(report.report_id)
    if lock is not None and not lock.is_held(now=now):
        lock = None
    draft = tx.reports.drafts.get(report.draft_id)
    return Review(
        study=study,
        instances=tx.studies.instances(study.study_uid, up_to_revision=report.revision),
        draft=draft,
        report=report,
        lock=lock,
        may_edit=report.is_editable and lock is not None and lock.user_id == actor.user_id,
        attestations=tx.reports.attestations.of_report(report.report_id),
        text=tx.reports.amendments.signed_text(report.report_id) if report.is_final else None,
        deliveries=tx.deliveries.of_report(report.report_id),
        superseded_by=study.revision if report.revision < study.revision else None,
        others=tuple(other for other in others if other.report_id != report.report_id),
        priors=priors,
        context=context,
        emergency=emergency,
        stopped=stop_of_draft(tx, draft),
    )


def _opened(
    tx: UnitOfWork, study: Study, report: Report | None, actor: Actor, now: datetime, **also: int | None
) -> AuditFact:
    revision = study.revision if report is None else report.revision
    report_id = None if report is None else report.report_id
    detail = {"revision": revision, "report_id": report_id}
    detail |= {name: number for name, number in also.items() if number is not None}
    return fact_about(tx, study, AuditEvent.STUDY_OPENED, actor, now=now, detail=detail)


def _checked(query: WorklistQuery) -> WorklistQuery:
    if not 1 <= query.limit <= LARGEST_PAGE or query.offset < 0:
        raise Rejected(
            f"a page has 1 to {LARGEST_PAGE} rows from 0 on, not {query.limit} from {query.offset}"
        )
    return replace(query, text=clean_value(query.text), modality=clean_value(query.modality))


def _page(tx: UnitOfWork, actor: Actor, query: WorklistQuery, now: datetime) -> WorklistPage:
    reader = reader_of(actor)
    page = with_drafts(tx, tx.studies.worklist(query, reader=reader, now=now), now=now)
    if reader is None or not query.text:
        return page
    return replace(page, masked=tx.access.masked(reader, query.text, now=now))


def _listed(actor: Actor, query: WorklistQuery, page: WorklistPage, now: datetime) -> AuditFact:
    detail: dict[str, object] = {
        "filters": list(query.filters),
        "sort": query.sort.value,
        "offset": query.offset,
        "shown": len(page.rows),
        "total": page.total,
    }
    if page.masked:
        detail["masked"] = len(page.masked)
    return AuditFact(event=AuditEvent.LIST_STUDIES, actor=actor, at=now, detail=detail)
