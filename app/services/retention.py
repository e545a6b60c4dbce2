"""Retention: what may go, what goes, what is held; the bytes are removed only after the database says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import Rejected
from app.domain.intake import clean_value
from app.domain.metrics import Increment
from app.domain.operations import QuarantineEntry
from app.domain.retention import PurgedInstance, PurgeVerdict, RetentionPolicy, reason_to_keep
from app.services.facts import fact_about
from app.services.permission import permit
from app.store.engine import Store

_AT_ONCE = 500


def judge_studies(
    store: Store, actor: Actor, policy: RetentionPolicy, *, now: datetime
) -> Iterator[PurgeVerdict]:
    """Yield what retention says about every study that has bytes here.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_OPERATIONS, now=now)
    after = ""
    while True:
        with store.begin() as tx:
            standings = tx.retention.standings(after=after, limit=_AT_ONCE)
        for study in standings:
            yield PurgeVerdict(study, reason_to_keep(study, policy, now=now))
        if len(standings) < _AT_ONCE:
            return
        after = standings[-1].study_uid


def purge_studies(store: Store, actor: Actor, policy: RetentionPolicy, *, now: datetime) -> tuple[str, ...]:
    """Give up the pixels of every study that the policy lets go; return their UIDs.

    Each study is judged again under its lock, in the transaction that marks its instances as purged and
    writes the audit entry. Their bytes are still there afterwards: `removable_instances` lists them.
    """
    due = [v.study.study_uid for v in judge_studies(store, actor, policy, now=now) if not v.reason]
    return tuple(uid for uid in due if _purge(store, actor, uid, policy, now))


def _purge(store: Store, actor: Actor, study_uid: str, policy: RetentionPolicy, now: datetime) -> bool:
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        standing = tx.retention.standing(study_uid)
        if standing is None or reason_to_keep(standing, policy, now=now):
            return False
        instances, size = tx.retention.purge(study_uid, now=now)
        tx.figures.add([Increment("janus_med_purged_bytes", (), size)])
        detail = {"instances": instances, "bytes": size, "state": study.state.value}
        tx.audit.append(fact_about(tx, study, AuditEvent.STUDY_PURGED, actor, now=now, detail=detail))
        return True


def removable_instances(store: Store) -> tuple[PurgedInstance, ...]:
    """Return instances that were given up and whose bytes may still be in the spool."""
    with store.begin() as tx:
        return tx.retention.to_remove(limit=_AT_ONCE)


def record_removed(store: Store, sop_uid: str, *, now: datetime) -> None:
    """Note that the bytes of a purged instance are gone."""
    with store.begin() as tx:
        tx.retention.note_removed(sop_uid, now=now)


def restore_instance(store: Store, actor: Actor, instance: PurgedInstance, *, now: datetime) -> None:
    """Take the purge of an instance back: a sender was told meanwhile that it is here.

    Not that of an erased patient: the database does not know the instance any more, and its bytes go.
    """
    with store.begin() as tx:
        if not tx.retention.is_known(instance.sop_uid):
            tx.retention.renew(instance.sop_uid, now=now)
        elif tx.retention.restore([instance.sop_uid], now=now):
            study = tx.studies.get(instance.study_uid)
            detail = {"instances": 1}
            tx.audit.append(fact_about(tx, study, AuditEvent.STUDY_RESTORED, actor, now=now, detail=detail))


def hold_study(store: Store, actor: Actor, study_uid: str, reason: str, *, now: datetime) -> None:
    """Keep a study whatever the policy says.

    Raises
    ------
    NotAuthorised, NotFound
    Rejected
        Without a reason.
    """
    permit(store, actor, Action.HOLD_STUDY, now=now, study_uid=study_uid)
    reason = require_reason(reason)
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        tx.retention.hold(study_uid, reason=reason, username=actor.username, now=now)
        tx.audit.append(fact_about(tx, study, AuditEvent.STUDY_HELD, actor, now=now, detail={}))


def end_hold(store: Store, actor: Actor, study_uid: str, *, now: datetime) -> None:
    """Let the policy decide about a study again.

    Raises
    ------
    NotAuthorised, NotFound
    """
    permit(store, actor, Action.HOLD_STUDY, now=now, study_uid=study_uid)
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        tx.retention.release(study_uid)
        tx.audit.append(fact_about(tx, study, AuditEvent.STUDY_HOLD_ENDED, actor, now=now, detail={}))


def removable_quarantine(
    store: Store, policy: RetentionPolicy, *, now: datetime
) -> tuple[QuarantineEntry, ...]:
    """Return decided instances in quarantine whose time is over, and those of erased patients."""
    days = policy.quarantine_days
    with store.begin() as tx:
        return tx.stuck.quarantine_to_remove(decided_before=now - timedelta(days=days) if days > 0 else None)


def record_quarantine_removed(store: Store, actor: Actor, entry: QuarantineEntry, *, now: datetime) -> None:
    """Note that the bytes of a quarantined instance are given up; they are removed after this."""
    with store.begin() as tx:
        tx.stuck.note_quarantine_removed(entry.quarantine_id, now=now)
        tx.audit.append(
            AuditFact(
                event=AuditEvent.QUARANTINE_REMOVED,
                actor=actor,
                at=now,
                study_uid=entry.study_uid,
                detail={"sop_uid": entry.sop_uid, "sha256": entry.sha256},
            )
        )


def forget_old_jobs(store: Store, policy: RetentionPolicy, *, now: datetime) -> int:
    """Delete jobs that ended long ago and wait for nobody; return how many."""
    if policy.job_days <= 0:
        return 0
    with store.begin() as tx:
        return tx.retention.forget_jobs(before=now - timedelta(days=policy.job_days))


def require_reason(reason: str) -> str:
    """Return a reason fit for the record, or raise `Rejected` when there is none."""
    cleaned = clean_value(reason).strip()[:500]
    if len(cleaned) < 3:
        raise Rejected("say why, in a few words")
    return cleaned
