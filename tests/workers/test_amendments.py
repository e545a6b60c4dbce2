"""Addenda and corrections on the wire: a real Orthanc, an MLLP receiver and a FHIR receiver.

Covered: original then addendum then correction in order at each, text and signatures in every format,
identities of a resend, a destination that was removed, withdrawal of all of it.
Not covered: validity of generated documents (`tests/bridge/test_results_valid.py`).
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hl7
import pytest
from pydicom import Dataset, dcmread

from app.domain.access import service_actor
from app.domain.alert import AlertKind
from app.domain.delivery import Delivery, DeliveryState
from app.services.alerts import open_alerts
from app.services.decoder import DecoderProcess
from app.services.delivery import load_order
from app.services.work import dead_letters
from app.settings import Settings
from app.store.engine import Store
from app.workers.result_objects import build_objects
from app.workers.senders import Site
from pacs_bridge.hl7_text import unescape
from tests.bridge.hl7_sink import run_sink
from tests.bridge.web_receivers import FhirServer, run_web
from tests.conftest import need
from tests.e2e.orthanc import Orthanc, run_orthanc
from tests.workers.conftest import run_worker, wait_until
from tests.workers.stories import add_to, correct, now, receive, sign_draft, take_back
from tests.workers.test_destinations import ACTOR, states, to, wait_for, worker

ADDENDUM = "Compared with 2020: <b>no</b> change | ^~\\& – naïve."
CORRECTED = {"findings": "Nodule in the right lung. No effusion.", "impression": "Granuloma."}
REASON = "The side was wrong."
ORIGINAL = "Nodule in the left lung."


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    process = DecoderProcess()
    yield process
    process.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, delivery_retry_seconds=(1, 1), stalled_seconds=2, institution="Hospital"
    )


def objects_of(orthanc: Orthanc) -> list[Dataset]:
    """Return everything that the archive holds."""
    names = json.loads(orthanc.read("/instances"))
    return [dcmread(io.BytesIO(orthanc.read(f"/instances/{name}/file"))) for name in names]


def by_uid(objects: list[Dataset], deliveries: list[Delivery], kind: str) -> list[Dataset]:
    """Return the objects of a format in the order of their deliveries."""
    held = {str(dataset.SOPInstanceUID): dataset for dataset in objects}
    known = [held[d.sop_uid] for d in deliveries if d.kind == kind]
    return [dataset for dataset in known if dataset.Modality != "KO"]


def texts(dataset: Dataset) -> list[str]:
    return [str(element.value) for element in dataset.iterall() if element.VR == "UT"]


def predecessors(dataset: Dataset) -> set[str]:
    return {
        str(element.value)
        for item in dataset.get("PredecessorDocumentsSequence", [])
        for element in item.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }


def pdf_text(dataset: Dataset, folder: Path) -> str:
    pdftotext = shutil.which("pdftotext")
    need(pdftotext is not None, "pdftotext (apt-get install poppler-utils)")
    (folder / "report.pdf").write_bytes(dataset.EncapsulatedDocument)
    run = subprocess.run([str(pdftotext), folder / "report.pdf", "-"], capture_output=True, check=True)
    return " ".join(run.stdout.decode().split())


def observations(message: bytes) -> list[tuple[str, str, str, str]]:
    """Return code, sub-id, text and status of each part of an ORU."""
    return [
        (str(obx[3]).split("^")[0], str(obx[4]), unescape(str(obx[5])), str(obx[11]))
        for obx in hl7.parse(message.decode()).segments("OBX")
        if str(obx[2]) == "FT"
    ]


def plain_text(report: dict[str, Any]) -> str:
    return base64.b64decode(report["presentedForm"][0]["data"]).decode()


@pytest.mark.slow
@pytest.mark.covers("S4", "S5", "T35", "O6")
def test_everyone_gets_original_addendum_and_correction_in_order_and_the_withdrawal_of_all(
    store: Store, settings: Settings, decoder: DecoderProcess, tmp_path: Path, leg_radiograph: Path
) -> None:
    with run_orthanc(tmp_path) as orthanc, run_sink() as ris, run_web(FhirServer()) as fhir:
        pacs = {"name": "PACS", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": orthanc.dicom_port}
        formats = ("report_sr", "encapsulated_pdf", "presentation_state")
        site = to(
            settings,
            pacs | {"formats": formats},
            {"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris.port},
            {"kind": "fhir", "name": "EHR", "url": fhir.url},
        )
        study_uid = receive(store, site, leg_radiograph)
        wanted = [*(("PACS", kind) for kind in formats), ("RIS", "hl7_oru"), ("EHR", "fhir_report")]
        sign_draft(store, study_uid, *wanted)
        with run_worker(worker(store, site, decoder)):
            for act in (
                lambda: [],
                lambda: add_to(store, study_uid, ADDENDUM),
                lambda: correct(store, study_uid, CORRECTED, REASON),
            ):
                act()
                with store.begin() as unit:
                    report_id = unit.reports.summaries(study_uid)[0].report_id
                    deliveries = list(unit.deliveries.of_report(report_id))
                wait_for(store, deliveries, DeliveryState.SENT)
            corrected = fhir.of_kind("DiagnosticReport")
            observed = fhir.of_kind("Observation")
            everything = take_back(store, study_uid)
            wait_for(store, everything, DeliveryState.SENT)
        objects = objects_of(orthanc)
    _check_documents(by_uid(objects, everything, "report_sr"))
    _check_pages(by_uid(objects, everything, "encapsulated_pdf"), tmp_path)
    _check_messages(ris.received)
    [report] = corrected
    assert report["status"] == "corrected"
    assert report["conclusion"] == CORRECTED["impression"]
    text = plain_text(report)
    assert (
        text.index(REASON) < text.index(CORRECTED["findings"]) < text.index(ORIGINAL) < text.index(ADDENDUM)
    )
    assert text.count("Signed electronically by Dr. Reader") == 3
    lesion = {o["code"]["text"]: o["status"] for o in observed}["Lung lesion"]
    assert lesion == "entered-in-error", "no sentence states it any more"
    notes = [dataset for dataset in objects if dataset.Modality == "KO"]
    rejected = [
        {str(e.value) for e in note.CurrentRequestedProcedureEvidenceSequence[0].iterall()} for note in notes
    ]
    sent = [str(o.SOPInstanceUID) for o in objects if o.Modality in {"SR", "DOC", "PR"}]
    assert len(sent) == 7
    for uid in sent:
        assert any(uid in note for note in rejected), "everything that was sent is taken back"
    explained = [note for note in notes if f"Correction 2: {REASON}" in texts(note)]
    assert len(explained) == 1, "the regions were taken back by the correction"


def _check_documents(documents: list[Dataset]) -> None:
    original, addendum, corrected = documents
    assert [str(d.VerificationFlag) for d in documents] == ["VERIFIED"] * 3
    assert [str(d.CompletionFlag) for d in documents] == ["COMPLETE"] * 3
    assert predecessors(original) == set()
    assert predecessors(addendum) == {str(original.SOPInstanceUID)}
    assert predecessors(corrected) == {str(original.SOPInstanceUID), str(addendum.SOPInstanceUID)}
    assert [len(d.VerifyingObserverSequence) for d in (original, addendum, corrected)] == [1, 2, 3]
    assert ADDENDUM in texts(addendum)
    assert ADDENDUM not in texts(original)
    assert texts(addendum).index(ORIGINAL) < texts(addendum).index(ADDENDUM)
    told = texts(corrected)
    assert told.index(f"This text replaces the earlier one. Reason: {REASON}") < told.index("Granuloma.")
    assert told.index("Granuloma.") < told.index("Replaced by Correction 2, must not be used.")
    assert any(ORIGINAL in text for text in told)
    assert ORIGINAL not in told, "nobody finds the replaced text under its old heading"
    for number, meaning in (
        ("Addendum 1", "addendum to a final report"),
        ("Correction 2", "replaces its earlier"),
    ):
        [statement] = [text for text in told if text.startswith(f"{number}. Signed by Dr. Reader on 20")]
        assert meaning in statement
        assert "SHA-256 of the signed text" in statement


def _check_pages(pages: list[Dataset], folder: Path) -> None:
    original, addendum, corrected = (pdf_text(page, folder) for page in pages)
    assert "FINAL REPORT" in original
    assert "FINAL REPORT WITH ADDENDUM" in addendum
    assert "Addendum 1 Signed by Dr. Reader" in addendum
    assert "CORRECTED REPORT" in corrected
    assert corrected.index(REASON) < corrected.index("Granuloma.") < corrected.index("must not be used")


def _check_messages(received: list[bytes]) -> None:
    original, addendum, corrected, withdrawn = map(observations, received)
    assert [{status for *_, status in part} for part in (original, addendum, corrected, withdrawn)] == [
        *({"F"}, {"F"}, {"C"}, {"X"}),
    ]
    assert addendum[: len(original)] == original, "the original stands unchanged"
    code, number, text, _ = addendum[-1]
    assert (code, number) == ("55107-7", "1")
    assert text.startswith("Addendum 1. Signed by Dr. Reader on ")
    assert text.endswith(f"\n{ADDENDUM}")
    assert REASON in corrected[0][2]
    assert [part[2] for part in corrected[1:3]] == list(CORRECTED.values())
    assert ORIGINAL not in str(corrected), "no receiver files the replaced text again"
    assert [(c, n) for c, n, *_ in withdrawn] == [(c, n) for c, n, *_ in corrected]
    assert {value for _, _, value, _ in withdrawn} == {'""'}
    signed = [str(note[3]) for note in hl7.parse(received[2].decode()).segments("NTE")]
    assert sum("Signed electronically by Dr. Reader" in note for note in signed) == 3


@pytest.mark.covers("S4", "S6")
def test_destination_that_was_removed_is_a_failed_delivery_with_an_alert(
    store: Store, settings: Settings, decoder: DecoderProcess, leg_radiograph: Path
) -> None:
    with run_sink() as ris:
        destination = {"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris.port}
        site = to(settings, destination)
        study_uid = receive(store, site, leg_radiograph)
        [original] = sign_draft(store, study_uid, ("RIS", "hl7_oru"))
        with run_worker(worker(store, site, decoder)):
            wait_for(store, [original], DeliveryState.SENT)
        [_, addendum, other] = add_to(store, study_uid, ADDENDUM, ("NEW", "hl7_oru"))
        renamed = to(settings, destination | {"name": "NEW"})
        with run_worker(worker(store, renamed, decoder)):
            wait_until(lambda: bool(dead_letters(store, ACTOR, now=now())))
            wait_for(store, [other], DeliveryState.SENT)
    assert states(store, [addendum]) == [DeliveryState.DEAD]
    [alert] = open_alerts(store)
    assert alert.kind is AlertKind.DELIVERY_GIVEN_UP
    assert "no destination is called RIS" in alert.reason
    assert observations(ris.received[-1])[-1][2].endswith(ADDENDUM), "a new receiver gets the whole report"


@pytest.mark.covers("S4", "T03")
def test_resent_addendum_is_the_same_object_and_a_new_receiver_gets_one_that_stands_alone(
    store: Store, settings: Settings, decoder: DecoderProcess, leg_radiograph: Path
) -> None:
    study_uid = receive(store, settings, leg_radiograph)
    [original] = sign_draft(store, study_uid, ("PACS", "report_sr"))
    with store.begin() as unit:
        unit.deliveries.save(unit.deliveries.get(original.delivery_id).acknowledge(now=now()))
    site = Site(settings, decoder)
    built = []
    for delivery in add_to(store, study_uid, ADDENDUM, ("NEW", "report_sr"))[1:]:
        order = load_order(store, service_actor("delivery"), delivery.delivery_id, now=now())
        assert order is not None
        [one], [two] = build_objects(order, site), build_objects(order, site)
        assert one == two
        built.append(one)
    follows, alone = built
    assert predecessors(follows) == {original.sop_uid}
    assert predecessors(alone) == set()
    assert ADDENDUM in texts(alone)
