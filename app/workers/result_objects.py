"""The DICOM object of a delivery, by its format; of a withdrawal the note that rejects what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from app.domain.delivery import DeliveryOrder
from app.domain.errors import Rejected
from app.domain.report import ReportState
from app.workers.report_document import report_content

if TYPE_CHECKING:
    from app.workers.senders import Site


def build_object(order: DeliveryOrder, site: Site) -> Dataset:
    """Build the object; the same order gives the same object.

    Raises
    ------
    Rejected
        If there is no such format, or the sentences are not the text that was signed.
    pacs_bridge.errors.Rejected
        If it cannot be built.
    """
    from pacs_bridge.results.report_sr import build_report_sr

    content = report_content(order, site.settings.institution, site.object_of(order.source.sha256))
    if order.state is ReportState.WITHDRAWN:
        raise Rejected("no rejection note yet")
    if order.delivery.kind != "report_sr":
        raise Rejected(f"no such result format: {order.delivery.kind}")
    return build_report_sr(content)
