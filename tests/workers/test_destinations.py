"""Every kind of destination behind the real worker, and what one of them never does to another.

Covered: HL7, FHIR, STOW-RS and every DICOM format from one signature; withdrawal; refusal, unknown name,
alert hook; a dead destination beside a sound one.
Not covered: kills (`tests/faults`), validity (`tests/bridge`).
"""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hl7
import pytest
from pydicom import dcmread

from app.domain.access import service_actor
from app.domain.delivery import Delivery, DeliveryState
from app.services.alerts import open_alerts, tell_alerts
from app.services.decoder import DecoderProcess
from app.services.destinations import find_destination
from app.services.work import dead_letters
from app.settings import Settings
from app.store.engine import Store
from app.workers import alerting
from app.workers.deliver import DeliverReport
from app.workers.lanes import LaneFull, Lanes
from app.workers.runtime import Worker
from app.workers.senders import Site
from tests.bridge.hl7_sink import run_sink
from tests.bridge.web_receivers import FhirServer, StowServer, run_web
from tests.ports import free_port
from tests.workers.conftest import run_worker, wait_until
from tests.workers.stories import now, receive, sign_by_hand, sign_draft, take_back
from tests.workers.test_deliver import pacs

ACTOR = service_actor("delivery")
OBJECTS = ("report_sr", "measurement_sr", "presentation_state", "secondary_capture", "encapsulated_pdf")


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


def to(settings: Settings, *destinations: dict[str, Any]) -> Settings:
    return Settings.model_validate(settings.model_dump() | {"destinations": destinations})


def worker(store: Store, settings: Settings, decoder: DecoderProcess) -> Worker:
    task = DeliverReport(store, ACTOR, settings, Site(settings, decoder))
    return Worker(store, settings, ACTOR, [task], concurrency=4)


def states(store: Store, deliveries: list[Delivery]) -> list[DeliveryState]:
    with store.begin() as unit:
        return [unit.deliveries.get(delivery.delivery_id).state for delivery in deliveries]


def wait_for(store: Store, deliveries: list[Delivery], state: DeliveryState) -> None:
    wait_until(lambda: set(states(store, deliveries)) == {state})


@pytest.mark.slow
@pytest.mark.covers("O5", "O6", "S5")
def test_one_signature_reaches_every_destination_and_a_withdrawal_takes_all_of_it_back(
    store: Store, settings: Settings, decoder: DecoderProcess, tmp_path: Path, leg_radiograph: Path
) -> None:
    port = free_port()
    with pacs(tmp_path / "pacs", port) as archive, run_sink() as ris, run_web(FhirServer()) as fhir:
        site = to(
            settings,
            {"name": "PACS", "ae_title": "PACS", "host": "127.0.0.1", "port": port, "formats": OBJECTS},
            {"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris.port},
            {"kind": "fhir", "name": "EHR", "url": fhir.url},
        )
        study_uid = receive(store, site, leg_radiograph)
        wanted = [*(("PACS", kind) for kind in OBJECTS), ("RIS", "hl7_oru"), ("EHR", "fhir_report")]
        deliveries = sign_draft(store, study_uid, *wanted)
        with run_worker(worker(store, site, decoder)):
            wait_for(store, deliveries, DeliveryState.SENT)
            [report] = fhir.of_kind("DiagnosticReport")
            assert report["status"] == "final"
            assert {
                o["code"]["text"]: o["valueCodeableConcept"]["text"] for o in fhir.of_kind("Observation")
            } == {
                "Lung lesion": "Present",
                "Pleural effusion": "Absent",
            }
            everything = take_back(store, study_uid)
            wait_for(store, everything[len(deliveries) :], DeliveryState.SENT)
        held = [dcmread(holding.path) for holding in archive.holdings()]
    sent = {delivery.sop_uid for delivery in deliveries if delivery.destination == "PACS"}
    notes = [dataset for dataset in held if dataset.Modality == "KO"]
    rejected = {
        sop.ReferencedSOPInstanceUID
        for note in notes
        for study in note.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
    }
    assert {dataset.Modality for dataset in held} == {"SR", "PR", "OT", "DOC", "KO"}
    assert {dataset.SOPInstanceUID for dataset in held if dataset.Modality != "KO"} == sent == rejected
    assert len(notes) == len(OBJECTS)
    assert [str(hl7.parse(m.decode()).segment("OBR")[25]) for m in ris.received] == ["F", "X"]
    [report] = fhir.of_kind("DiagnosticReport")
    assert report["status"] == "entered-in-error"


@pytest.mark.covers("O5", "O6")
def test_format_that_has_nothing_to_show_is_no_failure(
    store: Store, settings: Settings, decoder: DecoderProcess, leg_radiograph: Path
) -> None:
    nowhere = {
        "name": "PACS",
        "ae_title": "PACS",
        "host": "127.0.0.1",
        "port": free_port(),
        "formats": OBJECTS,
    }
    site = to(settings, nowhere)
    [delivery] = sign_by_hand(store, receive(store, site, leg_radiograph), ("PACS", "presentation_state"))
    DeliverReport(store, ACTOR, site, Site(site, decoder)).run(delivery_id=delivery.delivery_id)
    assert states(store, [delivery]) == [DeliveryState.CANCELLED]
    assert open_alerts(store) == ()


@pytest.mark.covers("T03", "T27")
def test_report_goes_out_by_stow_once(
    store: Store, settings: Settings, decoder: DecoderProcess, leg_radiograph: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    with run_web(StowServer()) as web:
        site = to(settings, {"kind": "dicomweb", "name": "WEB", "url": web.url, "token_file": str(token)})
        [delivery] = sign_by_hand(
            store,
            receive(store, site, leg_radiograph),
            ("WEB", "report_sr"),
            texts=("<b>|^~\\&</b>", "אין ממצא"),
        )
        with run_worker(worker(store, site, decoder)):
            wait_for(store, [delivery], DeliveryState.SENT)
        [held] = web.held.values()
    texts = {element.value for element in dcmread(io.BytesIO(held)).iterall() if element.VR == "UT"}
    assert {"<b>|^~\\&</b>", "אין ממצא"} <= texts


@pytest.mark.covers("S6")
@pytest.mark.parametrize("code", ["AE", "AR"])
def test_refused_message_is_a_dead_letter_at_once_and_an_alert_is_told(
    store: Store, settings: Settings, decoder: DecoderProcess, leg_radiograph: Path, tmp_path: Path, code: str
) -> None:
    told = tmp_path / "told.json"
    write = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    with run_sink(code) as ris:
        site = to(settings, {"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris.port})
        site = site.model_copy(update={"alert_command": (sys.executable, "-c", write, str(told))})
        [delivery] = sign_by_hand(store, receive(store, site, leg_radiograph), ("RIS", "hl7_oru"))
        with run_worker(worker(store, site, decoder)):
            wait_until(lambda: bool(dead_letters(store, ACTOR, now=now())))
    assert states(store, [delivery]) == [DeliveryState.DEAD]
    assert len(ris.received) == 1
    [letter] = dead_letters(store, ACTOR, now=now())
    assert code in letter.reason
    assert letter.attempts == 1
    assert tell_alerts(store, lambda alerts: alerting.tell(site, alerts), now=now()) == 1
    [alert] = json.loads(told.read_text())["alerts"]
    assert (alert["what"], alert["where"]) == ("delivery given up", "delivery 1 (hl7_oru) to RIS")
    assert code in alert["why"]
    image = dcmread(leg_radiograph, stop_before_pixels=True)
    for value in (str(image.PatientName), image.PatientID, image.AccessionNumber, image.StudyInstanceUID):
        assert not value or value not in told.read_text()


def test_delivery_to_a_name_that_is_not_configured_says_so(
    store: Store, settings: Settings, decoder: DecoderProcess, leg_radiograph: Path
) -> None:
    [delivery] = sign_by_hand(store, receive(store, settings, leg_radiograph), ("OLD RIS", "hl7_oru"))
    with run_worker(worker(store, settings, decoder)):
        wait_for(store, [delivery], DeliveryState.DEAD)
    [letter] = dead_letters(store, ACTOR, now=now())
    assert "no destination is called OLD RIS" in letter.reason


def test_delivery_of_the_first_release_finds_its_destination_by_address(settings: Settings) -> None:
    site = to(settings, {"name": "Main PACS", "ae_title": "PACS", "host": "10.0.0.1", "port": 104})
    assert find_destination("PACS@10.0.0.1:104", site.destinations).name == "Main PACS"


@pytest.mark.slow
@pytest.mark.covers("T08")
def test_destination_that_never_answers_delays_no_other(
    store: Store, settings: Settings, decoder: DecoderProcess, leg_radiograph: Path, ct_slice: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, run_sink() as ris:
        site = to(
            settings,
            {"kind": "hl7", "name": "SILENT", "host": "127.0.0.1", "port": silent.getsockname()[1]},
            {"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris.port},
        )
        first = sign_by_hand(store, receive(store, site, leg_radiograph), ("SILENT", "hl7_oru"))
        second = sign_by_hand(
            store, receive(store, site, ct_slice), ("SILENT", "hl7_oru"), ("RIS", "hl7_oru")
        )
        with run_worker(worker(store, site, decoder)):
            wait_for(store, second[1:], DeliveryState.SENT)
            assert set(states(store, [*first, second[0]])) == {DeliveryState.PENDING}
            silent.close()  # or the worker would have to leave a job behind


@pytest.mark.covers("T08")
def test_lane_of_a_sick_destination_is_one_sender_wide_and_others_get_places_behind_each_other() -> None:
    lanes = Lanes(width=3, clock=lambda: 100.0)
    with pytest.raises(OSError, match="away"), lanes.enter("PACS"):
        raise OSError("away")
    waits = []
    with lanes.enter("PACS"), lanes.enter("RIS"), lanes.enter("RIS"):
        for _ in range(3):
            with pytest.raises(LaneFull) as full, lanes.enter("PACS"):
                pass
            waits.append(full.value.wait_seconds)
    assert waits == [0.5, 1.0, 1.5]
    with lanes.enter("PACS"):
        pass
    with lanes.enter("PACS"), lanes.enter("PACS"), lanes.enter("PACS"):
        pass
