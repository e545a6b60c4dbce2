"""A patient's data as a ZIP file, with real images and a real spool: whole, checkable, private, on record."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest

from app.domain.access import service_actor
from app.domain.audit import AuditFilter
from app.domain.errors import NotFound
from app.domain.patient_data import PatientKey
from app.domain.study import Patient
from app.settings import Settings
from app.store.engine import Store
from app.workers.erase import erase_everywhere
from app.workers.patient_archive import write_patient_archive
from tests.workers import stories

CLI = service_actor("cli")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def patient_of(store: Store, study_uid: str) -> Patient:
    with store.begin() as tx:
        return tx.studies.get(study_uid).patient


@pytest.mark.covers("T40", "A1")
def test_archive_holds_rows_images_and_their_digests_and_is_on_record(
    store: Store, settings: Settings, leg_radiograph: Path, ct_slice: Path, tmp_path: Path
) -> None:
    study = stories.receive(store, settings, leg_radiograph)
    stories.receive(store, settings, ct_slice)
    patient = patient_of(store, study)
    key, out = PatientKey(patient.patient_id, patient.issuer), tmp_path / "patient.zip"
    archive = write_patient_archive(store, settings, CLI, key, out, now=stories.now())
    assert archive.missing == []
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as file:
        manifest = json.loads(file.read("manifest.json"))
        assert set(file.namelist()) == set(manifest["sha256"]) | {"manifest.json"}
        for name, digest in manifest["sha256"].items():
            assert hashlib.sha256(file.read(name)).hexdigest() == digest, name
        [image] = [name for name in file.namelist() if name.startswith(f"images/{study}/")]
        assert file.read(image)[128:132] == b"DICM"
        [described] = json.loads(file.read("data/patients.json"))
        assert described["name"] == patient.name
        events = [entry["event"] for entry in json.loads(file.read("data/audit_log.json"))]
        assert events[-1] == "patient exported"
        assert [row["study_uid"] for row in json.loads(file.read("data/studies.json"))] == [study]
    with pytest.raises(FileExistsError):
        write_patient_archive(store, settings, CLI, key, out, now=stories.now())


@pytest.mark.covers("T40")
def test_erased_images_leave_the_spool_and_nobody_is_known_any_more(
    store: Store, settings: Settings, leg_radiograph: Path, ct_slice: Path, tmp_path: Path
) -> None:
    study = stories.receive(store, settings, leg_radiograph)
    stories.receive(store, settings, ct_slice)
    patient = patient_of(store, study)
    key = PatientKey(patient.patient_id, patient.issuer)
    with store.begin() as tx:
        from sqlalchemy import text

        tx.session.execute(text("DELETE FROM procrastinate_jobs"))
        # nobody drafts here
        tx.session.execute(text("UPDATE studies SET state = 'UNDRAFTED'"))
    objects = settings.spool_dir / "objects"
    assert len(list(objects.rglob("*.dcm"))) == 2
    erasure, gone = erase_everywhere(store, settings, CLI, key, "ticket 12", now=stories.now())
    assert (erasure.studies, erasure.signed, gone.removed, gone.waiting) == (1, 0, 1, 0)
    assert len(list(objects.rglob("*.dcm"))) == 1
    assert len(list((settings.spool_dir / "records").rglob("*.json"))) == 1
    with pytest.raises(NotFound):
        write_patient_archive(store, settings, CLI, key, tmp_path / "x.zip", now=stories.now())
    assert not (tmp_path / "x.zip").exists()
    with store.begin() as tx:
        events = [entry.event for entry in tx.audit.stream(AuditFilter())]
    assert events.count("patient erased") == 1
