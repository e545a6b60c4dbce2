"""Tell the readers which model drafts: its identity and its card, once it is loaded."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.domain.access import Actor
from app.domain.ai_model import LONGEST_CARD, identify
from app.services.ai_models import note_loaded
from app.store.engine import Store

if TYPE_CHECKING:
    from janus_med.reading import ModelInfo

CARD = "MODEL_CARD.md"


def announce_model(store: Store, actor: Actor, info: ModelInfo, folder: Path | None) -> None:
    """Record that a model was loaded, with the card beside its weights; None is the bundled folder."""
    from janus_med.checkpoint import bundled_folder

    now = datetime.now(UTC)
    identity = identify(asdict(info))
    note_loaded(
        store, actor, identity, preset=info.preset, card=read_card(folder or bundled_folder()), now=now
    )


def read_card(folder: Path) -> str:
    """Return the model card of a folder; empty when it has none that can be read."""
    try:
        with (folder / CARD).open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_CARD)
    except OSError as error:
        structlog.get_logger().warning("model card unreadable", reason=type(error).__name__)
        return ""
