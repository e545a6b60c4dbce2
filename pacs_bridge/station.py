"""What the associations of one process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pacs_bridge.admission import WaitingRoom
from pacs_bridge.desk import Desk
from pacs_bridge.listener_config import VERIFICATION, ListenerConfig, offered_syntaxes
from pacs_bridge.reclaiming import Reclaiming
from pacs_bridge.sink import InstanceSink

if TYPE_CHECKING:
    from pacs_bridge.association import Association

DISK_THREADS = 16
DESK_THREADS = 2
SERVICE_THREADS = 4


@dataclass
class Station:
    """The surroundings of an association.

    Attributes
    ----------
    service_classes
        SOP classes of normalized services, offered in both roles.
    disk, desk_calls, services
        Threads for what may wait: the disk; the desk of another process; services. Apart, so that none of
        them waits for another.
    live
        Associations and connections that have not ended, by their id.
    reclaiming
        Told of each that has ended.
    """

    config: ListenerConfig
    sink: InstanceSink
    desk: Desk
    service_classes: tuple[str, ...]
    clock: Callable[[], datetime]
    loop: asyncio.AbstractEventLoop
    waiting_room: WaitingRoom = field(init=False)
    offered: Mapping[str, tuple[str, ...]] = field(init=False)
    live: dict[str, Association] = field(default_factory=dict)
    reclaiming: Reclaiming = field(default_factory=Reclaiming)

    def __post_init__(self) -> None:
        waiting = 32 + self.config.maximum_associations
        self.waiting_room = WaitingRoom(per_source=waiting, total=4 * waiting)
        self.offered = offered_syntaxes(self.service_classes)
        self.disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="disk")
        self.desk_calls = ThreadPoolExecutor(DESK_THREADS, thread_name_prefix="desk")
        self.services = ThreadPoolExecutor(SERVICE_THREADS, thread_name_prefix="service")

    def stores(self, sop_class_uid: str) -> bool:
        """Tell whether a SOP class is one of storage."""
        is_other = sop_class_uid == VERIFICATION or sop_class_uid in self.service_classes
        return sop_class_uid in self.offered and not is_other

    def close(self) -> None:
        """Let the threads end."""
        for pool in (self.disk, self.desk_calls, self.services):
            pool.shutdown(wait=False, cancel_futures=False)
