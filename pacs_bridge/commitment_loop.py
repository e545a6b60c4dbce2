"""Reports to peers what the spool holds of the instances they asked about, on associations of our own.

At least once: a request stays in the spool until its peer has taken the report. What decides a retry: any
failure is tried again after the next of the waits; after the last one the request is moved to
``commitments/dead`` with the reason. A peer that hangs delays no other.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pacs_bridge.admission import Peer
from pacs_bridge.commitment_events import CommitmentEvents
from pacs_bridge.commitment_scu import reporting_association, send_report
from pacs_bridge.commitment_service import PendingReport
from pacs_bridge.custody import report_custody
from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.errors import BridgeError
from pacs_bridge.spool_layout import SpoolLayout
from pacs_bridge.tray import Tray

LOGGER = logging.getLogger(__name__)
DEFAULT_WAITS = (10.0, 60.0, 300.0, 1200.0, 3600.0)
PEERS_AT_A_TIME = 4
_POLL_SECONDS = 0.5
_DISK_SECONDS = 30.0
_STOP_POLL_SECONDS = 0.05
# short before there is an association: until then an end of the process waits for them
_TIMEOUTS = Timeouts(connection=3.0, acse=5.0, dimse=30.0, network=45.0)

Entry = tuple[Path, PendingReport]


class CommitmentLoop:
    """A thread that answers what `CommitmentService` took.

    Parameters
    ----------
    layout
        Of the spool; one process reports.
    peers
        With `host` and `port` of those who ask.
    calling_ae
        Our AE title.
    events
        Who is told.
    waits
        Seconds between the attempts; one attempt more than waits is made in all.
    tls
        Client contexts of the peers that are called over TLS, by AE title.
    clock
        Gives the time, aware, UTC.
    """

    def __init__(
        self,
        layout: SpoolLayout,
        peers: Iterable[Peer],
        *,
        calling_ae: str,
        events: CommitmentEvents,
        waits: Sequence[float] = DEFAULT_WAITS,
        tls: Mapping[str, ssl.SSLContext] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._layout = layout
        self._tray = Tray(layout.commitments)
        self._peers = {peer.ae_title: peer for peer in peers}
        self._calling_ae = calling_ae
        self._events = events
        self._waits = tuple(waits)
        self._tls = dict(tls or {})
        self._clock = clock
        self._stop = threading.Event()
        self._busy: set[str] = set()
        self._open: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name="commitment-reports", daemon=True)

    def start(self) -> None:
        """Begin; what a former process left is reported first."""
        self._tray.sweep(now=self._clock())
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End after the reports that are under way, or abort them after `timeout` seconds.

        What was not reported stays in the spool for the next start.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        deadline = time.monotonic() + timeout
        while self._busy and time.monotonic() < deadline:
            time.sleep(_STOP_POLL_SECONDS)
        for assoc in list(self._open.values()):
            threading.Thread(target=assoc.abort, daemon=True).start()

    def _run(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                self._begin_due()
            except Exception:  # a full disk, a damaged folder: it must go on when that is mended
                LOGGER.exception("commitment_loop_failed")

    def _begin_due(self) -> None:
        due: dict[str, list[Path]] = defaultdict(list)
        for path, pending in self._due(self._tray.paths()):
            due[pending.ae_title].append(path)
        for ae_title in due.keys() - self._busy:
            if len(self._busy) >= PEERS_AT_A_TIME:
                return
            self._busy.add(ae_title)
            # a daemon: a peer that does not answer must not hold up the end of the process
            arguments = ae_title, due[ae_title]
            threading.Thread(target=self._report_all, args=arguments, daemon=True).start()

    def _due(self, paths: Iterable[Path]) -> list[Entry]:
        read = [(path, self._read(path)) for path in paths]
        return [(path, one) for path, one in read if one is not None and one.due <= self._clock()]

    def _read(self, path: Path) -> PendingReport | None:
        """Read what waits; a damaged file is set aside for a person."""
        try:
            document = self._tray.read(path)
            return None if document is None else PendingReport.of_document(document)
        except (ValueError, KeyError, TypeError):
            LOGGER.exception("commitment_damaged")
            self._tray.bury(path)
            return None

    def _report_all(self, ae_title: str, paths: list[Path]) -> None:
        """Report to one peer over one association everything that is due."""
        # an earlier turn may have reported some of it since the folder was read
        waiting = self._due(paths)
        try:
            peer = self._peers.get(ae_title)
            if not waiting:
                return
            if peer is None or not (peer.host and peer.port):
                self._fail(waiting, f"host and port of {ae_title} are not configured any more")
                return
            to = Destination(ae_title, peer.host, peer.port, tls=self._tls.get(ae_title))
            self._report_over_one_association(to, waiting)
        except BridgeError as error:
            self._fail(waiting, str(error))
        except Exception as error:
            LOGGER.exception("commitment_report_failed")
            self._fail(waiting, f"unexpected {type(error).__name__}")
        finally:
            self._open.pop(ae_title, None)
            self._busy.discard(ae_title)

    def _report_over_one_association(self, to: Destination, waiting: list[Entry]) -> None:
        """Report and take from the list what was taken; what is left when it ends was not."""
        with reporting_association(to, calling_ae=self._calling_ae, timeouts=_TIMEOUTS) as assoc:
            self._open[to.ae_title] = assoc
            while waiting and assoc.is_established and not self._stop.is_set():
                path, pending = waiting[0]
                report = report_custody(self._layout, pending.request)
                try:
                    send_report(assoc, report, to)
                except BridgeError as error:
                    self._fail([waiting.pop(0)], str(error))
                    continue
                waiting.pop(0)
                self._tray.remove(path)
                self._events.commitment_reported(to.ae_title, report)
        if waiting and not self._stop.is_set():
            self._fail(waiting, f"{to} ended the association before everything was reported")

    def _fail(self, entries: Iterable[Entry], reason: str) -> None:
        for path, pending in entries:
            attempts = pending.attempts + 1
            if attempts <= len(self._waits):
                due = self._clock() + timedelta(seconds=self._waits[attempts - 1])
                self._keep(path, pending.failed(reason, due=due))
                self._events.commitment_report_failed(pending.ae_title, attempts, reason)
            else:
                # moved back by hand it begins anew
                self._tray.bury(path, replace(pending, attempts=0, reason=reason).as_document())
                self._events.commitment_given_up(pending.ae_title, attempts, reason)

    def _keep(self, path: Path, pending: PendingReport) -> None:
        try:
            self._tray.put(path, pending.as_document())
        except OSError:
            # without its new time it is due at once: a full disk must not make us call without a pause
            LOGGER.exception("commitment_attempt_not_kept")
            self._stop.wait(_DISK_SECONDS)
