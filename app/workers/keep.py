"""The housekeeping process: watches, counts, purges, hands back; nothing that a study waits for.

Each chore stands for itself: one that fails is told in the log and tried again at its next time, and delays
no other by more than its own duration.
"""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType

import structlog

from app.domain.access import service_actor
from app.domain.errors import DatabaseUnavailable
from app.services.bursts import end_bursts
from app.services.counting import Counts, Reporter
from app.services.critical import escalate_overdue, waits_of
from app.services.emergency import end_expired
from app.services.quality import watch_discordance
from app.services.second_review import draw_second_reviews
from app.services.watch import check_sources, count_work
from app.settings import Settings
from app.store.engine import Store, open_store
from app.workers.expectations import expectations
from app.workers.purge import SpoolKeeper, policy_of
from app.workers.seal_audit import seal_at_stop, seal_when_due
from app.workers.selftest import SelfTest

_POLL_SECONDS = 1.0


@dataclass
class Chore:
    """Something to be done again and again.

    Attributes
    ----------
    every
        Seconds from one end to the next begin.
    first
        Seconds before the first time.
    """

    name: str
    every: float
    act: Callable[[], object]
    first: float = 0.0
    _due: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._due = time.monotonic() + self.first

    def do_when_due(self) -> None:
        """Do it when it is time."""
        if time.monotonic() < self._due:
            return
        try:
            self.act()
        except DatabaseUnavailable:
            pass  # the processes that need it say so
        except Exception as error:  # one chore must not end the others
            structlog.get_logger().error("chore failed", chore=self.name, error=type(error).__name__)
        self._due = time.monotonic() + self.every


def keep(settings: Settings) -> None:
    """Keep house until SIGTERM or SIGINT."""
    stop = threading.Event()

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, set_stop)
    with open_store(settings) as store:
        counts = Counts()
        with Reporter("housekeeping", lambda: store, counts=counts):
            structlog.get_logger().info("ready")
            slow = (*self_test_chores(store, settings, counts), *stamp_chores(store, settings))
            threading.Thread(target=run_chores, args=(slow, stop), name="self-test", daemon=True).start()
            run_chores(chores(store, settings), stop)
            seal_at_stop(store)


def run_chores(all_chores: Sequence[Chore], stop: threading.Event) -> None:
    """Do what is due until `stop` is set."""
    while not stop.wait(_POLL_SECONDS):
        for chore in all_chores:
            if stop.is_set():
                return
            chore.do_when_due()


def chores(store: Store, settings: Settings) -> tuple[Chore, ...]:
    """Return what this process does, and how often."""
    actor = service_actor("housekeeping")
    spool = SpoolKeeper(store, actor, settings)
    return (
        Chore("count work", 10.0, lambda: count_work(store, now=datetime.now(UTC))),
        Chore("watch sources", 60.0, lambda: watch_sources(store, settings)),
        Chore("release quarantine", 5.0, spool.release_quarantine),
        Chore("purge", 300.0, lambda: spool.purge(policy_of(settings)), first=30.0),
        Chore("inspect spool", 900.0, spool.inspect, first=60.0),
        Chore("watch disk", 30.0, spool.watch_disk),
        Chore(
            "watch discordance",
            3600.0,
            lambda: watch_discordance(store, now=datetime.now(UTC)),
            first=120.0,
        ),
        Chore(
            "draw second reviews",
            3600.0,
            lambda: draw_second_reviews(
                store,
                actor,
                percent=settings.second_review_percent,
                seed=secrets.randbits(63),
                now=datetime.now(UTC),
            ),
            first=60.0,
        ),
        Chore("end bursts", 60.0, lambda: end_bursts(store, now=datetime.now(UTC))),
        Chore("seal the audit log", 10.0, lambda: seal_when_due(store, settings.audit_checkpoint_entries)),
        Chore("end emergency accesses", 5.0, lambda: end_expired(store, actor, now=datetime.now(UTC))),
        Chore(
            "escalate critical results",
            10.0,
            lambda: escalate_overdue(
                store, actor, waits=waits_of(settings.critical_minutes), now=datetime.now(UTC)
            ),
        ),
    )


def stamp_chores(store: Store, settings: Settings) -> tuple[Chore, ...]:
    """Return the time stamps, which wait for an authority outside; nothing while none is set."""
    if not settings.audit_tsa_url or settings.audit_tsa_ca_file is None:
        return ()
    from app.workers.stamp_audit import read_authority, stamp_when_due

    authority = read_authority(settings.audit_tsa_url, settings.audit_tsa_ca_file)
    actor = service_actor("housekeeping")
    return (
        Chore(
            "stamp the audit log",
            300.0,
            lambda: stamp_when_due(store, actor, authority, now=datetime.now(UTC)),
            first=30.0,
        ),
    )


def self_test_chores(store: Store, settings: Settings, counts: Counts) -> tuple[Chore, ...]:
    """Return the self-test, which waits for minutes when the path is blocked; nothing while it is off."""
    if not settings.selftest_minutes:
        return ()
    test = SelfTest(store, settings, counts)
    return (Chore("self-test", 60.0 * settings.selftest_minutes, test.run, first=60.0),)


def watch_sources(store: Store, settings: Settings) -> None:
    """Look for sources that are silent, in the time zone of this machine."""
    for ae_title in check_sources(store, expectations(settings), now=datetime.now(UTC).astimezone()):
        structlog.get_logger().warning("source silent", ae_title=ae_title)
