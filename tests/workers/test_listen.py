"""The listener process: from an association to a complete study in the database.

Covered: receipt, intake, completion, quarantine and rejections in the audit log, stop, unsafe settings.
Not covered: kills and lost databases (`tests/faults`), the protocol itself (`tests/bridge`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.sop_class import Verification

from app.addresses import is_loopback
from app.domain.audit import AuditEvent, AuditFilter
from app.domain.errors import ConfigurationError
from app.domain.study import StudyState
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.listen import listener_config
from pacs_bridge.destination import Destination
from pacs_bridge.errors import AssociationRejected, Rejected
from pacs_bridge.reactor_gate import keep_answers_from_the_reactor
from pacs_bridge.store_scu import echo, send_instances
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    chosen = system_settings(data_dir)
    upgrade(chosen)
    return chosen


@pytest.fixture
def own_store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as store:
        yield store


@pytest.fixture
def listener(settings: Settings, own_store: Store) -> Iterator[Process]:
    with Process(settings, "listen") as process:
        process.wait_until_ready()
        yield process


def here(settings: Settings) -> Destination:
    return Destination(settings.ae_title, "127.0.0.1", settings.dicom_port)


def state_of(store: Store, study_uid: str) -> StudyState | None:
    with store.begin() as unit:
        study = unit.studies.lock_existing([study_uid]).get(study_uid)
    return study.state if study else None


def audited(store: Store, event: AuditEvent) -> int:
    with store.begin() as unit:
        return sum(entry.event == event.value for entry in unit.audit.stream(AuditFilter()))


@pytest.mark.slow
@pytest.mark.covers("L11")
def test_sent_study_is_completed_once_and_its_draft_ordered(
    settings: Settings, own_store: Store, listener: Process, chest_radiograph: Path
) -> None:
    study_uid = str(dcmread(chest_radiograph, stop_before_pixels=True).StudyInstanceUID)
    for _ in range(2):
        send_instances([chest_radiograph], here(settings), calling_ae="SENDER")
    wait_until(lambda: state_of(own_store, study_uid) is StudyState.COMPLETE)
    with own_store.begin() as unit:
        [depth] = unit.work.queue_depths()
        assert (depth.queue, depth.waiting) == ("draft", 1)
        [instance] = unit.studies.instances(study_uid, up_to_revision=1)
    assert (settings.spool_dir / "objects" / instance.sha256[:2] / f"{instance.sha256}.dcm").is_file()
    assert audited(own_store, AuditEvent.STUDY_COMPLETED) == 1
    assert listener.stop() == 0


@pytest.mark.slow
@pytest.mark.covers("L4", "L7")
def test_rejections_and_quarantine_are_audited_once_each(
    settings: Settings, own_store: Store, listener: Process, ct_slice: Path
) -> None:
    with pytest.raises(AssociationRejected):
        echo(here(settings), calling_ae="STRANGER")
    send_instances([ct_slice], here(settings), calling_ae="SENDER")
    altered = dcmread(ct_slice)
    altered.PatientComments = "other bytes"
    for _ in range(2):
        with pytest.raises(Rejected):
            send_instances([altered], here(settings), calling_ae="SENDER")
    wait_until(lambda: audited(own_store, AuditEvent.INSTANCE_QUARANTINED) == 1)
    assert audited(own_store, AuditEvent.ASSOCIATION_REJECTED) == 1
    assert listener.stop() == 0


@pytest.mark.slow
@pytest.mark.covers("L11")
def test_study_is_not_complete_while_its_association_is_open(
    settings: Settings, own_store: Store, listener: Process, ct_slice: Path
) -> None:
    from pynetdicom import AE

    dataset: Dataset = dcmread(ct_slice)
    ae = AE("SENDER")
    ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    ae.add_requested_context(Verification)
    assoc = ae.associate("127.0.0.1", settings.dicom_port, ae_title=settings.ae_title)
    keep_answers_from_the_reactor(assoc)
    assert assoc.send_c_store(dataset).Status == 0
    wait_until(lambda: state_of(own_store, str(dataset.StudyInstanceUID)) is StudyState.RECEIVING)
    for _ in range(4):
        assoc.send_c_echo()
        time.sleep(0.5)
    assert state_of(own_store, str(dataset.StudyInstanceUID)) is StudyState.RECEIVING
    assoc.release()
    wait_until(lambda: state_of(own_store, str(dataset.StudyInstanceUID)) is StudyState.COMPLETE)


@pytest.mark.slow
@pytest.mark.covers("T17")
def test_taken_port_is_named_with_its_setting(settings: Settings, listener: Process) -> None:
    other = settings.model_copy(update={"data_dir": settings.data_dir / "other"})
    with Process(other, "listen") as second:
        assert second.process.wait(30) == 2
        message = second.output().splitlines()[-1]
    assert str(settings.dicom_port) in message
    assert "JANUS_MED_DICOM_PORT" in message
    assert "Traceback" not in message


@pytest.mark.covers("T17")
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "pacs.example"])
def test_plain_dicom_off_loopback_needs_the_sentence(host: str) -> None:
    settings = Settings(dicom_host=host, allowed_ae_titles=("SENDER",))
    with pytest.raises(ConfigurationError, match="JANUS_MED_ALLOW_PLAIN_OFF_LOOPBACK"):
        listener_config(settings)
    sentence = "I accept unencrypted DICOM on my network"
    assert listener_config(settings.model_copy(update={"allow_plain_off_loopback": sentence})).address == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_sentence(host: str) -> None:
    assert is_loopback(host)


def test_calling_title_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="JANUS_MED_ALLOWED_AE_TITLES"):
        listener_config(Settings(allowed_ae_titles=("A" * 17,)))
