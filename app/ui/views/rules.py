"""The routing rules: the file as it is, an edit with its mistakes and its difference, and the tester."""

from __future__ import annotations

from datetime import UTC

import streamlit as st

from app.domain.errors import DatabaseUnavailable, Rejected
from app.services import rules
from app.services.rules import RulesFile
from app.ui.session import Visit
from app.ui.told import tell
from app.ui.views import rules_tester
from app.ui.views.frame import show_head
from app.ui.views.plain import plain
from app.ui.words import say

_TEXT, _BEGAN = "rules_text", "rules_began"


def show(visit: Visit) -> None:
    """Show the file with its editor, the tester, and what was in force before."""
    show_head(visit, "rules")
    settings = visit.room.settings
    file = rules.view_rules(
        visit.room.store, visit.actor, settings.rules_path, settings.rule_targets, now=visit.now
    )
    warn_of(file.problem)
    text = _edit(visit, file)
    st.subheader(say("Try the rules"), anchor=False)
    rules_tester.show(visit, text.encode())
    _show_versions(file)


def warn_of(problem: str) -> None:
    """Say that the file is broken, and what that means."""
    if problem:
        mistakes = "\n".join(f"- {plain(line)}" for line in problem.splitlines())
        st.warning(
            say("The file of the routing rules is broken. The last good rules stay in force.")
            + f"\n\n{mistakes}"
        )


def _edit(visit: Visit, file: RulesFile) -> str:
    """Show the editor and return its text, the one that the tester uses."""
    if _TEXT not in st.session_state:
        st.session_state[_TEXT], st.session_state[_BEGAN] = file.text, file.sha256
    path = visit.room.settings.rules_path
    st.caption(plain(say("{path}: a change by hand shows here too", path=path)))
    text = st.text_area(say("Rules (TOML)"), key=_TEXT, height=360)
    problem = rules.problem_of(text.encode(), visit.room.settings.rule_targets)
    for line in problem.splitlines():
        st.error(plain(line))
    if changed := rules.difference(file.text, text):
        st.code(changed, language="diff")
    save, again, _ = st.columns((1, 1, 6))
    if save.button(say("Save"), type="primary", disabled=bool(problem) or not changed):
        _save(visit, text)
    if again.button(say("Open again"), help=say("Drops the edit")):
        _forget()
    return text


def _save(visit: Visit, text: str) -> None:
    settings = visit.room.settings
    try:
        rules.save_rules(
            visit.room.store,
            visit.actor,
            settings.rules_path,
            text.encode(),
            read_sha256=str(st.session_state[_BEGAN]),
            targets=settings.rule_targets,
            now=visit.now,
        )
    except (Rejected, DatabaseUnavailable) as error:
        st.error(say("Not saved: {reason}.", reason=plain(tell(error))))
    else:
        _forget()


def _forget() -> None:
    """Begin the next run with the file as it is then."""
    st.session_state.pop(_TEXT, None)
    st.rerun()


def _show_versions(file: RulesFile) -> None:
    st.subheader(say("In force, newest first"), anchor=False)
    for version in file.versions:
        at = version.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        with st.expander(plain(f"{at}, {version.username}, {version.sha256[:12]}")):
            st.code(version.content.decode("utf-8", "replace") or say("(no rules)"), language="toml")
    if not file.versions:
        st.write(say("No rules were in force yet."))
