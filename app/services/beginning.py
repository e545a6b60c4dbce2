"""What a report begins with beside its draft: the department's template, filled in from what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent
from app.domain.errors import Rejected
from app.domain.prior import Prior, PriorState
from app.domain.report import Decision, Origin, Report, Sentence
from app.domain.review import LEASE
from app.domain.study import Study
from app.domain.template import ReportTemplate, choose_template, fill_in, wanted_sections
from app.services.facts import fact_about
from app.services.locking import hold, require_pen
from app.services.orders import clinical_context
from app.services.permission import permit
from app.services.prior_viewing import priors_of
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def begin_from_template(
    tx: UnitOfWork, actor: Actor, study: Study, report: Report, *, now: datetime
) -> Report:
    """Return the report with what the best fitting template says; as it was when none fits."""
    template = choose_template(tx.templates.current(), study)
    return report if template is None else _put(tx, actor, study, report, template, now)


def use_template(
    store: Store,
    actor: Actor,
    report_id: int,
    template_id: int,
    *,
    lease: timedelta = LEASE,
    now: datetime,
) -> Report:
    """Put another template in place of what nobody has touched of the one before.

    Raises
    ------
    NotAuthorised, LockedByOther, InvalidTransition, NotFound
    Rejected
        If the template is not in use.
    """
    permit(store, actor, Action.EDIT_REPORT, now=now)
    with begin_on_study(store, actor, Action.EDIT_REPORT, now=now) as tx:
        report = tx.reports.lock(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        hold(tx, require_pen(tx, actor, report, now=now), lease=lease, now=now)
        template = tx.templates.get(template_id)
        if not template.content.is_active:
            raise Rejected(f"the template {template.content.name} is not in use")
        return _put(tx, actor, tx.studies.get(report.study_uid), report, template, now)


def _put(
    tx: UnitOfWork, actor: Actor, study: Study, report: Report, template: ReportTemplate, now: datetime
) -> Report:
    untouched = [
        s for s in report.sentences if s.origin is Origin.TEMPLATE and s.decision is Decision.UNTOUCHED
    ]
    rest = replace(report, sentences=tuple(s for s in report.sentences if s not in untouched))
    given = fill_in(
        template.content, _values(tx, actor, study, report, now), rest, sections=wanted_sections(rest)
    )
    changed = (*given, *_emptied(untouched, given))
    if not changed:
        return report
    after = report.with_sentences(changed, now=now)
    tx.reports.save(after, *changed)
    detail = {
        "report_id": report.report_id,
        "version": after.version,
        "template_id": template.template_id,
        "template_version": template.version,
        "sentences": len(given),
    }
    tx.audit.append(fact_about(tx, study, AuditEvent.TEMPLATE_USED, actor, now=now, detail=detail))
    return after


def _emptied(untouched: Sequence[Sentence], given: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """Return what is left of the former template as refused and empty: no sentence is ever deleted."""
    taken = {sentence.key for sentence in given}
    gone = (sentence for sentence in untouched if sentence.key not in taken)
    return tuple(replace(sentence, text="", decision=Decision.REJECTED) for sentence in gone)


def _values(tx: UnitOfWork, actor: Actor, study: Study, report: Report, now: datetime) -> dict[str, str]:
    context = clinical_context(tx, study)
    images = [
        instance
        for instance in tx.studies.instances(study.study_uid, up_to_revision=report.revision)
        if instance.is_image
    ]
    return {
        "indication": context.indication,
        "procedure": context.procedure,
        "prior": _prior(priors_of(tx, actor, study.study_uid, now=now)),
        "description": study.description,
        "body part": study.body_part.lower(),
        "modality": study.modality,
        "images": str(len(images)) if images else "",
        "series": str(len({instance.series_uid for instance in images})) if images else "",
    }


def _prior(priors: Sequence[Prior]) -> str:
    """Return kind and date of the most relevant earlier study that is here."""
    here = [prior for prior in priors if prior.state is PriorState.ATTACHED and prior.study_date]
    if not here:
        return ""
    prior = min(here, key=lambda one: one.rank)
    da = prior.study_date
    date = f"{da[:4]}-{da[4:6]}-{da[6:]}" if len(da) == 8 and da.isdigit() else da
    return " ".join(text for text in (prior.modality, prior.description) if text) + f", {date}"
