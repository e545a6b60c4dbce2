"""Decide which studies are complete, once, ask the routing rules, and order a draft for each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.routing import Routing
from app.domain.study import Instance, Study, is_due, is_quiet
from app.domain.work import ASK_WORKLIST, WORKLIST_QUEUE, worklist_lock
from app.services.drafting import order_draft
from app.services.facts import fact_about
from app.services.orders import settle_study
from app.services.priors import attach_known, order_priors
from app.services.study_groups import restrict_by_rule
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

Route = Callable[[Study, tuple[Instance, ...]], Routing | None]
_LISTENER = service_actor("listener")


def complete_due_studies(
    store: Store,
    *,
    open_studies: frozenset[str],
    quiet: timedelta | None,
    now: datetime,
    ask_worklist: bool = False,
    with_priors: bool = False,
    route: Route | None = None,
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
    with_priors
        Whether there is an archive to look for earlier studies in.
    route
        What the routing rules say to a study and its instances; None without rules. It is asked inside the
        study's transaction and must not raise.

    Returns
    -------
    tuple of str
        StudyInstanceUIDs of the studies that this call has completed.
    """
    if route is not None:
        restrict_due_priors(store, route, open_studies=open_studies, quiet=quiet, now=now)
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
            ask_worklist=ask_worklist,
            with_priors=with_priors,
            route=route or _no_rules,
        )
    )


def restrict_due_priors(
    store: Store, route: Route, *, open_studies: frozenset[str], quiet: timedelta | None, now: datetime
) -> int:
    """Ask the routing rules about fetched priors that have been quiet, for their restriction alone.

    Returns
    -------
    int
        How many priors the rules were asked about; each is asked about once.
    """
    with store.begin() as tx:
        waiting = tx.studies.unrouted_priors()
    due = [study for study in waiting if is_quiet(study, now=now, open_studies=open_studies, quiet=quiet)]
    for study in due:
        with store.begin() as tx:
            held = tx.studies.lock(study.study_uid)
            instances = tx.studies.instances(study.study_uid, up_to_revision=held.revision)
            after = held.route(route(held, instances))
            if held.routing is None and after.routing is not None:
                tx.studies.save(after)
                for fact in restrict_by_rule(tx, _LISTENER, after, after.routing.restrict_to, now=now):
                    tx.audit.append(fact)
    return len(due)


def _no_rules(study: Study, instances: tuple[Instance, ...]) -> None:
    return None


def _complete(
    store: Store,
    study_uid: str,
    *,
    open_studies: frozenset[str],
    quiet: timedelta | None,
    now: datetime,
    ask_worklist: bool,
    with_priors: bool,
    route: Route,
) -> bool:
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        # an image may have come, or another process have completed it, since the list was read
        if not is_due(study, now=now, open_studies=open_studies, quiet=quiet):
            return False
        instances = tx.studies.instances(study_uid, up_to_revision=study.revision)
        routed = study.route(route(study, instances))
        reason = "" if routed.routing is None else routed.routing.excluded
        facts: list[AuditFact] = []
        if reason:
            after, event = routed.exclude(reason, now=now), AuditEvent.STUDY_EXCLUDED
        else:
            after, facts = settle_study(tx, _LISTENER, routed.complete(now=now), now=now)
            event = AuditEvent.STUDY_COMPLETED
        tx.studies.save(after)
        detail = {"revision": study.revision, "instances": len(instances), **_rules(after.routing)}
        completed = fact_about(tx, study, event, _LISTENER, now=now, detail=detail)
        groups = () if after.routing is None else after.routing.restrict_to
        restricted = restrict_by_rule(tx, _LISTENER, after, groups, now=now)
        for fact in (completed, *facts, *restricted):
            tx.audit.append(fact)
        if not reason:
            _order_work(tx, after, ask_worklist=ask_worklist, with_priors=with_priors, now=now)
        return True


def _order_work(
    tx: UnitOfWork, study: Study, *, ask_worklist: bool, with_priors: bool, now: datetime
) -> None:
    """Put what follows a completion into its queues; the draft waits a moment for the worklist's answer."""
    if ask_worklist and study.accession_number:
        tx.work.defer(
            ASK_WORKLIST,
            queue=WORKLIST_QUEUE,
            priority=study.priority,
            queueing_lock=worklist_lock(study.study_uid, study.revision),
            arguments={"study_uid": study.study_uid, "revision": study.revision},
        )
    order_draft(tx, study, now=now)
    if with_priors:
        order_priors(tx, study)
    else:
        attach_known(tx, study, _LISTENER, now=now)


def _rules(routing: Routing | None) -> dict[str, Any]:
    """Return what the audit log says of the rules: their names and digest, no values."""
    if routing is None:
        return {}
    return {
        "rules": list(routing.fired),
        "rules_failed": list(routing.failed),
        "rules_sha256": routing.rules_sha256,
    }
