"""A small hospital for the reading room: its people, real images in the spool, a plausible draft."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from argon2 import PasswordHasher
from PIL import Image
from pydicom import dcmread

from app.domain.access import Role, service_actor
from app.domain.draft import DraftContent, undrafted
from app.domain.intake import ReceivedInstance, named_side
from app.services.assembly import complete_due_studies
from app.services.drafting import record_draft
from app.services.intake import index_instances
from app.store.engine import Store

PASSWORD = "open the reading room"
PEOPLE = {
    "vera": ("Vera Viewer", Role.VIEWER),
    "rana": ("Dr. Rana Resident", Role.RESIDENT),
    "ada": ("Dr. Ada Attending", Role.ATTENDING),
    "otto": ("Dr. Otto Attending", Role.ATTENDING),
    "adam": ("Adam Admin", Role.ADMIN),
    "aud": ("Aud Auditor", Role.AUDITOR),
}
MODEL = {"id": "janus-tiny", "preset": "tiny", "weights_sha256": "3f" * 32, "adapters_sha256": "a1" * 32}
# cheap on purpose: these tests are about what a password opens, not about how it is stored
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def add_people(store: Store, *, now: datetime) -> None:
    """Add one account a role, and a second attending; all have `PASSWORD`."""
    with store.begin() as tx:
        for username, (printed_name, role) in PEOPLE.items():
            tx.users.add(
                username=username, printed_name=printed_name, role=role, password_hash=_HASH, now=now
            )


def put_into_spool(spool_dir: Path, content: bytes) -> str:
    """Put bytes where the listener would; return their digest."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = spool_dir / "objects" / sha256[:2] / f"{sha256}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256


def receive(store: Store, spool_dir: Path, file: Path, *, now: datetime, **changes: Any) -> ReceivedInstance:
    """Spool and index a real file; `changes` replace what its header says."""
    sha256 = put_into_spool(spool_dir, file.read_bytes())
    header = dcmread(file, stop_before_pixels=True)
    received = ReceivedInstance(
        sop_uid=str(header.SOPInstanceUID),
        study_uid=str(header.StudyInstanceUID),
        series_uid=str(header.SeriesInstanceUID),
        sop_class_uid=str(header.SOPClassUID),
        transfer_syntax_uid=str(header.file_meta.TransferSyntaxUID),
        sha256=sha256,
        size=file.stat().st_size,
        received_at=now,
        modality=str(header.get("Modality", "")),
        instance_number=int(header.get("InstanceNumber") or 1),
        rows=int(header.Rows),
        columns=int(header.Columns),
        patient_id=str(header.get("PatientID", "")),
        patient_name=str(header.get("PatientName", "")),
        birth_date=str(header.get("PatientBirthDate", "")),
        sex=str(header.get("PatientSex", "")),
        accession_number=str(header.get("AccessionNumber", "")),
        study_date=str(header.get("StudyDate", "")),
        study_time=str(header.get("StudyTime", "")),
        description=str(header.get("StudyDescription", "")),
        body_part=str(header.get("BodyPartExamined", "")),
        laterality=named_side(str(header.get("ImageLaterality", "")), str(header.get("Laterality", ""))),
        calling_ae="MODALITY",
        called_ae="JANUSMED",
        source="127.0.0.1",
    )
    received = replace(received, **changes)
    index_instances(store, [received], now=now)
    return received


def complete(store: Store, *, now: datetime) -> None:
    """Complete every study that has been quiet."""
    complete_due_studies(store, open_studies=frozenset(), quiet=timedelta(0), now=now)


def record(
    store: Store, received: ReceivedInstance, content: DraftContent, *, now: datetime, revision: int = 1
) -> None:
    """Complete the study and record what a drafting worker would."""
    complete(store, now=now)
    done = record_draft(
        store,
        service_actor("draft"),
        study_uid=received.study_uid,
        revision=revision,
        content=content,
        now=now,
    )
    assert done, "the draft was not taken"


def no_draft(reason: str = "not a frontal chest radiograph") -> DraftContent:
    """What is recorded for a study that the model does not read."""
    return undrafted(reason)


def attention(received: ReceivedInstance, spots: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    """A 24 x 24 grid over the padded square of an image, with round spots (column, row, radius in pixels)."""
    side = float(max(received.rows or 1, received.columns or 1))
    x0, y0 = ((received.columns or 1) - side) / 2, ((received.rows or 1) - side) / 2
    cell = side / 24
    y, x = np.mgrid[0:24, 0:24]
    columns, rows = x0 + (x + 0.5) * cell, y0 + (y + 0.5) * cell
    values = np.zeros((24, 24))
    for column, row, radius in spots:
        values = np.maximum(values, np.exp(-(((columns - column) ** 2 + (rows - row) ** 2) / radius**2)))
    picture = io.BytesIO()
    Image.fromarray(np.rint(values * 255).astype(np.uint8)).save(picture, "PNG")
    return {
        "sop_instance_uid": received.sop_uid,
        "rows": 24,
        "columns": 24,
        "extent": [x0, y0, x0 + side, y0 + side],
        "values_png_base64": base64.b64encode(picture.getvalue()).decode(),
    }


def chest_draft(received: ReceivedInstance, *, lesion_text: str = "") -> DraftContent:
    """A draft such as the model makes of the nodules in RG1: two places, a negated and a normal sentence."""
    left = {"sop_instance_uid": received.sop_uid, "box": [1120, 760, 1420, 1060], "score": 0.71}
    right = {"sop_instance_uid": received.sop_uid, "box": [380, 1010, 690, 1330], "score": 0.44}
    findings = [
        _finding("Lung Lesion", 0.91, "present", left, attention(received, [(1270, 910, 130)])),
        _finding("Lung Opacity", 0.63, "present", right, attention(received, [(535, 1170, 170)])),
        _finding("Pleural Effusion", 0.41, "defer", None, None),
        _finding("Cardiomegaly", 0.17, "absent", None, None),
        _finding("Pneumothorax", 0.04, "absent", None, None),
        _finding("No Finding", 0.03, "absent", None, None),
    ]
    lesion = lesion_text or "Several nodules project over the left mid zone, the largest about 3 cm."
    sentences = [
        _sentence("findings", lesion, ["Lung Lesion"], 0.88, left),
        _sentence("findings", "Hazy opacity in the right lower zone.", ["Lung Opacity"], 0.46, right),
        _sentence("findings", "No pneumothorax is seen.", ["Pneumothorax"], 0.93, None),
        _sentence("findings", "The heart is not enlarged.", ["Cardiomegaly"], 0.84, None),
        _sentence("impression", "Multiple pulmonary nodules, suspicious.", ["Lung Lesion"], 0.81, left),
    ]
    text = {
        name: " ".join(s["text"] for s in sentences if s["section"] == name)
        for name in ("findings", "impression")
    }
    return DraftContent(
        status="drafted",
        reason="",
        model=MODEL,
        findings=tuple(findings),
        sentences=tuple(sentences),
        report=text,
        issues=(),
        timings={"decode_s": 0.1, "preprocess_s": 0.02, "encode_s": 0.3, "generate_s": 0.4},
        provenance={"sop_instance_uids": [received.sop_uid], "seed": 0},
    )


def normal_draft() -> DraftContent:
    """A draft of a film on which the model sees nothing: four sentences, none of them with a region."""
    absent = ("Lung Lesion", "Lung Opacity", "Pleural Effusion", "Cardiomegaly", "Pneumothorax")
    sentences = [
        _sentence("findings", "The lungs are clear.", ["Lung Opacity", "Lung Lesion"], 0.93, None),
        _sentence(
            "findings", "No effusion or pneumothorax.", ["Pleural Effusion", "Pneumothorax"], 0.95, None
        ),
        _sentence("findings", "The heart is not enlarged.", ["Cardiomegaly"], 0.91, None),
        _sentence("impression", "Normal chest.", ["No Finding"], 0.9, None),
    ]
    text = {
        name: " ".join(s["text"] for s in sentences if s["section"] == name)
        for name in ("findings", "impression")
    }
    return DraftContent(
        status="drafted",
        reason="",
        model=MODEL,
        findings=(
            *(_finding(name, 0.04, "absent", None, None) for name in absent),
            _finding("No Finding", 0.95, "present", None, None),
        ),
        sentences=tuple(sentences),
        report=text,
        issues=(),
        timings={},
        provenance={"seed": 0},
    )


def _finding(
    name: str, probability: float, decision: str, region: dict[str, Any] | None, grid: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "name": name,
        "probability": probability,
        "decision": decision,
        "region": region,
        "attention": grid,
    }


def _sentence(
    section: str, text: str, findings: list[str], confidence: float, region: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "section": section,
        "text": text,
        "findings": findings,
        "confidence": confidence,
        "region": region,
    }


def now_utc() -> datetime:
    """The time, for servers of their own whose clocks cannot be given."""
    return datetime.now(UTC)
