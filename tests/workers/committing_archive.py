"""An archive for storage commitment in every temper: at once, later, never, with failures, with garbage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.sop_class import BasicTextSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from pacs_bridge.reactor_gate import keep_answers_from_the_reactor
from pacs_bridge.results.document import SECONDARY_CAPTURE
from tests.bridge.commitment_peer import COMMITMENT, WELL_KNOWN, event_information, serve

Temper = Callable[["CommittingArchive", Any], None]
RESULTS = (BasicTextSRStorage, EnhancedSRStorage, ComprehensiveSRStorage, SECONDARY_CAPTURE)


@dataclass
class CommittingArchive:
    """What it was sent and asked, in order.

    Attributes
    ----------
    status
        Of the answer to an N-ACTION.
    then
        What it does after a request it took; gets the event.
    """

    status: int = 0x0000
    then: Temper = lambda *_: None
    stored: list[str] = field(default_factory=list)
    asked: list[Dataset] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def references(self, number: int = -1) -> list[tuple[str, str]]:
        items = self.asked[number].ReferencedSOPSequence
        return [(str(i.ReferencedSOPClassUID), str(i.ReferencedSOPInstanceUID)) for i in items]

    def confirmation(self, number: int = -1) -> Dataset:
        return event_information(str(self.asked[number].TransactionUID), self.references(number))

    def denial(self, number: int = -1, reason: int = 0x0112) -> Dataset:
        failed = [(*pair, reason) for pair in self.references(number)]
        return event_information(str(self.asked[number].TransactionUID), failed=failed)

    @contextmanager
    def run(self, port: int = 0) -> Iterator[int]:
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_ACTION, self._take)]
        with serve("PACS", handlers, port=port, storage=[str(uid) for uid in RESULTS]) as bound:
            yield bound

    def _store(self, event: Any) -> int:
        self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    def _take(self, event: Any) -> tuple[int, None]:
        self.asked.append(event.action_information)
        if self.status == 0x0000:
            self.then(self, event)
        return self.status, None


def on_the_same_association(content: Callable[[CommittingArchive], Dataset], event_type: int = 1) -> Temper:
    """Report on the association that asked, as soon as its answer is out."""

    def send(archive: CommittingArchive, event: Any) -> None:
        assoc, said = event.assoc, content(archive)

        def report() -> None:
            keep_answers_from_the_reactor(assoc)
            answer, _ = assoc.send_n_event_report(said, event_type, COMMITMENT, WELL_KNOWN)
            archive.answers.append(int(answer.get("Status", -1)))

        threading.Timer(0.2, report).start()

    return send
