"""The self-test: a small phantom over a real association to our listener, up to its draft, then gone.

It comes under a calling AE title that is reserved for it and for this machine, so that it is never listed,
counted or delivered, and its rows and bytes are deleted afterwards; the audit log keeps that it was there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from app.domain.alert import AlertKind
from app.domain.errors import ConfigurationError, DatabaseUnavailable, NotFound
from app.domain.retention import SELF_TEST_ISSUER, SELF_TEST_PATIENT, SELF_TEST_TITLE
from app.domain.study import Study, StudyState
from app.services.counting import Counts
from app.services.watch import set_alert
from app.settings import Settings
from app.store.engine import Store
from app.workers.own_listener import own_listener
from pacs_bridge.destination import Timeouts
from pacs_bridge.errors import BridgeError
from pacs_bridge.removal import Removal, remove_instance
from pacs_bridge.spool_layout import SpoolLayout

PATIENCE = timedelta(minutes=4)
SUBJECT = "path from the listener to the draft"
_TIMEOUTS = Timeouts(5.0, 5.0, 30.0, 30.0)
_LEFT_OVER = timedelta(minutes=10)
_SIDE = 512


@dataclass(frozen=True)
class SelfTestResult:
    """What a self-test found.

    Attributes
    ----------
    problem
        Empty when the path is open.
    """

    problem: str
    seconds: float
    outcome: str


class SelfTest:
    """Sends a phantom and follows it."""

    def __init__(self, store: Store, settings: Settings, counts: Counts | None = None) -> None:
        self._store = store
        self._settings = settings
        self._counts = counts
        self._layout = SpoolLayout(settings.spool_dir)

    def run(self, patience: timedelta = PATIENCE) -> SelfTestResult:
        """Run once: raise an alert when the path is not open, clear it when it is."""
        self.remove_left_overs()
        began = time.monotonic()
        data_set = make_phantom(datetime.now(UTC))
        problem, outcome = self._follow(data_set, patience)
        result = SelfTestResult(problem, time.monotonic() - began, outcome)
        if self._counts is not None:
            self._counts.add("janus_med_self_tests", outcome="failed" if problem else "passed")
        log = structlog.get_logger()
        (log.error if problem else log.info)("self-test", problem=problem, seconds=round(result.seconds, 1))
        now = datetime.now(UTC)
        set_alert(self._store, AlertKind.SELF_TEST_FAILED, SUBJECT, problem, now=now)
        if not problem:
            self._remove(str(data_set.StudyInstanceUID), str(data_set.SOPInstanceUID))
        return result

    def remove_left_overs(self) -> None:
        """Delete what earlier self-tests left, that of one that failed included."""
        with self._store.begin() as tx:
            left = tx.retention.self_tests(before=datetime.now(UTC) - _LEFT_OVER)
        for study_uid in left:
            self._remove(study_uid, "")

    def _follow(self, data_set: Any, patience: timedelta) -> tuple[str, str]:
        from pacs_bridge.store_scu import send_instances

        try:
            us = own_listener(self._settings)
            send_instances([data_set], us, calling_ae=SELF_TEST_TITLE, timeouts=_TIMEOUTS)
        except (BridgeError, ConfigurationError) as error:
            return f"the listener did not take it: {error}", ""
        return self._wait_for_draft(str(data_set.StudyInstanceUID), patience)

    def _wait_for_draft(self, study_uid: str, patience: timedelta) -> tuple[str, str]:
        deadline, where = time.monotonic() + patience.total_seconds(), "acknowledged, not indexed"
        while time.monotonic() < deadline:
            try:
                study, looked_at = self._look(study_uid)
            except NotFound:
                study, looked_at = None, False
            except DatabaseUnavailable as error:
                return str(error), ""
            if study is not None:
                where = study.state.value
                if study.state is StudyState.DRAFTED or (looked_at and study.state is StudyState.UNDRAFTED):
                    return "", where
                if study.state is StudyState.UNDRAFTED and study.reason:
                    where = f"{where}: {study.reason}"
            time.sleep(0.5)
        return f"no draft after {patience.total_seconds():.0f} s; it stands at: {where}", where

    def _look(self, study_uid: str) -> tuple[Study, bool]:
        """Return the study, and whether the model itself has said something about it."""
        with self._store.begin() as tx:
            study = tx.studies.get(study_uid)
            report = tx.reports.of_revision(study_uid, study.revision)
            draft = tx.reports.drafts.get(report.draft_id) if report is not None else None
            return study, draft is not None and bool(draft.content.model)

    def _remove(self, study_uid: str, sop_uid: str) -> None:
        """Delete bytes, then rows; a study that is still worked on is left for the next time."""
        now = datetime.now(UTC)
        with self._store.begin() as tx:
            instances = tx.studies.instances(study_uid, up_to_revision=10**6)
        for instance in instances:
            removed = remove_instance(self._layout, instance.sop_uid, instance.sha256, purged_at=now)
            if removed is not Removal.REMOVED:
                return
        with self._store.begin() as tx:
            tx.retention.forget_self_test(study_uid)


def make_phantom(now: datetime) -> Any:
    """Return a radiograph of nobody: a bright body with two dark lungs, and new UIDs.

    Returns
    -------
    pydicom.Dataset
        512 x 512, 12 bits, MONOCHROME2, with file meta information.
    """
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    body = 2600.0 * ((x / 0.95) ** 2 + (y / 1.2) ** 2 < 1)
    for centre in (-0.42, 0.42):
        body -= 1500.0 * (((x - centre) / 0.28) ** 2 + ((y + 0.05) / 0.6) ** 2 < 1)
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.SOPClassUID = DigitalXRayImageStorageForPresentation
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(data_set, keyword, generate_uid(prefix=None))
    data_set.PatientID, data_set.IssuerOfPatientID = SELF_TEST_PATIENT, SELF_TEST_ISSUER
    data_set.PatientName, data_set.PatientBirthDate, data_set.PatientSex = "Selftest^Janus", "", "O"
    data_set.AccessionNumber = f"SELFTEST-{now:%H%M%S}"
    data_set.StudyDate, data_set.StudyTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    data_set.StudyDescription, data_set.StudyID, data_set.SeriesNumber = "Self-test phantom", "1", 1
    data_set.Modality, data_set.BodyPartExamined, data_set.ViewPosition = "DX", "CHEST", "PA"
    data_set.ReferringPhysicianName, data_set.InstanceNumber, data_set.ImageType = (
        "",
        1,
        ["DERIVED", "PRIMARY"],
    )
    data_set.PresentationIntentType = "FOR PRESENTATION"
    data_set.Rows, data_set.Columns, data_set.SamplesPerPixel = _SIDE, _SIDE, 1
    data_set.PhotometricInterpretation, data_set.PixelRepresentation = "MONOCHROME2", 0
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 16, 12, 11
    data_set.ImagerPixelSpacing = [0.8, 0.8]
    data_set.PixelData = np.clip(body + 500, 0, 4095).astype("<u2").tobytes()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return data_set
