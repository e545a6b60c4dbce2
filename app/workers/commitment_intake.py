"""Takes storage commitment reports from the spool into the database, at least once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from app.domain.access import service_actor
from app.domain.errors import DatabaseUnavailable
from app.services.commitment import record_answer
from app.store.engine import Store
from pacs_bridge.commitment import CommitmentReport, describe_failure
from pacs_bridge.spool_layout import SpoolLayout
from pacs_bridge.tray import Tray


class CommitmentIntake:
    """The reports of one spool.

    Parameters
    ----------
    layout
        Where the listener and the delivery worker put them.
    """

    def __init__(self, layout: SpoolLayout) -> None:
        self._tray = Tray(layout.commitment_reports)
        self._actor = service_actor("listener")

    def step(self, store: Store) -> None:
        """Take everything that waits; what cannot be taken is set aside and holds up nothing.

        Raises
        ------
        DatabaseUnavailable
            What was not taken stays where it is.
        """
        for path in self._tray.paths():
            try:
                self._take(store, path)
            except DatabaseUnavailable:
                raise
            except Exception as error:
                structlog.get_logger().error("commitment report not taken", error=type(error).__name__)
                self._tray.bury(path)

    def _take(self, store: Store, path: Path) -> None:
        document = self._tray.read(path)
        if document is None:
            return
        if not self._record(store, document):
            structlog.get_logger().warning("commitment report of a transaction that is not ours")
        # one that came again meanwhile says the same of the same transaction
        self._tray.remove(path)

    def _record(self, store: Store, document: dict[str, Any]) -> bool:
        report = CommitmentReport.of_document(document["report"])
        failures = {
            reference.sop_instance_uid: describe_failure(reason) for reference, reason in report.failed
        }
        return record_answer(store, self._actor, report.transaction_uid, failures, now=datetime.now(UTC))
