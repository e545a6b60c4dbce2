"""The export as DICOM audit messages proves itself as the other formats do, and each message is valid.

Covered: every line altered, cut, swapped or inserted; what a message says held against its entry; the schema.
Not covered: CSV and JSON Lines (`test_audit_file.py`), the command (`tests/workers/test_cli.py`).
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from app.domain.audit import GENESIS, AuditEntry, AuditEvent, digest_entry
from app.domain.errors import AuditBroken
from app.services.audit_file import ExportHeading
from app.workers.audit_forms import EVENT_FORMS, AuditSource
from app.workers.audit_xml_file import is_xml_export, verify_xml_file, write_xml_export
from tests.conftest import ROOT

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOURCE = AuditSource('JANUS"MED', "<Hospital & Co>")
SCHEMA = etree.RelaxNG(etree.parse(ROOT / "tests" / "bridge" / "audit_message.rng"))


def chain(events: list[str]) -> list[AuditEntry]:
    """A sound log with these events."""
    entries: list[AuditEntry] = []
    for seq, event in enumerate(events, start=1):
        unsealed = AuditEntry(
            seq=seq,
            at=NOW + timedelta(microseconds=seq),
            event=event,
            outcome="failure" if seq % 2 else "success",
            username="janus-med/listener" if seq % 3 == 0 else f"réader{seq}\n<&>",
            role="service" if seq % 3 == 0 else "viewer",
            source="10.0.0.1" if seq % 2 else "listener",
            patient_ref="" if seq % 4 == 0 else "ab" * 16,
            study_uid="" if seq % 5 == 0 else "1.2.3",
            detail={"n": seq, "text": "]]> </AuditMessage>\n"},
            previous=entries[-1].digest if entries else GENESIS,
            digest="",
        )
        entries.append(replace(unsealed, digest=digest_entry(unsealed.body())))
    return entries


def export(entries: list[AuditEntry], path: Path) -> list[str]:
    """Write the whole log; return the lines."""
    heading = ExportHeading(NOW, "auditor", True, {}, entries[-1].seq, entries[-1].digest)
    out = io.StringIO()
    assert write_xml_export(entries, heading, out, SOURCE) == len(entries)
    path.write_text(out.getvalue(), encoding="utf-8")
    return out.getvalue().splitlines(keepends=True)


@pytest.mark.covers("A3")
def test_whole_log_verifies_and_is_well_formed(tmp_path: Path):
    path, entries = tmp_path / "audit.xml", chain(["login"] * 9)
    export(entries, path)
    assert is_xml_export(path)
    assert verify_xml_file(path) == (9, entries[-1].digest)
    root = etree.parse(path).getroot()
    assert root.get("site") == SOURCE.site
    assert len(root.findall("AuditMessage")) == 9


@pytest.mark.covers("T33")
def test_every_event_of_the_catalogue_has_a_valid_message_that_names_it(tmp_path: Path):
    assert set(EVENT_FORMS) == set(AuditEvent)
    path, events = tmp_path / "audit.xml", [event.value for event in AuditEvent]
    export(chain(events), path)
    messages = etree.parse(path).getroot().findall("AuditMessage")
    for message, event in zip(messages, events, strict=True):
        SCHEMA.assertValid(message)
        ours = message.findall("EventIdentification/EventTypeCode[@codeSystemName='99JANUSMED']")
        assert [code.get("displayName") for code in ours] == [event]
        patients = message.findall("ParticipantObjectIdentification[@ParticipantObjectTypeCodeRole='1']")
        assert len(patients) <= 1


@pytest.mark.covers("A2", "A3")
def test_every_line_altered_cut_swapped_or_doubled_is_found(tmp_path: Path):
    path = tmp_path / "audit.xml"
    lines = export(chain(["login", "logout", "study opened", "report signed"]), path)
    changed = []
    for i, line in enumerate(lines):
        middle = len(line) // 2
        other = "0" if line[middle] != "0" else "1"
        changed.append([*lines[:i], line[:middle] + other + line[middle + 1 :], *lines[i + 1 :]])
        changed.append([*lines[:i], *lines[i + 1 :]])
        changed.append([*lines[:i], line, *lines[i:]])
        if i + 2 < len(lines):
            changed.append([*lines[:i], lines[i + 1], line, *lines[i + 2 :]])
    changed += [lines[:i] for i in range(len(lines))]
    for tampered in changed:
        path.write_text("".join(tampered), encoding="utf-8")
        with pytest.raises(AuditBroken):
            verify_xml_file(path)


def test_message_that_says_another_thing_than_its_entry_is_named(tmp_path: Path):
    path = tmp_path / "audit.xml"
    lines = export(chain(["login", "logout"]), path)
    path.write_text("".join(lines).replace("10.0.0.1", "10.0.0.2"), encoding="utf-8")
    with pytest.raises(AuditBroken, match="message of entry 1 was altered"):
        verify_xml_file(path)


@pytest.mark.parametrize(
    "line",
    ["<AuditMessage/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "", "<a" * 1000],
    ids=["empty", "entity", "blank", "broken"],
)
def test_lines_that_are_no_message_are_refused(tmp_path: Path, line: str):
    path = tmp_path / "audit.xml"
    lines = export(chain(["login", "logout"]), path)
    path.write_text("".join([*lines[:3], line + "\n", *lines[4:]]), encoding="utf-8")
    with pytest.raises(AuditBroken):
        verify_xml_file(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    path = tmp_path / "audit.xml"
    export(chain(["login"]), path)
    path.write_bytes(path.read_bytes().replace(b"login", b"\xff\xfe", 1))
    with pytest.raises(AuditBroken):
        verify_xml_file(path)
