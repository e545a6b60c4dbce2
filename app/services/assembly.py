"""Decide which studies are complete, once, and order a draft for each."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.access import service_actor
from app.domain.audit import AuditEvent
from app.domain.study import Study, is_due
from app.domain.work import (
    ASK_WORKLIST,
    DRAFT_QUEUE,
    DRAFT_STUDY,
    WORKLIST_QUEUE,
    draft_lock,
    worklist_lock,
)
from app.services.facts import fact_about
from app.services.orders import settle_study
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def complete_due_studies(
    store: Store,
    *,
    open_studies: frozenset[str],
    quiet: timedelta | None,
    ask_worklist: bool = False,
    now: datetime,
) -> tuple[str, ...]:
    """Complete every study that has been quiet long enough, and put its draft into the queue (L11).

    Several processes may call this at a time: each study is completed by one of them.

    Parameters
    ----------
    open_studies
        StudyInstanceUIDs that an association still open has carried: those are never complete.
    quiet
        Overrides the quiet time of the modality.
    ask_worklist
        Whether there is a worklist to ask for the order of a study with an accession number.

    Returns
    -------
    tuple of str
        StudyInstanceUIDs of the studies that this call has completed.
    """
    with store.begin() as tx:
        waiting = tx.studies.receiving()
    due = [study for study in waiting if is_due(study, now=now, open_studies=open_studies, quiet=quiet)]
    return tuple(
        study.study_uid
        for study in due
        if _complete(
            store,
            study.study_uid,
            open_studies=open_studies,
            quiet=quiet,
            ask_worklist=ask_worklist,
            now=now,
        )
    )


def _complete(
    store: Store,
    study_uid: str,
    *,
    open_studies: frozenset[str],
    quiet: timedelta | None,
    ask_worklist: bool,
    now: datetime,
) -> bool:
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        # an image may have come, or another process have completed it, since the list was read
        if not is_due(study, now=now, open_studies=open_studies, quiet=quiet):
            return False
        instances = tx.studies.instances(study_uid, up_to_revision=study.revision)
        study, facts = settle_study(tx, service_actor("listener"), study.complete(now=now), now=now)
        tx.studies.save(study)
        _order_work(tx, study, ask_worklist=ask_worklist)
        detail = {"revision": study.revision, "instances": len(instances)}
        tx.audit.append(
            fact_about(
                tx, study, AuditEvent.STUDY_COMPLETED, service_actor("listener"), now=now, detail=detail
            )
        )
        for fact in facts:
            tx.audit.append(fact)
        return True


def _order_work(tx: UnitOfWork, study: Study, *, ask_worklist: bool) -> None:
    """Put the question to the worklist and the draft into their queues; the draft waits a moment for it."""
    arguments = {"study_uid": study.study_uid, "revision": study.revision}
    if ask_worklist and study.accession_number:
        tx.work.defer(
            ASK_WORKLIST,
            queue=WORKLIST_QUEUE,
            priority=study.priority,
            queueing_lock=worklist_lock(study.study_uid, study.revision),
            arguments=arguments,
        )
    tx.work.defer(
        DRAFT_STUDY,
        queue=DRAFT_QUEUE,
        priority=study.priority,
        queueing_lock=draft_lock(study.study_uid, study.revision),
        arguments=arguments,
    )
