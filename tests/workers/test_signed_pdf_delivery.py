"""The institution's signature in what is delivered: a real archive gets it, and a resend is the same object.

Covered: delivery, resend, expiry while the worker runs, preliminary and addended reports. Not covered: the
signature itself (`tests/bridge/test_signed_pdf.py`), a start that is refused (`tests/unit/`).
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom import dcmread
from pyhanko.pdf_utils.reader import PdfFileReader

from app.domain.attestation import Meaning
from app.domain.delivery import Delivery, DeliveryOrder
from app.domain.errors import Rejected
from app.domain.report import ReportState
from app.services.delivery import load_order, record_sent
from app.settings import Settings
from app.store.document_key import DocumentKey, read_document_key
from app.store.engine import Store
from app.workers.deliver import DeliverReport
from app.workers.result_objects import build_objects
from app.workers.senders import Site
from tests.certificates import KINDS, issue
from tests.ports import free_port
from tests.workers.stories import add_to, now, receive, sign_by_hand
from tests.workers.test_deliver import ACTOR, DECODER, pacs, settings, state_of, with_pacs

__all__ = ["settings"]

PDF = ("PACS", "encapsulated_pdf")


def key_in(folder: Path, kind: str = "rsa") -> DocumentKey:
    key = read_document_key(issue(kind).write(folder), now=now())
    assert key is not None
    return key


def order_of(store: Store, delivery: Delivery) -> DeliveryOrder:
    order = load_order(store, ACTOR, delivery.delivery_id, now=now())
    assert order is not None
    return order


def signatures_in(pdf: bytes) -> list[object]:
    return list(PdfFileReader(io.BytesIO(pdf)).embedded_signatures)


@pytest.mark.covers("S3", "S6")
def test_archive_gets_the_signed_pdf_and_a_resend_is_the_same_object(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    port = free_port()
    settings = with_pacs(settings, port)
    [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PDF)
    site = Site(settings, DECODER, key_in(tmp_path))
    order = order_of(store, delivery)
    with pacs(tmp_path / "pacs", port) as archive:
        DeliverReport(store, ACTOR, settings, site).run(delivery_id=delivery.delivery_id)
        [held] = archive.holdings("DOC")
        document = dcmread(held.path)
    assert state_of(store, delivery).is_sent
    [again] = build_objects(order, site)
    assert again.SOPInstanceUID == document.SOPInstanceUID == delivery.sop_uid
    assert again.EncapsulatedDocument == document.EncapsulatedDocument
    [signature] = PdfFileReader(io.BytesIO(document.EncapsulatedDocument)).embedded_signatures
    assert signature.self_reported_timestamp == order.attestation.signed_at.replace(microsecond=0)
    assert "Dr. Reader" in signature.sig_object["/Reason"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_gives_the_same_object_again(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path, kind: str
) -> None:
    [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PDF)
    order, site = order_of(store, delivery), Site(settings, DECODER, key_in(tmp_path, kind))
    (first,), (second,) = build_objects(order, site), build_objects(order, site)
    assert first.EncapsulatedDocument == second.EncapsulatedDocument
    assert len(signatures_in(first.EncapsulatedDocument)) == 1


@pytest.mark.covers("S3")
def test_pdf_without_certificate_or_attending_carries_no_signature(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PDF)
    order = order_of(store, delivery)
    [plain] = build_objects(order, Site(settings, DECODER))
    assert signatures_in(plain.EncapsulatedDocument) == []
    [preliminary] = build_objects(
        replace(order, state=ReportState.PRELIMINARY), Site(settings, DECODER, key_in(tmp_path))
    )
    assert signatures_in(preliminary.EncapsulatedDocument) == []


@pytest.mark.covers("S3")
def test_certificate_that_expires_while_the_worker_runs_signs_nothing_more(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    begin = datetime.now(UTC) - timedelta(days=2)
    ended = read_document_key(issue(begin=begin, days=1).write(tmp_path), now=begin)
    settings = with_pacs(settings, free_port())
    [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), PDF)
    task = DeliverReport(store, ACTOR, settings, Site(settings, DECODER, ended))
    with pytest.raises(Rejected, match=r"has expired .* put the new one"):
        task.run(delivery_id=delivery.delivery_id)
    assert not state_of(store, delivery).is_sent


@pytest.mark.covers("S3")
def test_report_with_an_addendum_is_signed_as_of_the_addendum(
    store: Store, settings: Settings, tmp_path: Path, leg_radiograph: Path
) -> None:
    study_uid = receive(store, settings, leg_radiograph)
    [first] = sign_by_hand(store, study_uid, PDF)
    record_sent(store, ACTOR, first.delivery_id, now=now())
    added = add_to(store, study_uid, "The earlier films were compared.", PDF)[-1]
    order = order_of(store, added)
    [document] = build_objects(order, Site(settings, DECODER, key_in(tmp_path)))
    [signature] = PdfFileReader(io.BytesIO(document.EncapsulatedDocument)).embedded_signatures
    assert order.attestation.meaning is Meaning.ADDENDUM
    assert signature.self_reported_timestamp == order.attestation.signed_at.replace(microsecond=0)
    assert signature.sig_object["/Reason"].startswith(Meaning.ADDENDUM.value)
