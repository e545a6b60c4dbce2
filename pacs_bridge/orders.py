"""What a receiving process has to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pacs_bridge.durable import FreeSpaceFloor
from pacs_bridge.listener_config import ListenerConfig


@dataclass(frozen=True)
class Orders:
    """Pickled by the parent, unpickled by the process that it started.

    Attributes
    ----------
    spool
        Root of the spool that the parent has taken.
    """

    config: ListenerConfig
    spool: Path
    floor: FreeSpaceFloor
    service_classes: tuple[str, ...]
