"""The AI models of this installation: which draft, what their cards say, and the switch that stops one."""

from __future__ import annotations

import streamlit as st

from app.domain.access import Action, may
from app.domain.ai_model import KnownModel
from app.domain.reason import LONGEST_REASON
from app.services import ai_models
from app.ui.session import Visit
from app.ui.views.frame import show_head
from app.ui.views.operations_page import attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say


def show(visit: Visit) -> None:
    """Show every model that was loaded here, and one of them whole."""
    show_head(visit, "models")
    models = ai_models.list_models(visit.room.store, visit.actor, now=visit.now)
    st.caption(
        say(
            "AI text is a proposal until a person has accepted it, sentence by sentence, and signed. "
            "What a model can and cannot do stands in its card."
        )
    )
    if not models:
        st.info(say("No model has been loaded yet: no study has got an AI draft."))
        return
    for model in models:
        if model.is_stopped:
            st.error(plain(_stopped(model)))
    st.dataframe([_line(model) for model in models], hide_index=True, key="models_table")
    numbers = {model.number: model for model in models}
    chosen = st.selectbox(
        say("Model"), list(numbers), format_func=lambda number: numbers[number].identity.name
    )
    _show_model(visit, numbers[chosen])


def _show_model(visit: Visit, model: KnownModel) -> None:
    st.text(f"{say('Weights SHA-256')}   {model.identity.weights_sha256}")
    st.text(f"{say('Adapters SHA-256')}   {model.identity.adapters_sha256 or say('none')}")
    if model.is_stopped:
        _offer_resuming(visit, model)
    else:
        _offer_stop(visit, model)
    st.subheader(say("Model card"), anchor=False)
    with st.container(border=True, key="model_card"):
        st.markdown(model.card or say("Its folder has no model card: ask whoever installed it."))


def _offer_stop(visit: Visit, model: KnownModel) -> None:
    if model.stop_reason:
        told = say("Was stopped before, by {user}: {reason}", user=model.stopped_by, reason=model.stop_reason)
        st.caption(plain(told))
    if not may(visit.actor.role, Action.STOP_MODEL):
        return
    with st.form("models_stop"):
        reason = st.text_input(
            say("Why it must not draft (no patient data)"), max_chars=LONGEST_REASON, key="models_reason"
        )
        wants = st.form_submit_button(say("Stop this model"))
        st.caption(
            say("From the next study on; open drafts of it carry a warning. Studies are written by hand.")
        )
    if wants:
        attempt(
            lambda: ai_models.stop_model(visit.room.store, visit.actor, model.number, reason, now=visit.now)
        )


def _offer_resuming(visit: Visit, model: KnownModel) -> None:
    if not may(visit.actor.role, Action.RESUME_MODEL):
        return
    st.caption(say("Studies that went without a draft and nobody has begun are drafted then."))
    if st.button(say("Let it draft again")):
        attempt(lambda: ai_models.resume_model(visit.room.store, visit.actor, model.number, now=visit.now))


def _stopped(model: KnownModel) -> str:
    return say(
        "{model} was stopped by {user}: {reason}",
        model=model.identity.name,
        user=model.stopped_by,
        reason=model.stop_reason,
    )


def _line(model: KnownModel) -> dict[str, object]:
    return {
        say("Model"): model.identity.name,
        say("Preset"): model.preset,
        say("State"): say("stopped") if model.is_stopped else say("may draft"),
        say("Last loaded (UTC)"): utc(model.last_loaded_at),
        say("First loaded (UTC)"): utc(model.first_loaded_at),
        say("Reports begun"): model.reports,
    }
