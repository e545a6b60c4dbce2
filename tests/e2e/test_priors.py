"""Earlier studies come from a real Orthanc to the reading room: by C-MOVE, by C-GET, over DICOMweb.

Covered: the whole way from the arrival of the current study to the attached prior with its report's text.
Not covered: relevance (`tests/unit/test_priors.py`), what is recorded (`tests/unit/services/test_priors.py`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from app.domain.prior import Prior, PriorState
from app.domain.study import StudyState
from app.neighbours import ArchiveSettings
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from pacs_bridge.destination import Destination
from pacs_bridge.header import read_header
from pacs_bridge.results import (
    Observer,
    ReportContent,
    ReportState,
    Section,
    Sentence,
    SourceInstance,
    SourceStudy,
    Verification,
    build_report_sr,
)
from pacs_bridge.store_scu import send_instances
from tests.bridge.peers import encode, radiograph, with_meta
from tests.conftest import need
from tests.e2e.orthanc import Orthanc, run_orthanc
from tests.ports import free_port
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PATIENT = {"PatientID": "P-77", "PatientName": "Prior^Person", "Modality": "DX"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass
class Archive:
    """An Orthanc with the patient's history, and the port at which it believes our listener to be."""

    orthanc: Orthanc
    listener_port: int
    prior: Dataset
    report: Dataset


def bytes_of(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def film(date: str, **changes: Any) -> Dataset:
    return with_meta(radiograph(StudyDate=date, **(PATIENT | changes)))


def report_on(image: Dataset, text: str) -> Dataset:
    """The signed report of a film."""
    at = datetime(2025, 1, 2, tzinfo=UTC)
    who = Observer("Earlier^Erika", "Hospital")
    source = SourceInstance(
        image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPClassUID, image.SOPInstanceUID
    )
    return build_report_sr(
        ReportContent(
            state=ReportState.SIGNED,
            study=SourceStudy.of(read_header(encode(image), str(ExplicitVRLittleEndian))),
            evidence=(source,),
            sections=(Section("findings", (Sentence(text),)),),
            written_at=at,
            series_uid=generate_uid(),
            sop_instance_uid=generate_uid(),
            observer=who,
            verifications=(Verification(who, at),),
        )
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    need(PLUGIN.is_file(), "Orthanc's DICOMweb plugin (apt-get install orthanc-dicomweb)")
    port = free_port()
    changes = {
        "Plugins": [str(PLUGIN)],
        "DicomModalities": {"janus": ["JANUSMED", "127.0.0.1", port]},
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowGet": True,
    }
    with run_orthanc(tmp_path_factory.mktemp("archive"), **changes) as orthanc:
        prior = film("20250102", StudyDescription="CHEST PA")
        report = report_on(prior, "Small left effusion.")
        others = [
            film("20240102", StudyDescription="KNEE"),
            film("20250601", PatientID="P-78"),
            film("20990101", StudyDescription="CHEST PA"),
        ]
        for dataset in (prior, report, *others):
            orthanc.store(bytes_of(dataset))
        yield Archive(orthanc, port, prior, report)


def archive_settings(archive: Archive, method: str) -> ArchiveSettings:
    if method == "dicomweb":
        url = f"http://127.0.0.1:{archive.orthanc.http_port}/dicom-web"
        return ArchiveSettings(method="dicomweb", url=url, timeout_seconds=20)
    return ArchiveSettings.model_validate(
        {
            "method": method,
            "ae_title": "ORTHANC",
            "host": "127.0.0.1",
            "port": archive.orthanc.dicom_port,
            "timeout_seconds": 20,
        }
    )


@contextmanager
def site(data_dir: Path, archive: Archive, chosen: ArchiveSettings) -> Iterator[tuple[Settings, Store]]:
    """Our listener and delivery processes beside the archive."""
    settings = system_settings(data_dir).model_copy(
        update={
            "dicom_port": archive.listener_port,
            "allowed_ae_titles": ("SCANNER", "ORTHANC"),
            "archive": chosen,
            "quiet_seconds": 0.5,
            "retry_seconds": (1, 1),
        }
    )
    upgrade(settings)
    with open_store(settings) as store, Process(settings, "listen") as listener:
        listener.wait_until_ready()
        with Process(settings, "deliver"):
            yield settings, store


def priors_of(store: Store, study_uid: str) -> tuple[Prior, ...]:
    with store.begin() as tx:
        return tx.priors.of_study(study_uid)


def send(settings: Settings, dataset: Dataset) -> str:
    here = Destination(settings.ae_title, "127.0.0.1", settings.dicom_port)
    send_instances([dataset], here, calling_ae="SCANNER")
    return str(dataset.StudyInstanceUID)


@pytest.mark.parametrize("method", ["move", "get", "dicomweb"])
def test_prior_and_its_report_stand_beside_the_new_study(
    archive: Archive, data_dir: Path, method: str
) -> None:
    with site(data_dir, archive, archive_settings(archive, method)) as (settings, store):
        study_uid = send(settings, film("20260101", StudyDescription="CHEST 2 VIEWS"))
        wait_until(lambda: any(p.state is PriorState.ATTACHED for p in priors_of(store, study_uid)))
        [prior] = priors_of(store, study_uid)
        with store.begin() as tx:
            study = tx.studies.get(prior.prior_uid)
            held = tx.studies.instances(prior.prior_uid, up_to_revision=study.revision)
    assert prior.prior_uid == archive.prior.StudyInstanceUID
    assert "Small left effusion." in prior.report_text
    assert study.state is StudyState.EXCLUDED
    assert {instance.sop_uid for instance in held} == {
        archive.prior.SOPInstanceUID,
        archive.report.SOPInstanceUID,
    }


def test_study_is_drafted_and_read_without_an_archive_that_answers(archive: Archive, data_dir: Path) -> None:
    nobody = ArchiveSettings(ae_title="ORTHANC", host="127.0.0.1", port=free_port(), timeout_seconds=2)
    with site(data_dir, archive, nobody) as (settings, store):
        study_uid = send(settings, film("20260101"))

        def given_up() -> bool:
            with store.begin() as tx:
                letters = tx.work.dead_letters()
            return [letter.task for letter in letters] == ["fetch_priors"]

        wait_until(given_up)
        with store.begin() as tx:
            assert tx.studies.get(study_uid).state is StudyState.COMPLETE
            assert [queue.waiting for queue in tx.work.queue_depths() if queue.queue == "draft"] == [1]
        assert priors_of(store, study_uid) == ()
