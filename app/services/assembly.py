"""Decide which studies are complete, once, and order a draft for each."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.access import service_actor
from app.domain.audit import AuditEvent
from app.domain.study import is_due
from app.domain.work import DRAFT_QUEUE, DRAFT_STUDY
from app.services.facts import fact_about
from app.services.priors import order_priors
from app.store.engine import Store


def complete_due_studies(
    store: Store,
    *,
    open_studies: frozenset[str],
    quiet: timedelta | None,
    now: datetime,
    with_priors: bool = False,
) -> tuple[str, ...]:
    """Complete every study that has been quiet long enough, and put its draft into the queue (L11).

    Several processes may call this at a time: each study is completed by one of them.

    Parameters
    ----------
    open_studies
        StudyInstanceUIDs that an association still open has carried: those are never complete.
    quiet
        Overrides the quiet time of the modality.
    with_priors
        Whether there is an archive to look for earlier studies in.

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
            now=now,
            with_priors=with_priors,
        )
    )


def _complete(
    store: Store,
    study_uid: str,
    *,
    open_studies: frozenset[str],
    quiet: timedelta | None,
    now: datetime,
    with_priors: bool,
) -> bool:
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        # an image may have come, or another process have completed it, since the list was read
        if not is_due(study, now=now, open_studies=open_studies, quiet=quiet):
            return False
        instances = tx.studies.instances(study_uid, up_to_revision=study.revision)
        tx.studies.save(study.complete(now=now))
        if with_priors:
            order_priors(tx, study)
        tx.work.defer(
            DRAFT_STUDY,
            queue=DRAFT_QUEUE,
            priority=study.priority,
            queueing_lock=f"draft:{study_uid}:{study.revision}",
            arguments={"study_uid": study_uid, "revision": study.revision},
        )
        detail = {"revision": study.revision, "instances": len(instances)}
        tx.audit.append(
            fact_about(
                tx, study, AuditEvent.STUDY_COMPLETED, service_actor("listener"), now=now, detail=detail
            )
        )
        return True
