"""Autosave, sentence by sentence: each change is one transaction under the report's row lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent
from app.domain.errors import StaleVersion
from app.domain.report import Report, Section, Sentence, clean_text
from app.domain.review import LEASE
from app.services.facts import fact_about
from app.services.locking import hold, require_pen
from app.services.permission import permit
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store


def edit_sentence(
    store: Store,
    actor: Actor,
    report_id: int,
    key: str,
    text: str,
    *,
    version: int | None = None,
    lease: timedelta = LEASE,
    now: datetime,
) -> Report:
    """Save the reader's text of a sentence and return the report.

    The same text again changes nothing: an autosave does not make the model's text the reader's.

    Parameters
    ----------
    version
        The report's version that the text was written from; None writes whatever else has changed.
    lease
        How long the lock lasts from now on.

    Raises
    ------
    LockedByOther, InvalidTransition, StaleVersion, NotFound, Rejected
        Nothing was saved.
    """

    def edited(report: Report) -> Sequence[Sentence]:
        sentence = report.sentence(key)
        return (sentence if clean_text(text) == sentence.text else sentence.edit(text),)

    return _change(
        store, actor, report_id, edited, AuditEvent.SENTENCE_EDITED, version=version, lease=lease, now=now
    )


def accept_sentence(
    store: Store, actor: Actor, report_id: int, key: str, *, lease: timedelta = LEASE, now: datetime
) -> Report:
    """Make a sentence of the model the reader's own; raises as `edit_sentence`."""
    return _change(
        store,
        actor,
        report_id,
        lambda report: (report.sentence(key).accept(),),
        AuditEvent.SENTENCE_ACCEPTED,
        lease=lease,
        now=now,
    )


def reject_sentence(
    store: Store, actor: Actor, report_id: int, key: str, *, lease: timedelta = LEASE, now: datetime
) -> Report:
    """Refuse a sentence: it stays on record and never leaves; raises as `edit_sentence`."""
    return _change(
        store,
        actor,
        report_id,
        lambda report: (report.sentence(key).reject(),),
        AuditEvent.SENTENCE_REJECTED,
        lease=lease,
        now=now,
    )


def add_sentence(
    store: Store,
    actor: Actor,
    report_id: int,
    section: Section,
    text: str,
    *,
    after: str = "",
    lease: timedelta = LEASE,
    now: datetime,
) -> Report:
    """Add a sentence of the reader's own; raises as `edit_sentence`.

    Parameters
    ----------
    after
        Key of the sentence that it follows in this section; at the end without.
    """
    return _change(
        store,
        actor,
        report_id,
        lambda report: report.insert(section, text, after=after),
        AuditEvent.SENTENCE_EDITED,
        lease=lease,
        now=now,
    )


def reopen_sentence(
    store: Store, actor: Actor, report_id: int, key: str, *, lease: timedelta = LEASE, now: datetime
) -> Report:
    """Take back the last decision about a sentence; raises as `edit_sentence`."""
    return _change(
        store,
        actor,
        report_id,
        lambda report: (report.sentence(key).reopen(),),
        AuditEvent.SENTENCE_REOPENED,
        lease=lease,
        now=now,
    )


def move_sentence(
    store: Store,
    actor: Actor,
    report_id: int,
    key: str,
    *,
    step: int,
    lease: timedelta = LEASE,
    now: datetime,
) -> Report:
    """Let a sentence change places with the one before (-1) or after (1) in its section.

    At the end of the section nothing changes; raises as `edit_sentence`.
    """
    return _change(
        store,
        actor,
        report_id,
        lambda report: report.move(key, step),
        AuditEvent.SENTENCE_MOVED,
        lease=lease,
        now=now,
    )


def _change(
    store: Store,
    actor: Actor,
    report_id: int,
    make: Callable[[Report], Sequence[Sentence]],
    event: AuditEvent,
    *,
    version: int | None = None,
    lease: timedelta,
    now: datetime,
) -> Report:
    permit(store, actor, Action.EDIT_REPORT, now=now)
    with begin_on_study(store, actor, Action.EDIT_REPORT, now=now) as tx:
        report = tx.reports.lock(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        hold(tx, require_pen(tx, actor, report, now=now), lease=lease, now=now)
        if version is not None and version != report.version:
            raise StaleVersion(f"the report has changed since version {version}: it is at {report.version}")
        changed = [sentence for sentence in make(report) if sentence not in report.sentences]
        if not changed:
            return report
        after = report.with_sentences(changed, now=now)
        tx.reports.save(after, *changed)
        sentence = changed[0]
        study = tx.studies.get(report.study_uid)
        detail = {
            "report_id": report_id,
            "version": after.version,
            "key": sentence.key,
            "section": sentence.section.value,
            "length": len(sentence.text),
        }
        tx.audit.append(fact_about(tx, study, event, actor, now=now, detail=detail))
        return after
