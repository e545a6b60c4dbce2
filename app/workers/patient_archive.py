"""Writes one patient's data as a ZIP file: JSON of every table, the DICOM files, a manifest with SHA-256.

Layout: ``data/<table>.json``, ``images/<StudyInstanceUID>/<SOPInstanceUID>.dcm``,
``quarantine/<digest>.dcm``, ``manifest.json``.
The file is private, not encrypted, and appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from app.domain.access import Actor
from app.domain.patient_data import PatientKey
from app.services.patient_export import begin_export, exported_rows
from app.settings import Settings
from app.store.engine import Store
from app.workers.erase import quarantined_of
from pacs_bridge.spool_layout import SpoolLayout

FORMAT = "janus-med patient export 1"
_CHUNK = 1 << 20


@dataclass
class PatientArchive:
    """What was written.

    Attributes
    ----------
    digests
        SHA-256 by name in the archive.
    missing
        Images that the database names and the spool does not have (purged).
    """

    digests: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def write_patient_archive(
    store: Store, settings: Settings, actor: Actor, patient: PatientKey, out: Path, *, now: datetime
) -> PatientArchive:
    """Export a patient into a ZIP file and return what it holds.

    Raises
    ------
    NotAuthorised, NotFound
    FileExistsError
        If the file is there.
    """
    begin_export(store, actor, patient, now=now)
    layout, archive = SpoolLayout(settings.spool_dir), PatientArchive()
    part = out.with_name(f".{out.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            instances: Sequence[Mapping[str, Any]] = ()
            for table, rows in exported_rows(store, patient):
                _write_json(target, archive, f"data/{table}.json", rows)
                archive.counts[table] = len(rows)
                instances = rows if table == "instances" else instances
            for instance in instances:
                name = f"images/{instance['study_uid']}/{instance['sop_uid']}.dcm"
                _write_file(target, archive, name, layout.object_path(instance["sha256"]))
            for entry in quarantined_of(store, layout, actor, patient, now=now):
                path = layout.quarantine_path(entry.sha256)
                _write_file(target, archive, f"quarantine/{entry.sha256}.dcm", path)
            target.writestr("manifest.json", json.dumps(_manifest(archive, patient, now), indent=1))
        os.link(part, out)
    finally:
        part.unlink(missing_ok=True)
    return archive


def _write_json(target: zipfile.ZipFile, archive: PatientArchive, name: str, rows: Sequence[Any]) -> None:
    content = json.dumps(rows, indent=1, ensure_ascii=False).encode()
    archive.digests[name] = hashlib.sha256(content).hexdigest()
    target.writestr(name, content)


def _write_file(target: zipfile.ZipFile, archive: PatientArchive, name: str, path: Path) -> None:
    digest = hashlib.sha256()
    try:
        source = path.open("rb")
    except FileNotFoundError:
        archive.missing.append(name)
        return
    with source, target.open(name, "w", force_zip64=True) as member:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            member.write(chunk)
    archive.digests[name] = digest.hexdigest()


def _manifest(archive: PatientArchive, patient: PatientKey, now: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "exported_at": now.isoformat(),
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "rows": archive.counts,
        "sha256": archive.digests,
        "missing": archive.missing,
    }
