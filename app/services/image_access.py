"""Who may see the pixels of an image: whoever has opened its study, or has it beside another as a prior."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.errors import NotAuthorised
from app.domain.review import PixelSource
from app.services.permission import permit, record_denial
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store


def may_see_pixels(store: Store, actor: Actor, sop_uid: str, *, now: datetime) -> PixelSource:
    """Return where the pixels of an image lie, for a reader who has opened its study, or shows it as a prior.

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not read, the study was not opened, or there is no such image.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        instance = tx.studies.instance(sop_uid)
        emergency = require_access(tx, actor, instance.study_uid, now=now)
        if tx.reports.was_on_screen(actor.username, instance.study_uid):
            until = None if emergency is None else emergency.ends_at
            return PixelSource(instance.sha256, instance.study_uid, instance.sop_uid, until)
    act = "see pixels of a study that was not opened"
    record_denial(store, actor, act, now=now, study_uid=instance.study_uid)
    raise NotAuthorised("open the study first")
