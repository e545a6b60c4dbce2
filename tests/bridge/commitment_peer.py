"""A system that takes part in storage commitment: asks us, takes our reports, and misbehaves."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_context, build_role, evt

from pacs_bridge.reactor_gate import keep_answers_from_the_reactor

COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
IMPLICIT = "1.2.840.10008.1.2"


@dataclass(frozen=True)
class TakenReport:
    """A report as it came in."""

    calling_ae: str
    event_type: int
    content: Dataset

    @property
    def transaction_uid(self) -> str:
        return str(self.content.TransactionUID)

    @property
    def committed(self) -> set[tuple[str, str]]:
        return {_pair(item) for item in self.content.get("ReferencedSOPSequence", ())}

    @property
    def failed(self) -> dict[tuple[str, str], int]:
        return {_pair(item): int(item.FailureReason) for item in self.content.get("FailedSOPSequence", ())}


@dataclass
class ReportTaker:
    """Keeps reports and answers with the next of `statuses`, the last one for ever."""

    statuses: Sequence[int] = (0x0000,)
    reports: list[TakenReport] = field(default_factory=list)

    def take(self, event: Any) -> tuple[int, None]:
        calling = str(event.assoc.requestor.ae_title)
        self.reports.append(TakenReport(calling, int(event.request.EventTypeID), event.event_information))
        return self.statuses[min(len(self.reports), len(self.statuses)) - 1], None


@contextmanager
def report_scp(
    taker: ReportTaker,
    *,
    port: int = 0,
    ae_title: str = "MODALITY1",
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Listen for reports until the block ends; yields the port."""
    with serve(ae_title, [(evt.EVT_N_EVENT_REPORT, taker.take)], port=port, tls=tls) as bound:
        yield bound


@contextmanager
def serve(
    ae_title: str,
    handlers: list[tuple[Any, Callable[..., Any]]],
    *,
    port: int = 0,
    storage: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Run an SCP of storage commitment that accepts both roles."""
    ae = AE(ae_title)
    ae.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
    for uid in storage:
        ae.add_supported_context(uid)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=tls)
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()


def action_information(references: Sequence[tuple[str, str]], transaction_uid: str = "") -> Dataset:
    """What an N-ACTION carries, for (SOP class, SOP instance) pairs."""
    content = Dataset()
    content.TransactionUID = transaction_uid or generate_uid()
    content.ReferencedSOPSequence = [_item(*pair) for pair in references]
    return content


def event_information(
    transaction_uid: str,
    committed: Sequence[tuple[str, str]] = (),
    failed: Sequence[tuple[str, str, int]] = (),
) -> Dataset:
    """What an N-EVENT-REPORT carries."""
    content = Dataset()
    content.TransactionUID = transaction_uid
    if committed:
        content.ReferencedSOPSequence = [_item(*pair) for pair in committed]
    if failed:
        content.FailedSOPSequence = [_item(*pair) for *pair, _ in failed]
        for item, (*_, reason) in zip(content.FailedSOPSequence, failed, strict=True):
            item.FailureReason = reason
    return content


def ask(
    port: int,
    content: Dataset | None,
    *,
    calling: str = "MODALITY1",
    called: str = "JANUSMED",
    action_type: int = 1,
    instance: str = WELL_KNOWN,
) -> int:
    """Send an N-ACTION over an association of its own; the status of the answer."""
    with _association(port, calling, called, []) as assoc:
        answer, _ = assoc.send_n_action(content, action_type, COMMITMENT, instance)
        return int(answer.Status)


def report(
    port: int,
    content: Dataset | None,
    *,
    event_type: int = 1,
    calling: str = "PACS",
    called: str = "JANUSMED",
    instance: str = WELL_KNOWN,
) -> int:
    """Send an N-EVENT-REPORT over an association of its own; the status of the answer."""
    roles = [build_role(COMMITMENT, scp_role=True)]
    with _association(port, calling, called, roles) as assoc:
        answer, _ = assoc.send_n_event_report(content, event_type, COMMITMENT, instance)
        return int(answer.Status)


@contextmanager
def _association(port: int, calling: str, called: str, roles: list[Any]) -> Iterator[Any]:
    ae = AE(calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    assoc = ae.associate(
        "127.0.0.1", port, contexts=[build_context(COMMITMENT, IMPLICIT)], ae_title=called, ext_neg=roles
    )
    assert assoc.is_established
    keep_answers_from_the_reactor(assoc)
    try:
        yield assoc
    finally:
        assoc.release()


def _item(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    return item


def _pair(item: Dataset) -> tuple[str, str]:
    return str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)
