"""Bundles of the audit log, in every format: verified without us, tampered with, and as anchors of the log.

Covered: each format through the stand-alone verifier in a process of its own, every file of a bundle altered,
bundles made with another key, FHIR resources by fhir.resources, the log held against what was kept of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import get_args

import psycopg
import pytest
from fhir.resources.R4B.auditevent import AuditEvent as FhirAuditEvent

from app.domain.access import Actor, Role
from app.domain.audit import AuditEvent, AuditFact, AuditFilter
from app.domain.checkpoint import Occasion
from app.domain.errors import AuditBroken, Rejected
from app.services.audit import ExportFormat, ExportWriter, verify_log
from app.services.audit_anchor import read_anchors
from app.services.audit_bundle import export_bundle, export_file
from app.services.checkpoints import checkpoint_now, checkpoint_when_due
from app.store.engine import Store
from app.workers.audit_fhir_file import is_fhir_export, verify_fhir_file, write_fhir_export
from app.workers.audit_forms import AuditSource
from app.workers.audit_xml_file import write_xml_export
from tests.postgres import TEST_KEYS, Database

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
AUDITOR = Actor("audrey", "Audrey", Role.AUDITOR, "192.0.2.9")
SOURCE = AuditSource("JANUS", "General Hospital")
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
WRITERS: dict[str, ExportWriter] = {
    "dicom-xml": partial(write_xml_export, source=SOURCE),
    "fhir": partial(write_fhir_export, source=SOURCE),
}
KEY_ID = TEST_KEYS.audit.key_id


def write(store: Store, count: int, first: int = 1) -> None:
    """Write entries of many kinds, with text that formats stumble over."""
    events = [event for event in AuditEvent if event is not AuditEvent.AUDIT_CHECKPOINT]
    for number in range(first, first + count):
        with store.begin() as tx:
            tx.audit.append(
                AuditFact(
                    event=events[number % len(events)],
                    actor=Actor(
                        f"reader{number % 2}", "R", Role.ATTENDING, "192.0.2.1" if number % 3 else "host"
                    ),
                    at=NOW + timedelta(seconds=number),
                    patient_ref=tx.audit.patient_ref(f"P{number % 3}", ""),
                    study_uid=f"1.2.{number}" if number % 4 else "",
                    detail={"text": '=1+1 "<&>\r\n\u2028 é', "number": 1.5e-7, "list": [None, True]},
                )
            )


def bundle(
    store: Store, path: Path, format_: ExportFormat = "jsonl", wanted: AuditFilter | None = None
) -> Path:
    writer = WRITERS.get(format_)
    export_bundle(store, AUDITOR, wanted or AuditFilter(), format=format_, path=path, now=NOW, writer=writer)
    return path


def verify(path: Path, *arguments: str) -> tuple[int, str]:
    """Run the verifier that lies in a bundle, alone."""
    script = path.with_suffix(".py")
    with zipfile.ZipFile(path) as archive:
        script.write_bytes(archive.read("verify_audit.py"))
    command = [sys.executable, "-I", str(script), str(path), *arguments]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.covers("A3")
@pytest.mark.parametrize("format_", FORMATS)
def test_bundle_of_every_format_verifies_without_us(
    store: Store, tmp_path: Path, format_: ExportFormat
) -> None:
    write(store, 120)
    checkpoint_when_due(store, AUDITOR, every=100, now=NOW)
    write(store, 5, first=121)
    status, said = verify(bundle(store, tmp_path / "log.zip", format_), "--key", KEY_ID)
    assert status == 0, said
    assert "128 entries verified (the whole log)" in said
    assert "2 checkpoints hold, the last covers entry 127" in said
    assert f"sealed with the key {KEY_ID}" in said


@pytest.mark.covers("A3")
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "wanted",
    [
        AuditFilter(username="reader1"),
        AuditFilter(patient_id="P1"),
        AuditFilter(study_uid="1.2.5"),
        AuditFilter(since=NOW + timedelta(seconds=3), until=NOW + timedelta(seconds=9)),
    ],
    ids=["user", "patient", "study", "time"],
)
def test_selection_verifies_in_every_format(
    store: Store, tmp_path: Path, format_: ExportFormat, wanted: AuditFilter
) -> None:
    write(store, 30)
    path = bundle(store, tmp_path / "log.zip", format_, wanted)
    status, said = verify(path)
    assert status == 0, said
    with store.begin() as tx:
        assert f"{len(list(tx.audit.stream(wanted)))} entries verified (a selection" in said
    with zipfile.ZipFile(path) as archive:
        text = archive.read(json.loads(archive.read("manifest.json"))["log"]).decode()
    assert ("1.2.29" in text) is (wanted.username == "reader1")


@pytest.mark.covers("A2", "T29")
def test_bundle_in_which_any_file_was_altered_does_not_verify(store: Store, tmp_path: Path) -> None:
    write(store, 5)
    real = bundle(store, tmp_path / "real.zip")
    with zipfile.ZipFile(real) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(files) == {
        "README.txt", "verify_audit.py", "checkpoints.jsonl", f"key-{KEY_ID}.pem", "audit.jsonl",
        "manifest.json", "manifest.seal",
    }  # fmt: skip
    for name, content in files.items():
        changed = dict(files)
        body = bytearray(content)
        body[len(body) // 2] ^= 1
        changed[name] = bytes(body)
        status, said = _verify_changed(tmp_path, changed, files["verify_audit.py"])
        assert status == 1, (name, said)
    for changed in ({**files, "more.txt": b""}, {n: b for n, b in files.items() if n != "checkpoints.jsonl"}):
        assert _verify_changed(tmp_path, changed, files["verify_audit.py"])[0] == 1


def _verify_changed(folder: Path, files: dict[str, bytes], verifier: bytes) -> tuple[int, str]:
    path = folder / "changed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    (folder / "trusted.py").write_bytes(verifier)
    command = [sys.executable, "-I", str(folder / "trusted.py"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.covers("T29")
def test_bundle_that_somebody_made_with_a_key_of_their_own_is_not_ours(
    store: Store, database: Database, tmp_path: Path
) -> None:
    from app.store.connection import make_engine
    from app.store.signing_keys import file_signer, sealing_key

    foreign = replace(TEST_KEYS, audit=sealing_key(file_signer(b"\x09" * 32)))
    write(store, 5)
    other = Store(make_engine(database.application), foreign, conninfo=database.application)
    path = bundle(other, tmp_path / "log.zip")
    other.close()
    assert verify(path)[0] == 0, "by itself it is sound"
    status, said = verify(path, "--key", KEY_ID)
    assert status == 1
    assert f"not with {KEY_ID}" in said


@pytest.mark.covers("A3", "T33")
def test_resources_are_audit_events_and_say_what_the_entries_say(store: Store, tmp_path: Path) -> None:
    write(store, len(AuditEvent) + 5)
    path = tmp_path / "log.ndjson"
    done = export_file(
        store, AUDITOR, AuditFilter(), format="fhir", path=path, now=NOW, writer=WRITERS["fhir"]
    )
    assert is_fhir_export(path)
    assert verify_fhir_file(path) == (done.count, done.head_digest)
    first, *resources, last = map(json.loads, path.read_text().rstrip("\n").split("\n"))
    assert (first["resourceType"], last["resourceType"]) == ("Basic", "Basic")
    for resource in resources:
        FhirAuditEvent.model_validate(resource)
    with store.begin() as tx:
        entries = list(tx.audit.stream(AuditFilter()))
    for resource, entry in zip(resources, entries, strict=True):
        assert resource["agent"][0]["who"]["display"] == entry.username
        assert resource["subtype"][-1]["display"] == entry.event
        values = [each["what"]["identifier"]["value"] for each in resource["entity"]]
        assert values[0] == str(entry.seq)
        assert (entry.patient_ref in values, f"urn:oid:{entry.study_uid}" in values) == (
            bool(entry.patient_ref),
            bool(entry.study_uid),
        )


def test_resource_that_does_not_say_what_its_entry_says_is_named(store: Store, tmp_path: Path) -> None:
    write(store, 3)
    path = tmp_path / "log.ndjson"
    export_file(store, AUDITOR, AuditFilter(), format="fhir", path=path, now=NOW, writer=WRITERS["fhir"])
    text = path.read_text()
    path.write_text(text.replace('"who": {"display": "reader0"}', '"who": {"display": "reader9"}', 1))
    with pytest.raises(AuditBroken, match="the resource of entry 2 was altered"):
        verify_fhir_file(path)


@pytest.mark.covers("T29", "A2")
@pytest.mark.parametrize("kind", ["bundle", "csv", "jsonl", "checkpoint"])
def test_log_must_go_on_from_what_was_kept_of_it(
    store: Store, database: Database, tmp_path: Path, kind: str
) -> None:
    write(store, 10)
    path = tmp_path / f"kept.{kind}"
    if kind == "checkpoint":
        made = checkpoint_now(store, AUDITOR, Occasion.STOP, now=NOW)
        assert made is not None
        path.write_text(json.dumps(dict(made.detail)) + "\n")
    elif kind == "bundle":
        bundle(store, path)
    else:
        export_file(store, AUDITOR, AuditFilter(), format=kind, path=path, now=NOW)  # type: ignore[arg-type]
    anchors = read_anchors(path)
    write(store, 5, first=20)
    verify_log(store, AUDITOR, now=NOW, anchors=anchors)
    with psycopg.connect(database.owner) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("DELETE FROM audit_log WHERE seq > 4")
        owner.execute("UPDATE audit_head SET seq = 4, digest = (SELECT digest FROM audit_log WHERE seq = 4)")
    assert verify_log(store, AUDITOR, now=NOW).count == 4, "the log alone does not show it"
    with pytest.raises(AuditBroken, match=r"kept in .*kept|is another than the one kept"):
        verify_log(store, AUDITOR, now=NOW, anchors=anchors)


def test_file_that_names_no_entry_is_no_anchor(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing\n{}\n[1]\n")
    with pytest.raises(Rejected, match="names no entry of the audit log"):
        read_anchors(path)


@pytest.mark.covers("T29", "A1")
def test_checkpoints_are_made_after_so_many_entries_and_not_for_nothing(store: Store) -> None:
    assert checkpoint_now(store, AUDITOR, Occasion.STOP, now=NOW) is None
    write(store, 12)
    assert checkpoint_when_due(store, AUDITOR, every=12, now=NOW) is not None
    later = NOW + timedelta(hours=2)
    assert checkpoint_when_due(store, AUDITOR, every=12, now=later) is None
    assert checkpoint_now(store, AUDITOR, Occasion.STOP, now=later) is None
    write(store, 1)
    assert checkpoint_when_due(store, AUDITOR, every=12, now=NOW + timedelta(minutes=5)) is None
    assert checkpoint_when_due(store, AUDITOR, every=12, now=later) is not None
    state = verify_log(store, AUDITOR, now=later)
    assert (state.count, state.checkpoints, state.covered, state.exposed) == (15, 2, 14, 0)
