"""Tells the audit log to the hospital's audit record repository: PS3.15 A.5 messages over TLS syslog.

At least once and in order. An entry counts as told when the collector's machine has acknowledged its octets
and the connection has stood for a moment after; whatever was sent in that last moment is sent again over the
next connection, under the same number.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import structlog

from app.addresses import is_loopback
from app.domain.audit import AuditEntry, Outcome
from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.neighbours import AuditCollector
from app.services.audit_forwarding import LEASE, entries_after, hold_collector, record_told
from app.settings import Settings
from app.store.engine import Store
from app.workers.audit_forms import AuditSource, as_message
from app.workers.tls_files import open_client_context
from pacs_bridge.audit_message import render_audit_message
from pacs_bridge.errors import Retriable
from pacs_bridge.syslog import NOTICE, WARNING, Collector, SyslogConnection, SyslogOrigin, frame_syslog

BATCH = 200
SETTLE = timedelta(seconds=2)
_IDLE_SECONDS = 0.5
_LONGEST_WAIT = 60.0
_STOP_SECONDS = 5.0
# the header, the structured data and the byte order mark count too (PS3.15 A.6)
_LARGEST_BODY = 32_768 - 512


class AuditForwarder:
    """One collector and how far it has been told.

    Parameters
    ----------
    collector
        Where it listens; `name` is what its place in the database is called.
    settle
        How long a connection must have stood after an entry was sent.
    """

    def __init__(
        self,
        store: Store,
        collector: Collector,
        *,
        name: str,
        source: AuditSource,
        settle: timedelta = SETTLE,
    ) -> None:
        self._store = store
        self._collector = collector
        self._name = name
        self._source = source
        self._settle = settle
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{id(self)}"
        self._origin = SyslogOrigin(host=socket.getfqdn(), process=str(os.getpid()))
        self._connection: SyslogConnection | None = None
        self._sent: deque[tuple[int, datetime]] = deque()
        self._told = 0
        self._renew_at = datetime.min.replace(tzinfo=UTC)

    def step(self, *, now: datetime) -> int:
        """Send the next entries and note what has arrived; returns how many were sent.

        Raises
        ------
        Retriable
            When the collector is away: what was not noted is sent again.
        DatabaseUnavailable
        """
        if not self._hold(now):
            return 0
        try:
            if self._connection is None:
                self._connection = SyslogConnection(self._collector)
            self._note_arrived(self._connection, now)
            return self._send(self._connection, now)
        except Retriable:
            self.drop()
            raise

    def _hold(self, now: datetime) -> bool:
        """Be the one process that tells this collector; asked again before the lease runs out."""
        if self._connection is not None and now < self._renew_at:
            return True
        told = hold_collector(self._store, self._name, self._holder, now=now)
        if told is None:
            self.drop()
            return False
        if self._connection is None:
            self._told = told
        self._renew_at = now + LEASE / 2
        return True

    def drop(self) -> None:
        """Close the connection; what was sent and not noted as arrived is sent again over the next."""
        self._sent.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def finish(self, *, until: datetime, clock: Callable[[], datetime]) -> None:
        """Wait for what is on its way, no longer than `until`, and close."""
        pause = threading.Event()
        try:
            while self._connection is not None and self._sent and clock() < until:
                pause.wait(0.1)
                self._note_arrived(self._connection, clock())
        finally:
            self.drop()

    def _send(self, connection: SyslogConnection, now: datetime) -> int:
        after = self._sent[-1][0] if self._sent else self._told
        entries = entries_after(self._store, after, limit=BATCH)
        if entries:
            connection.send(b"".join(self._frame(entry) for entry in entries))
            self._sent.append((entries[-1].seq, now))
        return len(entries)

    def _note_arrived(self, connection: SyslogConnection, now: datetime) -> None:
        if not connection.settled():
            return
        arrived = self._told
        while self._sent and self._sent[0][1] <= now - self._settle:
            arrived = self._sent.popleft()[0]
        if arrived > self._told:
            record_told(self._store, self._name, arrived)
            self._told = arrived

    def _frame(self, entry: AuditEntry) -> bytes:
        body = render_audit_message(as_message(entry, self._source), largest=_LARGEST_BODY)
        severity = NOTICE if entry.outcome == Outcome.SUCCESS else WARNING
        return frame_syslog(body, self._origin, at=entry.at, seq=entry.seq, severity=severity)


@contextmanager
def forwarding_audit(store: Store, settings: Settings) -> Iterator[None]:
    """Tell the collector of the settings, in a thread, until the block ends.

    Raises
    ------
    ConfigurationError
        If the settings of the collector cannot be used: a wrong setting ends the process, not a thread.
    """
    if settings.audit_collector is not None:
        collector_of(settings.audit_collector)
    stop = threading.Event()
    thread = threading.Thread(target=forward_audit, args=(store, settings, stop), name="audit", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)


def forward_audit(store: Store, settings: Settings, stop: threading.Event) -> None:
    """Tell the collector of the settings until `stop` is set; with no collector there is nothing to do."""
    wanted = settings.audit_collector
    if wanted is None:
        return
    forwarder = AuditForwarder(
        store,
        collector_of(wanted),
        name=f"{wanted.host}:{wanted.port}",
        source=AuditSource(settings.ae_title, settings.institution),
    )
    log, wait, away = structlog.get_logger(), _IDLE_SECONDS, False
    while not stop.wait(wait):
        try:
            sent = forwarder.step(now=datetime.now(UTC))
        except (Retriable, DatabaseUnavailable) as error:
            if not away:
                log.warning("audit not forwarded, entries wait in the log", reason=str(error))
            away, wait = True, min(2 * wait + 1, _LONGEST_WAIT)
            continue
        if away:
            log.info("audit forwarded again")
        away, wait = False, 0.0 if sent == BATCH else _IDLE_SECONDS
    forwarder.finish(until=datetime.now(UTC) + 2 * SETTLE, clock=lambda: datetime.now(UTC))


def collector_of(wanted: AuditCollector) -> Collector:
    """Return the collector of the settings.

    Raises
    ------
    ConfigurationError
        If it would be told in clear over a network, or a file of its certificates cannot be used.
    """
    if wanted.plain:
        if not is_loopback(wanted.host):
            raise ConfigurationError(
                f"the audit log would go to {wanted.host} unencrypted: plain is for this machine alone"
            )
        return Collector(wanted.host, wanted.port, None)
    try:
        context = open_client_context(wanted.ca_file, wanted.certificate_file, wanted.key_file)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"JANUS_MED_AUDIT_COLLECTOR: a certificate file: {error}") from None
    return Collector(wanted.host, wanted.port, context)
