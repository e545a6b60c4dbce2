"""The PDF of a report under the institution's signature: what leaves for the PACS, and what is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.delivery import DeliveryOrder
from app.domain.report import ReportState
from app.store.document_key import DocumentKey
from app.workers.bridge_errors import as_domain_errors
from app.workers.report_document import report_content

if TYPE_CHECKING:
    from app.domain.attestation import Attestation

PDF = "encapsulated_pdf"


def document_seal(order: DeliveryOrder, key: DocumentKey | None) -> Callable[[bytes], bytes] | None:
    """Return what signs the PDF of a report; None without a key, and for what no attending has signed.

    The same order and key give the same bytes: the time in the signature is that of the newest attestation
    on the page.
    """
    if key is None or order.state is ReportState.PRELIMINARY:
        return None
    # only then: without a certificate nothing of pyHanko is imported
    from pacs_bridge.results.signed_pdf import SigningIdentity, sign_pdf

    identity = SigningIdentity(key.private_key, key.certificates)
    act = order.text.signatures[-1]
    return lambda pdf: sign_pdf(pdf, identity, at=act.signed_at, reason=_reason(act))


def build_signed_pdf(order: DeliveryOrder, key: DocumentKey, institution: str, source: Path) -> bytes:
    """Return the signed PDF of a report, without the DICOM object around it.

    Raises
    ------
    Rejected
        If the report is preliminary, or its text cannot be set as it is.
    """
    from pacs_bridge.results.report_page import render_report

    seal = document_seal(order, key)
    assert seal is not None, "a preliminary report has no signed PDF"
    with as_domain_errors():
        return seal(render_report(report_content(order, institution, source)))


def _reason(act: Attestation) -> str:
    return f"{act.meaning.value}; {act.printed_name}, {act.signed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
