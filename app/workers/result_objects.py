"""The DICOM objects of a delivery, by its format; or the note that rejects what was sent.

A withdrawal rejects everything; a correction, in formats without text, what showed findings that it leaves
out.

What a delivery becomes is planned before it is built: a format that shows regions becomes one object for each
image (or group of images) with an accepted region. The plan depends on the order alone, so that a resend has
the same UIDs, and a withdrawal names what its original became.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from app.destinations import TEXT_FORMATS
from app.domain.delivery import Delivery, DeliveryOrder
from app.domain.errors import Rejected
from app.domain.identifiers import part_uid, part_uids
from app.domain.report import ReportState
from app.workers.report_document import accepted_findings, first_findings, report_content, series_uid_of
from app.workers.signed_document import document_seal
from app.workers.source_images import read_pixels, shown_images
from pacs_bridge.results.document import (
    BASIC_TEXT_SR,
    COMPREHENSIVE_3D_SR,
    ENCAPSULATED_PDF,
    GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
    KEY_OBJECT_SELECTION,
    SECONDARY_CAPTURE,
)
from pacs_bridge.results.report_content import Observer, ReportContent, SourceInstance

if TYPE_CHECKING:
    from app.workers.senders import Site
    from pacs_bridge.results.finding_content import AcceptedFinding, SourceImage

SOP_CLASSES = {
    "report_sr": BASIC_TEXT_SR,
    "measurement_sr": COMPREHENSIVE_3D_SR,
    "presentation_state": GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
    "secondary_capture": SECONDARY_CAPTURE,
    "encapsulated_pdf": ENCAPSULATED_PDF,
}


def sop_class_of(order: DeliveryOrder) -> str:
    """Return the SOP class of the objects of a delivery; empty for what is no DICOM object."""
    if takes_back(order):
        return KEY_OBJECT_SELECTION
    return SOP_CLASSES.get(order.delivery.kind, "")


def takes_back(order: DeliveryOrder) -> bool:
    """Tell whether the delivery rejects what was sent before, instead of saying anything new."""
    is_shown_no_more = order.state is ReportState.CORRECTED and order.delivery.kind not in TEXT_FORMATS
    return order.state is ReportState.WITHDRAWN or is_shown_no_more


class NothingToSend(Rejected):
    """The report has nothing that this format could show; the delivery is pointless, not failed."""


@dataclass(frozen=True)
class _Work:
    """What every builder needs.

    Attributes
    ----------
    images
        Those with accepted regions, as far as regions can be shown on them.
    """

    content: ReportContent
    findings: tuple[AcceptedFinding, ...]
    images: tuple[SourceImage, ...]
    order: DeliveryOrder
    site: Site

    def numbered(self, part: int) -> ReportContent:
        """Return the content under the identity of one object of the delivery, counted from 0."""
        return replace(
            self.content,
            sop_instance_uid=part_uid(self.order.delivery.sop_uid, part),
            instance_number=part + 1,
        )


def build_objects(order: DeliveryOrder, site: Site) -> list[Dataset]:
    """Build the objects; the same order gives the same objects.

    Raises
    ------
    NothingToSend
        If the report has nothing that the format could show.
    Rejected
        If there is no such format, or the sentences are not the text that was signed.
    pacs_bridge.errors.Rejected
        If it cannot be built.
    """
    work = _work(order, site)
    if takes_back(order):
        return [_rejection_note(work)]
    objects = _BUILDERS[order.delivery.kind](work)
    if not objects:
        raise NothingToSend(f"no accepted finding that {order.delivery.kind} could show")
    return objects


def _work(order: DeliveryOrder, site: Site) -> _Work:
    if order.delivery.kind not in _BUILDERS:
        raise Rejected(f"no such result format: {order.delivery.kind}")
    source = site.object_of(order.source.sha256)
    findings = first_findings(order) if takes_back(order) else accepted_findings(order)
    return _Work(
        content=report_content(order, site.settings.institution, source),
        findings=findings,
        images=shown_images(order, findings, site),
        order=order,
        site=site,
    )


def _report_sr(work: _Work) -> list[Dataset]:
    from pacs_bridge.results.report_sr import build_report_sr

    return [build_report_sr(work.numbered(0))]


def _measurement_sr(work: _Work) -> list[Dataset]:
    from pacs_bridge.results.measurement_sr import build_measurement_sr

    return [build_measurement_sr(work.numbered(0), work.findings)] if work.findings else []


def _presentation_state(work: _Work) -> list[Dataset]:
    from pacs_bridge.results.presentation_state import build_presentation_state, group_images

    groups = enumerate(group_images(work.images))
    return [build_presentation_state(work.numbered(part), images, work.findings) for part, images in groups]


def _secondary_capture(work: _Work) -> list[Dataset]:
    from pacs_bridge.results.secondary_capture import build_secondary_capture

    return [
        build_secondary_capture(
            work.numbered(part),
            image,
            read_pixels(work.order, image, work.site),
            work.findings,
            frame=1 if image.frames > 1 else None,
        )
        for part, image in enumerate(work.images)
    ]


def _encapsulated_pdf(work: _Work) -> list[Dataset]:
    from pacs_bridge.results.encapsulated_pdf import build_encapsulated_pdf

    return [build_encapsulated_pdf(work.numbered(0), document_seal(work.order, work.site.document_key))]


_BUILDERS: Mapping[str, Callable[[_Work], list[Dataset]]] = {
    "report_sr": _report_sr,
    "measurement_sr": _measurement_sr,
    "presentation_state": _presentation_state,
    "secondary_capture": _secondary_capture,
    "encapsulated_pdf": _encapsulated_pdf,
}


def _rejection_note(work: _Work) -> Dataset:
    """Reject every object that an earlier delivery to this destination became (IHE IOCM)."""
    from pacs_bridge.results.rejection_note import RejectionContent, RejectionReason, build_rejection_note

    order, act = work.order, work.order.attestation
    rejected = tuple(sent for delivery in order.earlier for sent in _sent_as(delivery, work))
    if not rejected:
        raise NothingToSend("nothing was sent that could be rejected")
    return build_rejection_note(
        RejectionContent(
            reason=RejectionReason.WITHDRAWN,
            study=work.content.study,
            rejected=rejected,
            observer=Observer(act.printed_name, work.site.settings.institution or "unknown", act.username),
            written_at=act.signed_at,
            series_uid=series_uid_of(order.delivery.sop_uid),
            sop_instance_uid=order.delivery.sop_uid,
            explanation=_why(order),
        )
    )


def _why(order: DeliveryOrder) -> str:
    correction = order.text.correction
    if order.withdrawal_reason or correction is None:
        return order.withdrawal_reason
    return f"{correction.title}: {correction.content.reason}"


def _sent_as(delivery: Delivery, work: _Work) -> list[SourceInstance]:
    """Return the objects that an earlier delivery became."""
    series_uid = series_uid_of(delivery.sop_uid)
    return [
        SourceInstance(delivery.study_uid, series_uid, SOP_CLASSES[delivery.kind], uid)
        for uid in part_uids(delivery.sop_uid, _count(delivery.kind, work))
    ]


def _count(kind: str, work: _Work) -> int:
    """Return how many objects the report becomes in a format."""
    from pacs_bridge.results.presentation_state import group_images

    counts = {
        "measurement_sr": 1 if work.findings else 0,
        "presentation_state": len(group_images(work.images)),
        "secondary_capture": len(work.images),
    }
    return counts.get(kind, 1)
