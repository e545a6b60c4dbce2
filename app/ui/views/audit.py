"""The audit log: who did what, when; verified on demand, taken away as a file that verifies by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import streamlit as st

from app.domain.access import Action, may
from app.domain.audit import AuditEntry, AuditFilter, Outcome
from app.domain.errors import AuditBroken, Rejected
from app.services import audit
from app.services.audit_proof import proof_state
from app.ui.audit_filter import filter_fields
from app.ui.components.library import mount
from app.ui.session import Visit
from app.ui.told import tell
from app.ui.views.access import show_emergencies
from app.ui.views.audit_timeline import show_timeline
from app.ui.views.frame import show_head
from app.ui.views.operations_page import ago, utc
from app.ui.views.plain import plain
from app.ui.words import phrase, say

PAGE_ENTRIES = 100
_TABLE, _TIMELINE = phrase("Table"), phrase("Timeline")
_BEFORE = "audit_before"


def show(visit: Visit) -> None:
    """Show the newest entries that match, with the tools of an auditor."""
    show_head(visit, "audit")
    _show_proof(visit)
    wanted = _asked(visit)
    _tools(visit, wanted)
    form = st.segmented_control(
        say("Show as"), [_TABLE, _TIMELINE], default=_TABLE, format_func=say, key="audit_form"
    )
    before = st.session_state.get(_BEFORE, {}).get(repr(wanted))
    entries = audit.view_audit(
        visit.room.store, visit.actor, wanted, limit=PAGE_ENTRIES, before_seq=before, now=visit.now
    )
    if form == _TIMELINE:
        show_timeline(entries)
    else:
        _show_table(entries)
    _turn(wanted, entries)
    with st.expander(say("Emergency accesses")):
        show_emergencies(visit, may_revoke=False)


def _show_table(entries: list[AuditEntry]) -> None:
    st.dataframe(
        [_line(entry) for entry in entries],
        hide_index=True,
        height=max(300, 37 * min(len(entries) + 1, 17)),
        key="audit_entries",
        column_config={say("Time (UTC)"): st.column_config.TextColumn(width="medium")},
    )


def _show_proof(visit: Visit) -> None:
    """Show how well the log is proved: the newest proof of each kind, and what came after it."""
    state = proof_state(visit.room.store, visit.actor, now=visit.now)
    shown = (
        (say("Verified"), state.verified, say("press Verify the log")),
        (say("Sealed by a checkpoint"), state.sealed, say("the housekeeping process makes them")),
        (say("Time-stamped"), state.stamped, say("no authority is set, or none has answered")),
        (say("Taken away"), state.exported, say("export a bundle, and keep it elsewhere")),
    )
    for column, (title, entry, advice) in zip(st.columns(4), shown, strict=True):
        if entry is None:
            column.metric(title, say("never"))
            column.caption(advice)
            continue
        failed = entry.outcome != Outcome.SUCCESS
        column.metric(title, say("FAILED") if failed else say("{time} ago", time=ago(entry.at, visit.now)))
        since = state.since(entry)
        count = say("1 entry") if since == 1 else say("{count} entries", count=since)
        told = say(
            "{count} since; by {user}, {time} UTC", count=count, user=entry.username, time=utc(entry.at)
        )
        column.caption(plain(str(entry.detail.get("problem", told)) if failed else told))


def _asked(visit: Visit) -> AuditFilter:
    since, until, user, patient, study = st.columns((2, 2, 2, 2, 4))
    first = since.date_input(say("From"), value=visit.now.date() - timedelta(days=7), key="audit_since")
    last = until.date_input(say("Until"), value=visit.now.date(), key="audit_until")
    username = user.text_input(say("User"), key="audit_user").strip()
    patient_id = patient.text_input(say("Patient ID"), key="audit_patient").strip()
    named = study.text_input(say("Study Instance UID or accession number"), key="audit_study").strip()
    return AuditFilter(
        since=_midnight(first),
        until=_midnight(last, days=1),
        username=username or None,
        patient_id=patient_id or None,
        study_uid=_named_study(visit, named) or None,
    )


def _named_study(visit: Visit, named: str) -> str:
    try:
        return audit.name_study(visit.room.store, visit.actor, named, now=visit.now)
    except Rejected as error:
        st.error(plain(tell(error)))
        return named


def _midnight(day: object, *, days: int = 0) -> datetime | None:
    """Return the beginning of a day in UTC; None when no day was chosen."""
    if not isinstance(day, date):
        return None
    return datetime.combine(day, time.min, tzinfo=UTC) + timedelta(days=days)


def _tools(visit: Visit, wanted: AuditFilter) -> None:
    verify, export, _ = st.columns((2, 6, 5), vertical_alignment="center")
    if verify.button(say("Verify the log"), key="audit_verify", width="stretch"):
        _verify(visit)
    if not may(visit.actor.role, Action.EXPORT_AUDIT):
        return
    with export:
        mount("export", {"csrf": visit.csrf, "filter": filter_fields(wanted)}, key="audit_export")


def _verify(visit: Visit) -> None:
    try:
        state = audit.verify_log(visit.room.store, visit.actor, now=visit.now)
    except AuditBroken as error:
        st.error(say("The log does not verify: {reason}.", reason=plain(tell(error))))
    else:
        st.success(
            say(
                "{count} entries verified, each in its place; {checkpoints} checkpoints hold, "
                "{exposed} entries came after the last. Head: {head}",
                count=state.count,
                checkpoints=state.checkpoints,
                exposed=state.exposed,
                head=state.head,
            )
        )


def _line(entry: AuditEntry) -> dict[str, object]:
    return {
        say("Number"): entry.seq,
        say("Time (UTC)"): entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        say("Event"): entry.event,
        say("Outcome"): entry.outcome,
        say("User"): entry.username,
        say("Role"): entry.role,
        say("Address"): entry.source,
        say("Study"): entry.study_uid,
        say("Patient (ref)"): entry.patient_ref[:12],
        say("Detail"): ", ".join(f"{name}={value}" for name, value in entry.detail.items()),
        say("Digest"): entry.digest[:12],
    }


def _turn(wanted: AuditFilter, entries: list[AuditEntry]) -> None:
    newest, older, _ = st.columns((1, 1, 8))
    if newest.button(say("Newest"), key="audit_newest"):
        st.session_state.pop(_BEFORE, None)
        st.rerun()
    is_last = len(entries) < PAGE_ENTRIES
    if older.button(say("Older"), key="audit_older", disabled=is_last):
        st.session_state[_BEFORE] = {repr(wanted): entries[-1].seq}
        st.rerun()
