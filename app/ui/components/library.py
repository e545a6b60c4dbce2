"""Mounts the components: a stub in the page loads each one's script from our own server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import streamlit as st

from app.ui.components.files import asset_url, read_text, scaled
from app.ui.words import ENGLISH, language

Renderer = Callable[..., Any]
Act = Callable[[Any], None]
_NOTHING: Mapping[str, Act] = {}

# A module from a blob address cannot import by path, so the stub asks for the whole address; the scripts
# themselves import each other as files do, and share what they share.
_STUB = """const load = (address) => import(new URL(address, window.location.origin).href);
export default async (component) => {
  const { useLanguage } = await load("%s");
  const { noteAsked } = await load("%s");
  await useLanguage(component.data.language);
  const { default: mount } = await load("%s");
  return mount({ ...component, setTriggerValue: noteAsked(component.setTriggerValue) });
};
"""


@cache
def _component(name: str) -> Renderer:
    style = scaled(read_text("css/tokens.css") + read_text(f"css/{name}.css"))
    stub = _STUB % tuple(asset_url(f"js/{script}.js") for script in ("words", "asked", name))
    renderer: Renderer = st.components.v2.component(f"janus_med_{name}", css=style, js=stub)
    return renderer


def _ignore() -> None:
    """Streamlit wants a callback for each trigger; the value is read where the component is mounted."""


def _before_run(own_key: str, trigger: str, act: Act) -> Callable[[], None]:
    def run() -> None:
        value = st.session_state[own_key].get(trigger)
        if value is not None:
            act(value)

    return run


def mount(
    name: str,
    data: Mapping[str, Any],
    *,
    key: str,
    triggers: tuple[str, ...] = (),
    on: Mapping[str, Act] = _NOTHING,
) -> Mapping[str, Any]:
    """Mount a component and return what it was triggered with in this run.

    Parameters
    ----------
    name
        ``header``, ``worklist``, ``viewer``, ``editor`` or another script of ours.
    triggers
        Events that make the script run; each is in the result, None unless it is the reason for this run.
    on
        What is done with further events before the script runs: what the page shows is right in that one run.
    """
    spoken = language()
    # what speaks another language is another element: its texts are set once
    own_key = key if spoken == ENGLISH else f"{key}_{spoken}"
    callbacks = {f"on_{trigger}_change": _ignore for trigger in triggers}
    callbacks |= {f"on_{trigger}_change": _before_run(own_key, trigger, act) for trigger, act in on.items()}
    result = _component(name)(key=own_key, data={**data, "language": spoken}, **callbacks)
    return {trigger: getattr(result, trigger, None) for trigger in triggers}
