"""One draft for each study revision, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.access import Actor, service_actor
from app.domain.ai_model import ModelIdentity, identify
from app.domain.audit import AuditEvent
from app.domain.draft import Draft, DraftContent, DraftingOrder, require_plain_json, sentences_of, undrafted
from app.domain.embedding import StudyEmbedding, is_unit
from app.domain.errors import Rejected
from app.domain.priority import Priority, with_findings
from app.domain.report import Report, ReportState, Sentence
from app.domain.study import Study, StudyState
from app.domain.waiting_draft import NO_ANSWER_YET
from app.domain.work import DRAFT_QUEUE, DRAFT_STUDY, draft_lock, worklist_lock
from app.services.facts import fact_about
from app.services.orders import clinical_context
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

__all__ = ["DraftingOrder", "decline_overdue", "order_draft", "record_draft", "take_order"]

_OPEN_STATES = frozenset({StudyState.COMPLETE, StudyState.UNDRAFTED})


@dataclass(frozen=True)
class _Kept:
    """What a report begins with."""

    draft_id: int
    ai_model: str
    sentences: tuple[Sentence, ...]


def order_draft(tx: UnitOfWork, study: Study, *, now: datetime) -> None:
    """Put the draft of a complete study into the queue, unless a rule says that it gets none.

    A study that gets none is open to its readers at once, with the rule's reason: no worker has to be there.
    """
    if study.routing is not None and not study.routing.draft:
        content = undrafted(study.routing.draft_reason)
        _put(tx, service_actor("listener"), study, None, content, now)
        return
    tx.work.defer(
        DRAFT_STUDY,
        queue=DRAFT_QUEUE,
        priority=study.priority,
        queueing_lock=draft_lock(study.study_uid, study.revision),
        arguments={"study_uid": study.study_uid, "revision": study.revision},
    )


def take_order(store: Store, study_uid: str, revision: int) -> DraftingOrder | None:
    """Return what is to be drafted.

    Returns
    -------
    DraftingOrder or None
        None when there is nothing left to do: a later image opened the next revision, the draft is there,
        a rule says that no model drafts it, or a person has begun to write the report by hand.

    Raises
    ------
    NotFound
        If there is no such study.
    """
    with store.begin() as tx:
        study = tx.studies.get(study_uid)
        if not _wants_draft(study, revision, tx.reports.of_revision(study_uid, revision)):
            return None
        return DraftingOrder(
            study,
            tx.studies.instances(study_uid, up_to_revision=revision),
            context=clinical_context(tx, study),
            awaits_worklist=tx.work.is_awaited(worklist_lock(study_uid, revision)),
        )


def record_draft(
    store: Store,
    actor: Actor,
    *,
    study_uid: str,
    revision: int,
    content: DraftContent,
    embedding: StudyEmbedding | None = None,
    now: datetime,
) -> bool:
    """Record what the model made of a study revision, with the report that a reader goes on from.

    Parameters
    ----------
    embedding
        Of the images that were drafted, for the search for similar studies; one that is none is not kept.

    A draft that is not fit to be shown (no text, a number that is none, an image of another study) is
    recorded as no draft, with that reason: the study can be written by hand at once.

    Returns
    -------
    bool
        False when it comes too late: another worker was first, the revision is superseded, or a person has
        begun to write. Nothing has changed then.
    """
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        report = tx.reports.lock_revision(study_uid, revision)
        if not _wants_draft(study, revision, report):
            return False
        recorded = _put(tx, actor, study, report, content, now)
        if recorded and embedding is not None:
            _keep(tx, study, embedding, now)
        return recorded


def drafts_without_embedding(
    store: Store, identity: ModelIdentity, *, before: int | None = None
) -> tuple[Draft, ...]:
    """Return the next drafts of a model that have no embedding, the newest first."""
    with store.begin() as tx:
        numbers = tx.embeddings.missing(identity, before=before, most=50)
        drafts = (tx.reports.drafts.get(number) for number in numbers)
        return tuple(draft for draft in drafts if draft is not None)


def record_embedding(store: Store, draft_id: int, embedding: StudyEmbedding, *, now: datetime) -> None:
    """Keep the embedding of an older draft, unless it is none or went with its patient."""
    with store.begin() as tx:
        draft = tx.reports.drafts.get(draft_id)
        if draft is not None and draft.content.findings and is_unit(embedding):
            tx.embeddings.put(draft_id, draft.study_uid, embedding, now=now)


def decline_overdue(store: Store, actor: Actor, *, waiting: timedelta, now: datetime) -> tuple[str, ...]:
    """Open to the readers every complete study that has waited too long for its draft (P5).

    The draft is still welcome afterwards, as long as nobody has opened the report.

    Returns
    -------
    tuple of str
        StudyInstanceUIDs of the studies that are marked as without a draft now.
    """
    with store.begin() as tx:
        overdue = tx.studies.waiting_for_draft(completed_before=now - waiting)
    return tuple(uid for uid in overdue if _decline(store, actor, uid, now))


def _decline(store: Store, actor: Actor, study_uid: str, now: datetime) -> bool:
    content = undrafted(NO_ANSWER_YET)
    with store.begin() as tx:
        study = tx.studies.get(study_uid)
    if study.state is not StudyState.COMPLETE:
        return False
    return record_draft(store, actor, study_uid=study_uid, revision=study.revision, content=content, now=now)


def _keep(tx: UnitOfWork, study: Study, embedding: StudyEmbedding, now: datetime) -> None:
    """Keep the embedding of the draft that was just recorded, if there is one and it is fit."""
    for draft in tx.reports.drafts.of_revision(study.study_uid, study.revision):
        if draft.content.is_drafted and is_unit(embedding):
            tx.embeddings.put(draft.draft_id, study.study_uid, embedding, now=now)


def _put(
    tx: UnitOfWork, actor: Actor, study: Study, report: Report | None, content: DraftContent, now: datetime
) -> bool:
    content, sentences = _checked(tx, study, content)
    if not content.is_drafted and study.state is StudyState.UNDRAFTED and study.reason == content.reason:
        return False
    draft_id = tx.reports.drafts.put(study.study_uid, study.revision, content, now=now)
    after = _outcome(study, content)
    tx.studies.save(after)
    ai_model = content.model_name if content.is_drafted else ""
    _begin_report(tx, study, report, _Kept(draft_id, ai_model, sentences), now)
    _record(tx, actor, after, content, draft_id, now)
    return True


def _wants_draft(study: Study, revision: int, report: Report | None) -> bool:
    if study.revision != revision or study.state not in _OPEN_STATES:
        return False
    if study.routing is not None and not study.routing.draft:
        return False
    return report is None or report.state is ReportState.DRAFTED


def _checked(
    tx: UnitOfWork, study: Study, content: DraftContent
) -> tuple[DraftContent, tuple[Sentence, ...]]:
    instances = tx.studies.instances(study.study_uid, up_to_revision=study.revision)
    try:
        if content.is_drafted:
            if stopped := tx.ai_models.stop_of(identify(content.model)):
                return undrafted(stopped), ()
            return content, sentences_of(content, {instance.sop_uid for instance in instances})
        require_plain_json(content)
    except Rejected as error:
        return undrafted(f"the draft was not fit to be shown: {error}"), ()
    return replace(content, status="undrafted", reason=content.reason or "the model gave no reason"), ()


def _outcome(study: Study, content: DraftContent) -> Study:
    if not content.is_drafted:
        return study.decline_draft(content.reason)
    raised = with_findings(Priority(study.priority, study.priority_reason), content.present_findings)
    return study.draft(raised)


def _begin_report(tx: UnitOfWork, study: Study, report: Report | None, draft: _Kept, now: datetime) -> None:
    if report is None:
        tx.reports.add(
            study.study_uid,
            study.revision,
            draft_id=draft.draft_id,
            ai_model=draft.ai_model,
            sentences=draft.sentences,
            now=now,
        )
        return
    begun = replace(
        report,
        draft_id=draft.draft_id,
        ai_model=draft.ai_model,
        sentences=draft.sentences,
        version=report.version + 1,
        updated_at=now,
    )
    tx.reports.save(begun, *draft.sentences)


def _record(
    tx: UnitOfWork, actor: Actor, study: Study, content: DraftContent, draft_id: int, now: datetime
) -> None:
    detail: dict[str, Any] = {"revision": study.revision, "draft_id": draft_id, "priority": study.priority}
    if content.is_drafted:
        detail |= {"model": content.model_name, "sentences": len(content.sentences)}
    event = AuditEvent.STUDY_DRAFTED if content.is_drafted else AuditEvent.STUDY_UNDRAFTED
    tx.audit.append(fact_about(tx, study, event, actor, now=now, detail=detail))
