"""DICOMweb for a caller: what may be searched, retrieved and stored, each of it on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.access import Action, Actor, service_actor
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.dicomweb import Page, Search
from app.domain.errors import NotFound, StudyRestricted
from app.domain.identifiers import is_uid
from app.domain.study import Instance
from app.domain.study_access import reader_of
from app.services.facts import fact_about
from app.services.permission import permit
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store

# a viewer asks for a study in hundreds of requests: one entry says that it was given out
_ONE_LOOK = timedelta(minutes=15)


def search(store: Store, actor: Actor, wanted: Search, *, now: datetime) -> Page:
    """Return one page of a search.

    What the caller may not open is not found. The names of the attributes that narrow it are recorded, their
    values are not.

    Raises
    ------
    NotAuthorised
        If the role may not list studies.
    """
    permit(store, actor, Action.LIST_STUDIES, now=now)
    with store.begin() as tx:
        page = tx.dicomweb.search(wanted, reader=reader_of(actor), now=now)
        studies = wanted.study_uids
        detail = {
            "by": "dicomweb",
            "level": wanted.level.value,
            "filters": sorted({key.value for key, _ in wanted.matches}),
            "offset": wanted.offset,
            "shown": len(page.rows),
        }
        tx.audit.append(
            AuditFact(
                event=AuditEvent.LIST_STUDIES,
                actor=actor,
                at=now,
                study_uid=studies[0] if len(studies) == 1 and is_uid(studies[0]) else "",
                detail=detail,
            )
        )
        return page


def retrieve(
    store: Store,
    actor: Actor,
    study_uid: str,
    *,
    series_uid: str | None = None,
    sop_uid: str | None = None,
    now: datetime,
) -> tuple[Instance, ...]:
    """Return the instances of a study, a series, or one instance, as something that is given out.

    Recorded once in a quarter of an hour for each caller and study.

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not read, or intake knows no such instance that the caller may open: what is
        restricted is refused as if it were not there.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now, study_uid=study_uid if is_uid(study_uid) else "")
    for uid in (study_uid, series_uid, sop_uid):
        if uid is not None and not is_uid(uid):
            raise NotFound("there is no such study, series or instance")
    try:
        return _give_out(store, actor, study_uid, series_uid, sop_uid, now)
    except StudyRestricted:
        raise NotFound("there is no such study, series or instance") from None


def _give_out(
    store: Store, actor: Actor, study_uid: str, series_uid: str | None, sop_uid: str | None, now: datetime
) -> tuple[Instance, ...]:
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        instances = tx.dicomweb.instances(study_uid, series_uid=series_uid, sop_uid=sop_uid)
        if not instances:
            raise NotFound("there is no such study, series or instance")
        emergency = require_access(tx, actor, study_uid, now=now)
        if not tx.dicomweb.was_retrieved(actor.username, study_uid, since=now - _ONE_LOOK):
            study = tx.studies.get(study_uid)
            detail: dict[str, object] = {"by": "dicomweb", "instances": len(instances)}
            if emergency is not None:
                detail["emergency_id"] = emergency.emergency_id
            tx.audit.append(
                fact_about(tx, study, AuditEvent.INSTANCES_RETRIEVED, actor, now=now, detail=detail)
            )
        return instances


def permit_storing(store: Store, actor: Actor, *, now: datetime) -> None:
    """Let a caller pass who may store.

    Raises
    ------
    NotAuthorised
        Otherwise; on record.
    """
    permit(store, actor, Action.STORE_INSTANCES, now=now)


def record_unknown_token(store: Store, *, source: str, now: datetime) -> None:
    """Note a bearer token that belongs to nobody; the token itself is kept nowhere."""
    with store.begin() as tx:
        tx.audit.append(
            AuditFact(
                event=AuditEvent.LOGIN_FAILED,
                actor=replace(service_actor("dicomweb"), source=source),
                at=now,
                outcome=Outcome.FAILURE,
                detail={"reason": "unknown token", "purpose": "dicomweb"},
            )
        )
