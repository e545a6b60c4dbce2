"""Where the drafts stand that the rows of a worklist wait for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.work import draft_lock
from app.domain.worklist import WorklistPage
from app.store.unit_of_work import UnitOfWork


def with_drafts(tx: UnitOfWork, page: WorklistPage, *, now: datetime) -> WorklistPage:
    """Add to the rows of a page that wait for a draft where it stands; without such rows nothing is asked."""
    locks = {
        row.study.study_uid: draft_lock(row.study.study_uid, row.study.revision)
        for row in page.rows
        if row.awaits_draft
    }
    waiting = tx.draft_queue.waiting(tuple(locks.values()), now=now)
    if not waiting:
        return page
    drafts = {study_uid: waiting.get(lock) for study_uid, lock in locks.items()}
    rows = tuple(replace(row, draft=drafts.get(row.study.study_uid)) for row in page.rows)
    return replace(page, rows=rows)
