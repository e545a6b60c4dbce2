"""The checks of a report: while it is written, and again inside the transaction that signs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.domain.access import Action, Actor
from app.domain.amendment import AmendmentKind, AmendmentText
from app.domain.checks import Check, CriticalKnown, Subject
from app.domain.checks_report import check_addendum, check_correction, check_report
from app.domain.critical import CRITICAL_FINDINGS, CriticalState
from app.domain.draft import Draft
from app.domain.errors import NotAuthorised
from app.domain.prior import PriorState, regions_of
from app.domain.report import Report
from app.domain.statements import Side
from app.domain.study import Study
from app.services.critical import kept_critical_findings
from app.services.lexicon import lexicon_in_force
from app.services.orders import clinical_context
from app.services.permission import permit, record_denial
from app.services.study_access import begin_on_study, closed_among, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

# Image Laterality (PS3.3 C.7.6.1.1.1); "U" of an unpaired part names no side
_SIDES = {"L": Side.LEFT, "R": Side.RIGHT, "B": Side.BOTH}


@dataclass(frozen=True)
class CheckedReport:
    """What was found in a report, and in which version of it."""

    report: Report
    checks: tuple[Check, ...]


def check_open_report(store: Store, actor: Actor, report_id: int, *, now: datetime) -> CheckedReport:
    """Return what stands in the way of signing a report that the reader has open.

    Raises
    ------
    NotAuthorised, NotFound
        If the reader may not open it, or never did, or there is no such report.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        report = tx.reports.get(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        was_opened, _ = tx.reports.last_opened(actor.username, report.study_uid)
        if was_opened:
            if not report.is_editable:
                return CheckedReport(report, ())
            study = tx.studies.get(report.study_uid)
            return CheckedReport(report, find_checks(tx, actor, study, report, now=now))
    record_denial(store, actor, "check a report that was not opened", now=now, study_uid=report.study_uid)
    raise NotAuthorised("open the study first")


def find_checks(
    tx: UnitOfWork, actor: Actor, study: Study, report: Report, *, now: datetime
) -> tuple[Check, ...]:
    """Return what stands in the way of a signature, within the caller's transaction."""
    subject = _subject(tx, actor, study, report, now)
    return check_report(report.sentences, subject, lexicon=lexicon_in_force(tx))


def find_checks_of_amendment(
    tx: UnitOfWork, actor: Actor, study: Study, content: AmendmentText, *, now: datetime
) -> tuple[Check, ...]:
    """Return what stands in the way of an addendum or a correction, within the caller's transaction."""
    subject, lexicon = _subject(tx, actor, study, None, now), lexicon_in_force(tx)
    if content.kind is AmendmentKind.ADDENDUM:
        return check_addendum(content.text, subject, lexicon=lexicon)
    return check_correction(content.sections or {}, subject, lexicon=lexicon)


def _subject(tx: UnitOfWork, actor: Actor, study: Study, report: Report | None, now: datetime) -> Subject:
    context = clinical_context(tx, study)
    marked = tx.studies.sides_of_images(study.study_uid)
    patient = study.current_patient
    known, here = _priors(tx, actor, study, now)
    draft = None if report is None else tx.reports.drafts.get(report.draft_id)
    return Subject(
        today=now.date(),
        sex=patient.sex,
        birth_date=_date(patient.birth_date),
        study_date=_date(study.study_date),
        names=(study.patient.name, patient.name),
        people=(study.referring_physician, context.requesting_physician, actor.printed_name),
        accession_number=study.accession_number,
        part=" ".join((study.body_part, study.description, context.procedure, context.scheduled_step)),
        sides_of_images=frozenset(_SIDES.get(side, Side.NONE) for side in marked),
        priors_known=known,
        priors_here=here,
        critical=_critical(tx, study, report, draft),
    )


def _critical(tx: UnitOfWork, study: Study, report: Report | None, draft: Draft | None) -> CriticalKnown:
    told = [
        loop.finding
        for loop in tx.critical.of_study(study.study_uid)
        if loop.state is not CriticalState.CANCELLED
    ]
    if report is None or draft is None:
        return CriticalKnown(told=tuple(told))
    return CriticalKnown(
        told=tuple(told),
        opened_by_signature=kept_critical_findings(report, draft),
        of_model={
            str(finding["name"]): float(finding.get("probability") or 0.0)
            for finding in draft.content.findings
            if finding.get("decision") == "present" and finding.get("name") in CRITICAL_FINDINGS
        },
    )


def _priors(tx: UnitOfWork, actor: Actor, study: Study, now: datetime) -> tuple[int, int]:
    """Return how many earlier studies are known, and how many are here and of the same region.

    What the reader may not open is as if it were not there.
    """
    priors = tx.priors.of_study(study.study_uid)
    own = [found for found in tx.priors.known_of(study.current_patient) if found.study_uid != study.study_uid]
    uids = {prior.prior_uid for prior in priors} | {found.study_uid for found in own}
    open_uids = uids - set(closed_among(tx, actor, sorted(uids), now=now))
    regions = regions_of(study.body_part, study.description)
    here = [
        prior
        for prior in priors
        if prior.prior_uid in open_uids
        and prior.state is PriorState.ATTACHED
        and regions & regions_of(prior.description)
    ]
    return len(open_uids), len(here)


def _date(da: str) -> date | None:
    """Return a DICOM date (DA, PS3.5 6.2); None when it is none."""
    try:
        return datetime.strptime(da, "%Y%m%d").date()
    except ValueError:
        return None
