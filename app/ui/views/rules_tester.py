"""The rule tester: for a study of the worklist, or for the head of a file, which rule fires and why."""

from __future__ import annotations

import base64
import binascii
import io

import streamlit as st

from app.domain.errors import Rejected, RulesBroken
from app.domain.rules import RuleSet, Ruling, StudyFacts
from app.domain.rules_toml import read_rules
from app.domain.study import Study, StudyState
from app.domain.worklist import SortKey, WorklistQuery
from app.header_file import read_spooled_values
from app.services import reading, rules
from app.services.header_values import HEADER_BYTES, read_header_values
from app.services.rule_text import decision_lines, verdict_lines
from app.ui.components.library import mount
from app.ui.session import Visit
from app.ui.terms import study_state, term
from app.ui.told import retell, tell
from app.ui.views.plain import plain
from app.ui.words import say

_NEWEST = 50
# one byte more than is read tells that the file goes on
HEAD_BYTES = HEADER_BYTES + 1


def show(visit: Visit, content: bytes) -> None:
    """Show the tester for the rules that stand in the editor."""
    try:
        found = read_rules(content, targets=visit.room.settings.rule_targets)
    except RulesBroken:
        st.caption(say("Mend the rules first."))
        return
    study, file = st.columns(2)
    with study:
        _try_study(visit, found)
    with file:
        _try_file(visit, found)


def _try_study(visit: Visit, found: RuleSet) -> None:
    query = WorklistQuery(states=tuple(StudyState), sort=SortKey.RECEIVED, limit=_NEWEST)
    page = reading.refresh_worklist(visit.room.store, visit.actor, query, now=visit.now)
    studies = {row.study.study_uid: row.study for row in page.rows}
    chosen = st.selectbox(
        say("Study"), list(studies), format_func=lambda uid: _label(studies[uid]), key="rules_study"
    )
    if chosen is None:
        st.write(say("There is no study yet."))
        return
    if st.button(say("Try on this study"), help=say("Recorded: it shows values of the patient")):
        objects = visit.room.settings.spool_dir / "objects"
        _show(
            rules.try_rules(
                visit.room.store,
                visit.actor,
                found,
                chosen,
                lambda instance, keywords: read_spooled_values(objects, instance, keywords),
                now=visit.now,
            )
        )
    if studies[chosen].state is StudyState.EXCLUDED and st.button(say("Take it into the worklist")):
        rules.include_study(visit.room.store, visit.actor, chosen, now=visit.now)
        st.rerun()


def _label(study: Study) -> str:
    state = study_state(study.state)
    return f"{study.received_at:%Y-%m-%d %H:%M} {study.modality} {study.description} {state}"


def _try_file(visit: Visit, found: RuleSet) -> None:
    calling = st.text_input(say("Sent by"), max_chars=16, key="rules_calling", placeholder=say("AE title"))
    ours = visit.room.settings.ae_title
    called = st.text_input(say("To"), value=ours, max_chars=16, key="rules_called")
    events = mount("header_file", {"bytes": HEAD_BYTES}, key="rules_file", triggers=("head",))
    if events["head"]:
        facts = StudyFacts(calling_ae=calling, called_ae=called or ours, received_at=visit.now)
        try:
            _show(try_head(visit, found, str(events["head"]), facts))
        except Rejected as error:
            st.error(plain(tell(error)))


def try_head(visit: Visit, found: RuleSet, head: str, facts: StudyFacts) -> Ruling:
    """Return what the rules decide for the head of a file, in base64; nothing of it is kept.

    Raises
    ------
    Rejected
        If it is no DICOM file.
    """
    header = read_header_values(io.BytesIO(_decoded(head)), found.keywords)
    if header.problem:
        raise Rejected(header.problem)
    return rules.try_rules_on_file(visit.room.store, visit.actor, found, facts, header, now=visit.now)


def _decoded(head: str) -> bytes:
    if len(head) > HEAD_BYTES * 4 // 3 + 4:
        raise Rejected("more than the head of a file was sent")
    try:
        return base64.b64decode(head, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected("not the head of a file") from None


def _show(ruling: Ruling) -> None:
    for verdict in ruling.verdicts:
        with st.container(border=True):
            st.write(f"**{plain(verdict.rule.name)}** {plain(term(verdict.answer))}")
            st.text("\n".join(map(retell, verdict_lines(verdict))))
    with st.container(border=True):
        st.write(f"**{say('Decision')}**")
        st.text("\n".join(map(retell, decision_lines(ruling.routing))))
