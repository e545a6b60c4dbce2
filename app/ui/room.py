"""What the reading room needs of the rest: the store, the settings, the pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from app.services.similar import EmbeddingCache
from app.ui.changes import Changes
from app.ui.limits import Limits
from app.ui.metrics import RoomMetrics

if TYPE_CHECKING:
    from app.services.dictation import DictationDesk
    from app.services.openid_provider import OpenIdProvider
    from app.settings import Settings
    from app.store.engine import Store
    from app.ui.pixels import PixelCache
    from app.ui.warming import Warming

# Streamlit runs its script by path and hands it nothing: the server leaves the room here, one a process.
_FURNISHED: list[Room] = []


@dataclass(frozen=True, eq=False)
class Room:
    """One reading room, one a process.

    Attributes
    ----------
    warming
        Decodes pictures before they are asked for; None where nobody waits for them.
    """

    store: Store
    settings: Settings
    pixels: PixelCache
    metrics: RoomMetrics = field(default_factory=RoomMetrics)
    provider: OpenIdProvider | None = None
    dictation: DictationDesk | None = None
    embeddings: EmbeddingCache = field(default_factory=EmbeddingCache)
    warming: Warming | None = None

    @cached_property
    def limits(self) -> Limits:
        """How often this room may be asked."""
        return Limits(self.store, self.settings, self.metrics.rate_limited)

    @cached_property
    def changes(self) -> Changes:
        """Word of changes of the worklist."""
        return Changes(self.store.conninfo)

    @property
    def idle(self) -> timedelta:
        """Time without input after which a session or a lock ends."""
        return timedelta(minutes=self.settings.idle_minutes)


def furnish(room: Room) -> None:
    """Make `room` the one that scripts of this process work in."""
    _FURNISHED[:] = [room]


def this_room() -> Room:
    """Return the room of this process.

    Raises
    ------
    RuntimeError
        If the script was not started by `app.ui.server`.
    """
    if not _FURNISHED:
        raise RuntimeError("the reading room is started with `janus-med ui`, not with `streamlit run`")
    return _FURNISHED[0]
