"""The frame of every page: head, places that the role may go to, and the view in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from app.domain.access import Action, Role, may
from app.domain.study import Study
from app.services.preferences import save_preference
from app.ui.components.library import mount
from app.ui.present import patient_data
from app.ui.session import Visit
from app.ui.terms import term
from app.ui.words import LANGUAGE, LANGUAGES, known_language, language, phrase, say


@dataclass(frozen=True)
class Place:
    """A view that can be gone to, and the action that it takes.

    Attributes
    ----------
    is_listed
        Whether the head offers it; a study is opened from the worklist.
    """

    title: str
    action: Action
    show: Callable[[Visit], None]
    is_listed: bool = True


def places() -> Mapping[str, Place]:
    """Return every view by its name in the address."""
    from app.ui.views import (
        access,
        account,
        audit,
        critical,
        models,
        operations,
        quality,
        review,
        rules,
        second_review,
        templates,
        users,
        words,
        worklist,
    )

    return {
        "worklist": Place(phrase("Worklist"), Action.LIST_STUDIES, worklist.show),
        "review": Place(phrase("Review"), Action.OPEN_STUDY, review.show, is_listed=False),
        "critical": Place(phrase("Critical results"), Action.HANDLE_CRITICAL, critical.show),
        "quality": Place(phrase("Quality"), Action.VIEW_QUALITY, quality.show),
        "second_review": Place(phrase("Second reviews"), Action.SECOND_REVIEW, second_review.show),
        "audit": Place(phrase("Audit"), Action.VIEW_AUDIT, audit.show),
        "models": Place(phrase("AI models"), Action.VIEW_MODELS, models.show),
        "operations": Place(phrase("Operations"), Action.VIEW_OPERATIONS, operations.show),
        "rules": Place(phrase("Rules"), Action.MANAGE_RULES, rules.show),
        "templates": Place(phrase("Templates"), Action.MANAGE_TEMPLATES, templates.show),
        "words": Place(phrase("Own words"), Action.MANAGE_WORDS, words.show),
        "access": Place(phrase("Study access"), Action.MANAGE_ACCESS, access.show),
        "users": Place(phrase("Users"), Action.MANAGE_USERS, users.show),
        "account": Place(phrase("Account"), Action.OWN_ACCOUNT, account.show),
    }


def show_page(visit: Visit) -> None:
    """Show the view that the address names, or the first that the role may see."""
    open_to = {name: place for name, place in places().items() if may(visit.actor.role, place.action)}
    name = st.query_params.get("view", "")
    if name not in open_to:
        name = next(iter(open_to))
    if name != "review":
        from app.ui.views import review

        review.leave(visit)
    if name != "critical":
        from app.ui.views import critical

        critical.leave()
    if name != "second_review":
        from app.ui.views import second_review

        second_review.leave()
    open_to[name].show(visit)


def show_head(visit: Visit, here: str, study: Study | None = None) -> None:
    """Show the head of the page; going elsewhere starts a new run."""
    listed = [(name, place.title) for name, place in places().items() if place.is_listed]
    with st.container(key="head"):
        events = mount(
            "header",
            {
                "places": [{"name": n, "title": say(t)} for n, t in listed if _may_go(visit.actor.role, n)],
                "here": here,
                "user": visit.actor.printed_name,
                "role": term(visit.actor.role),
                "languages": [{"code": code, "name": name} for code, name in LANGUAGES.items()],
                "csrf": visit.csrf,
                "idleMinutes": visit.room.settings.idle_minutes,
                "patient": patient_data(study) if study else None,
            },
            key="header",
            triggers=("go", "language"),
        )
    if events["language"]:
        choose_language(visit, str(events["language"]))
    if events["go"]:
        go_to(str(events["go"]))


def choose_language(visit: Visit, code: str) -> None:
    """Speak another language from now on, here and wherever this person logs in."""
    chosen = known_language(code)
    if not chosen or chosen == language():
        return
    save_preference(visit.room.store, visit.actor, LANGUAGE, chosen, now=visit.now)
    st.session_state[LANGUAGE] = chosen
    st.rerun()


def _may_go(role: Role, name: str) -> bool:
    return may(role, places()[name].action)


def go_to(view: str, **address: str) -> None:
    """Go to another view."""
    st.query_params.from_dict({"view": view, **address})
    st.rerun()
