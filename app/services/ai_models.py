"""The AI models of this installation: which were loaded, what their cards say, and the switch of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.ai_model import KnownModel, ModelIdentity, identify, stopped_reason, tidy_card
from app.domain.audit import AuditEvent, AuditFact
from app.domain.draft import Draft
from app.domain.errors import Conflict
from app.domain.reason import give_reason
from app.services.drafting import order_draft
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def note_loaded(
    store: Store, actor: Actor, identity: ModelIdentity, *, preset: str, card: str, now: datetime
) -> None:
    """Record that a drafting worker has loaded a model, and keep its card for the readers."""
    with store.begin() as tx:
        number = tx.ai_models.put(identity, preset=preset, card=tidy_card(card), now=now)
        _record(tx, AuditEvent.MODEL_LOADED, actor, number, identity, now)


def list_models(store: Store, actor: Actor, *, now: datetime) -> tuple[KnownModel, ...]:
    """Return every model that was loaded here, the last loaded first.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_MODELS, now=now)
    with store.begin() as tx:
        return tx.ai_models.every()


def why_stopped(store: Store, identity: ModelIdentity) -> str:
    """Say why a model may not draft, "" when it may; asked before each study (T25)."""
    with store.begin() as tx:
        return tx.ai_models.stop_of(identity)


def stop_of_draft(tx: UnitOfWork, draft: Draft | None) -> str:
    """Say who stopped the model that wrote a draft, and why; "" while it may draft."""
    known = None if draft is None else tx.ai_models.find(identify(draft.content.model))
    return f"{known.stopped_by}: {known.stop_reason}" if known is not None and known.is_stopped else ""


def stop_model(store: Store, actor: Actor, number: int, reason: str, *, now: datetime) -> None:
    """Let a model draft no more, from the next study on; a draft under way is not recorded.

    Raises
    ------
    NotAuthorised, NotFound
    Rejected
        If the reason is missing or too long.
    Conflict
        If it is stopped already.
    """
    permit(store, actor, Action.STOP_MODEL, now=now)
    reason = give_reason(reason, "stopping a model")
    with store.begin() as tx:
        model = tx.ai_models.lock(number)
        if model.is_stopped:
            raise Conflict(f"{model.identity.name} was stopped already by {model.stopped_by}")
        tx.ai_models.save_stop(replace(model, stopped_at=now, stopped_by=actor.username, stop_reason=reason))
        _record(tx, AuditEvent.MODEL_STOPPED, actor, number, model.identity, now)


def resume_model(store: Store, actor: Actor, number: int, *, now: datetime) -> int:
    """Let a stopped model draft again, also the studies that went without a draft and nobody has begun.

    Returns
    -------
    int
        Studies that were put back into the queue.

    Raises
    ------
    NotAuthorised, NotFound
    Conflict
        If it is not stopped.
    """
    permit(store, actor, Action.RESUME_MODEL, now=now)
    with store.begin() as tx:
        model = tx.ai_models.lock(number)
        if not model.is_stopped:
            raise Conflict(f"{model.identity.name} is not stopped")
        tx.ai_models.save_stop(replace(model, stopped_at=None))
        missed = tx.studies.undrafted_because(stopped_reason(model.identity))
        for study in missed:
            order_draft(tx, study, now=now)
        _record(tx, AuditEvent.MODEL_RESUMED, actor, number, model.identity, now, studies=len(missed))
    return len(missed)


def _record(
    tx: UnitOfWork,
    event: AuditEvent,
    actor: Actor,
    number: int,
    identity: ModelIdentity,
    now: datetime,
    **more: int,
) -> None:
    """Record an act on a model; the reason stays in its row, since it is free text."""
    detail = {
        "model": identity.model_id,
        "weights_sha256": identity.weights_sha256,
        "adapters_sha256": identity.adapters_sha256,
        "number": number,
        **more,
    }
    tx.audit.append(AuditFact(event=event, actor=actor, at=now, detail=detail))
