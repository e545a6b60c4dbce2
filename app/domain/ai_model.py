"""An AI model as this installation knows it: what it is, what its card says, and whether it may draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LONGEST_CARD = 200_000


@dataclass(frozen=True)
class ModelIdentity:
    """One version of a model: the same id with other weights or adapters is another one.

    Attributes
    ----------
    weights_sha256, adapters_sha256
        Hex digests of the files that were loaded.
    """

    model_id: str
    weights_sha256: str
    adapters_sha256: str

    @property
    def name(self) -> str:
        """The model's id with the first digits of its weights' digest, as shown beside AI text."""
        return f"{self.model_id} ({self.weights_sha256[:12]})"


@dataclass(frozen=True)
class KnownModel:
    """A model version that a drafting worker has loaded here.

    Attributes
    ----------
    card
        The text of its model card (Markdown); empty when its folder has none.
    stopped_at
        None while it may draft.
    stopped_by, stop_reason
        Who stopped it the last time and why, also after it was resumed; empty when nobody ever did.
    reports
        How many reports of this installation began with a draft by a model of this name.
    """

    number: int
    identity: ModelIdentity
    preset: str
    card: str
    first_loaded_at: datetime
    last_loaded_at: datetime
    stopped_at: datetime | None
    stopped_by: str
    stop_reason: str
    reports: int = 0

    @property
    def is_stopped(self) -> bool:
        """Whether it may not draft."""
        return self.stopped_at is not None


def identify(model: Mapping[str, Any]) -> ModelIdentity:
    """Return which model version a draft names (`docs/draft_json.md`)."""
    return ModelIdentity(
        model_id=str(model.get("id", "unknown")),
        weights_sha256=str(model.get("weights_sha256", "")),
        adapters_sha256=str(model.get("adapters_sha256", "")),
    )


def stopped_reason(identity: ModelIdentity) -> str:
    """Return why a study has no draft while its model is stopped."""
    return f"the AI model {identity.name} is stopped"


def tidy_card(text: str) -> str:
    """Return a model card without what a database or a page cannot take: NUL, and pictures from elsewhere."""
    return text.replace("\x00", "").replace("![", "[")[:LONGEST_CARD]
