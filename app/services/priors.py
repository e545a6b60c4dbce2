"""Earlier studies beside a current one: looked for when it is complete, attached when they are here.

Nothing waits for them: a study is drafted, read and signed without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.access import Actor
from app.domain.audit import AuditEvent, Outcome
from app.domain.intake import clean_value
from app.domain.prior import CurrentStudy, FoundStudy, Prior, PriorState, choose_priors
from app.domain.report import FINAL, ReportState
from app.domain.signed_text import as_lines
from app.domain.study import Instance, Patient, Study
from app.domain.work import FETCH_PRIORS, HOUSEKEEPING_QUEUE
from app.services.facts import fact_about
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

MOST_KNOWN = 3
MOST_INSTANCES = 800


@dataclass(frozen=True)
class PriorsOrder:
    """What the search for a study's priors begins with.

    Attributes
    ----------
    known
        What our own database has of the patient.
    priors
        What an earlier attempt has found already.
    """

    current: CurrentStudy
    patient: Patient
    known: tuple[FoundStudy, ...]
    priors: tuple[Prior, ...]


def order_priors(tx: UnitOfWork, study: Study) -> None:
    """Put the search for a study's priors into the queue, in the caller's transaction."""
    tx.work.defer(
        FETCH_PRIORS,
        queue=HOUSEKEEPING_QUEUE,
        priority=study.priority,
        queueing_lock=f"priors:{study.study_uid}:{study.revision}",
        arguments={"study_uid": study.study_uid},
    )


def load_priors_order(store: Store, study_uid: str) -> PriorsOrder:
    """Return what the search begins with, or raise `NotFound`."""
    with store.begin() as tx:
        study = tx.studies.get(study_uid)
        current = as_current(study)
        known = tx.priors.known_of(study.patient)
        return PriorsOrder(current, study.patient, known, tx.priors.of_study(study_uid))


def attach_known(tx: UnitOfWork, study: Study, actor: Actor, *, now: datetime) -> None:
    """Put the earlier studies that are here already beside a study: all there is without an archive."""
    here = [found for found in tx.priors.known_of(study.patient) if found.instances]
    chosen = choose_priors(as_current(study), here, most=MOST_KNOWN, most_instances=MOST_INSTANCES)
    for rank, found in enumerate(chosen):
        tx.priors.save(_wanted(study.study_uid, rank, found, None).arrive("", now=now))
    if chosen:
        detail = {"source": "here", "chosen": [found.study_uid for found in chosen]}
        tx.audit.append(fact_about(tx, study, AuditEvent.PRIORS_FOUND, actor, now=now, detail=detail))


def as_current(study: Study) -> CurrentStudy:
    """Return what the relevance of earlier studies is measured against."""
    return CurrentStudy(
        study_uid=study.study_uid,
        study_date=study.study_date,
        study_time=study.study_time,
        modality=study.modality,
        body_part=study.body_part,
        description=study.description,
    )


def record_found(
    store: Store, actor: Actor, study_uid: str, chosen: Sequence[FoundStudy], *, source: str, now: datetime
) -> tuple[Prior, ...]:
    """Record which earlier studies are wanted beside a study; returns those and what was known of them.

    Parameters
    ----------
    source
        Where they were looked for.
    """
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        known = {prior.prior_uid: prior for prior in tx.priors.of_study(study_uid)}
        for rank, found in enumerate(chosen):
            tx.priors.save(_wanted(study_uid, rank, found, known.get(found.study_uid)))
        detail = {"source": source, "chosen": [found.study_uid for found in chosen]}
        tx.audit.append(fact_about(tx, study, AuditEvent.PRIORS_FOUND, actor, now=now, detail=detail))
        return tx.priors.of_study(study_uid)


def record_attached(store: Store, actor: Actor, prior: Prior, *, report_text: str, now: datetime) -> None:
    """Record that an earlier study is here, with the text of its report; ours counts before another's."""
    with store.begin() as tx:
        study = tx.studies.lock(prior.study_uid)
        text = own_report(tx, prior.prior_uid) or clean_value(report_text)
        tx.priors.save(prior.arrive(text, now=now))
        detail = {"prior": prior.prior_uid, "report": bool(text)}
        tx.audit.append(fact_about(tx, study, AuditEvent.PRIOR_ATTACHED, actor, now=now, detail=detail))


def record_unavailable(store: Store, actor: Actor, study_uid: str, reason: str, *, now: datetime) -> None:
    """Record that what is still wanted could not be had, and why."""
    reason = clean_value(reason)[:500]
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        missing = [p for p in tx.priors.of_study(study_uid) if p.state is PriorState.WANTED]
        for prior in missing:
            tx.priors.save(prior.fail(reason))
        detail = {"priors": [prior.prior_uid for prior in missing], "reason": reason}
        fact = fact_about(
            tx, study, AuditEvent.PRIORS_FAILED, actor, now=now, outcome=Outcome.FAILURE, detail=detail
        )
        tx.audit.append(fact)


def prior_instances(store: Store, prior_uid: str) -> tuple[Instance, ...]:
    """Return what the database has of an earlier study; nothing while intake has not seen it."""
    with store.begin() as tx:
        if prior_uid not in tx.studies.lock_existing([prior_uid]):
            return ()
        study = tx.studies.get(prior_uid)
        return tx.studies.instances(prior_uid, up_to_revision=study.revision)


def _wanted(study_uid: str, rank: int, found: FoundStudy, known: Prior | None) -> Prior:
    if known is not None:
        return replace(known.ask_again(), rank=rank)
    return Prior(
        study_uid=study_uid,
        prior_uid=found.study_uid,
        rank=rank,
        study_date=clean_value(found.study_date),
        modality=clean_value("\\".join(found.modalities)),
        description=clean_value(found.description),
        state=PriorState.WANTED,
    )


def own_report(tx: UnitOfWork, study_uid: str, *, with_names: bool = True) -> str:
    """Return the newest final report that was signed here as it stands now; empty when there is none.

    Of a withdrawn report nothing but that is said: no archive's copy of it may stand in its place.
    """
    final = [summary for summary in tx.reports.summaries(study_uid) if summary.state in FINAL]
    if not final:
        return ""
    if final[-1].state is ReportState.WITHDRAWN:
        return "WITHDRAWN\nThe report of this study was withdrawn and must not be used."
    text = tx.reports.amendments.signed_text(final[-1].report_id)
    return "" if text is None else as_lines(text, with_names=with_names)
