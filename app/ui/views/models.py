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


def show(visit: Visit) -> None:
    """Show every model that was loaded here, and one of them whole."""
    show_head(visit, "models")
    models = ai_models.list_models(visit.room.store, visit.actor, now=visit.now)
    st.caption(
        "AI text is a proposal until a person has accepted it, sentence by sentence, and signed. "
        "What a model can and cannot do stands in its card."
    )
    if not models:
        st.info("No model has been loaded yet: no study has got an AI draft.")
        return
    for model in models:
        if model.is_stopped:
            st.error(plain(f"{model.identity.name} was stopped by {model.stopped_by}: {model.stop_reason}"))
    st.dataframe([_line(model) for model in models], hide_index=True, key="models_table")
    numbers = {model.number: model for model in models}
    chosen = st.selectbox("Model", list(numbers), format_func=lambda number: numbers[number].identity.name)
    _show_model(visit, numbers[chosen])


def _show_model(visit: Visit, model: KnownModel) -> None:
    st.text(f"Weights SHA-256   {model.identity.weights_sha256}")
    st.text(f"Adapters SHA-256  {model.identity.adapters_sha256 or 'none'}")
    if model.is_stopped:
        _offer_resuming(visit, model)
    else:
        _offer_stop(visit, model)
    st.subheader("Model card", anchor=False)
    with st.container(border=True, key="model_card"):
        st.markdown(model.card or "Its folder has no model card: ask whoever installed it.")


def _offer_stop(visit: Visit, model: KnownModel) -> None:
    if model.stop_reason:
        st.caption(plain(f"Was stopped before, by {model.stopped_by}: {model.stop_reason}"))
    if not may(visit.actor.role, Action.STOP_MODEL):
        return
    with st.form("models_stop"):
        reason = st.text_input(
            "Why it must not draft (no patient data)", max_chars=LONGEST_REASON, key="models_reason"
        )
        wants = st.form_submit_button("Stop this model")
        st.caption("From the next study on; open drafts of it carry a warning. Studies are written by hand.")
    if wants:
        attempt(
            lambda: ai_models.stop_model(visit.room.store, visit.actor, model.number, reason, now=visit.now)
        )


def _offer_resuming(visit: Visit, model: KnownModel) -> None:
    if not may(visit.actor.role, Action.RESUME_MODEL):
        return
    st.caption("Studies that went without a draft and nobody has begun are drafted then.")
    if st.button("Let it draft again"):
        attempt(lambda: ai_models.resume_model(visit.room.store, visit.actor, model.number, now=visit.now))


def _line(model: KnownModel) -> dict[str, object]:
    return {
        "Model": model.identity.name,
        "Preset": model.preset,
        "State": "stopped" if model.is_stopped else "may draft",
        "Last loaded (UTC)": utc(model.last_loaded_at),
        "First loaded (UTC)": utc(model.first_loaded_at),
        "Reports begun": model.reports,
    }
