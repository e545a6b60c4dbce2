"""The audit export as FHIR R4 AuditEvent resources, one a line, and as verifiable as the other formats.

Every resource carries its entry, digest and link as extensions; the first and the last line are a Basic
resource with the heading and the closing line.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, TextIO

from app.domain.access import Role
from app.domain.audit import AuditEntry, AuditEvent, Outcome
from app.domain.errors import AuditBroken
from app.services.audit_file import (
    ExportHeading,
    closing_line,
    entry_line,
    first_link,
    next_link,
    verify_lines,
)
from app.workers.audit_forms import EVENT_FORMS, OURS, AuditSource
from pacs_bridge.audit_message import AuditCode

JSON = dict[str, Any]
EXTENSION = "urn:janus-med:audit/"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_ROLES = "urn:janus-med:role"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_SECURITY_SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
_ACTIVITY = {"system": _DCM, "code": "110100", "display": "Application Activity"}
_BASIC = {"coding": [{"system": "urn:janus-med:basic", "code": "audit-export"}]}


def write_fhir_export(
    entries: Iterable[AuditEntry], heading: ExportHeading, out: TextIO, source: AuditSource
) -> int:
    """Write an export and return the number of its entries; one entry is in memory at a time."""
    first = heading.as_json()
    link, count = first_link(first), 0
    out.write(_basic("heading", first))
    for entry in entries:
        link = next_link(link, entry.digest)
        out.write(json.dumps(audit_event(entry, link, source), ensure_ascii=False) + "\n")
        count += 1
    out.write(_basic("closing", closing_line(count, link)))
    return count


def audit_event(entry: AuditEntry, link: str, source: AuditSource) -> JSON:
    """Return an entry as AuditEvent (FHIR R4); the patient stands in it by reference, as in the log."""
    form = EVENT_FORMS[AuditEvent(entry.event)]
    ours = {"system": f"urn:janus-med:{OURS}", "code": entry.event.replace(" ", "-"), "display": entry.event}
    return {
        "resourceType": "AuditEvent",
        "id": f"janus-med-{entry.seq}",
        "extension": [
            _text("entry", json.dumps(entry.body(), ensure_ascii=False, separators=(",", ":"))),
            _text("digest", entry.digest),
            _text("link", link),
        ],
        "type": _coding(form.event),
        "subtype": [*([_coding(form.event_type)] if form.event_type else []), ours],
        "action": form.action.value,
        "recorded": entry.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "outcome": "0" if entry.outcome == Outcome.SUCCESS else "4",
        "agent": [_agent(entry)],
        "source": {
            "observer": {"display": source.source_id},
            "type": [{"system": _SECURITY_SOURCE, "code": "4", "display": "Application Server"}],
            **({"site": source.site} if source.site else {}),
        },
        "entity": _entities(entry),
    }


def verify_fhir_file(path: Path) -> tuple[int, str]:
    """Verify an exported file; returns and raises what `app.services.audit_file.verify_file` does."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return verify_lines(_as_json_lines(file))
    except UnicodeDecodeError as error:
        raise AuditBroken(f"the file cannot be read as text: {error}") from None


def is_fhir_export(path: Path) -> bool:
    """Tell whether a file begins like one of these exports."""
    with path.open("rb") as file:
        return file.read(24).startswith(b'{"resourceType": "Basic"')


def _as_json_lines(file: TextIO) -> Iterator[str]:
    """Give the lines that the same export has as JSON Lines, after a look at each resource."""
    for line in file:
        resource, parts = _read(line)
        if resource.get("resourceType") == "Basic":
            yield parts.get("heading") or parts.get("closing") or ""
            continue
        try:
            fields = json.loads(parts["entry"]) | {"digest": parts["digest"], "link": parts["link"]}
            entry = entry_line(fields)
            observer = resource["source"]
            source = AuditSource(observer["observer"]["display"], observer.get("site", ""))
        except (KeyError, TypeError, ValueError, RecursionError):
            raise AuditBroken(f"the resource {line[:60]!r} holds no entry of the log") from None
        if audit_event(entry, parts["link"], source) != resource:
            raise AuditBroken(
                f"the resource of entry {entry.seq} was altered: it does not say what the entry says"
            )
        yield json.dumps(fields, ensure_ascii=False)


def _read(line: str) -> tuple[JSON, dict[str, str]]:
    try:
        resource = json.loads(line)
        parts = {part["url"].removeprefix(EXTENSION): part["valueString"] for part in resource["extension"]}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise AuditBroken(f"the line {line[:60]!r} is no resource of an export") from None
    return resource, parts


def _basic(name: str, text: str) -> str:
    body = {"resourceType": "Basic", "extension": [_text(name, text)], "code": _BASIC}
    return json.dumps(body, ensure_ascii=False) + "\n"


def _text(name: str, value: str) -> JSON:
    return {"url": EXTENSION + name, "valueString": value}


def _coding(code: AuditCode) -> JSON:
    return {"system": _DCM, "code": code.value, "display": code.meaning}


def _agent(entry: AuditEntry) -> JSON:
    role = {"system": _DCM, "code": "110150", "display": "Application"}
    if entry.role != Role.SERVICE:
        role = {"system": _ROLES, "code": entry.role}
    agent: JSON = {"role": [{"coding": [role]}], "who": {"display": entry.username}, "requestor": True}
    if entry.source:
        agent["network"] = {"address": entry.source, "type": _kind_of(entry.source)}
    return agent


def _kind_of(source: str) -> str:
    """Return the type of a network access point: 1 a machine's name, 2 an IP address."""
    try:
        ipaddress.ip_address(source)
    except ValueError:
        return "1"
    return "2"


def _entities(entry: AuditEntry) -> list[JSON]:
    entities = [_entity("4", "urn:janus-med:audit", str(entry.seq), "13")]
    if entry.patient_ref:
        entities.append(_entity("1", "urn:janus-med:patient-ref", entry.patient_ref, "1"))
    if entry.study_uid:
        entities.append(_entity("2", "urn:dicom:uid", f"urn:oid:{entry.study_uid}", "3"))
    return entities


def _entity(kind: str, system: str, value: str, role: str) -> JSON:
    roles = "http://terminology.hl7.org/CodeSystem/object-role"
    return {
        "what": {"identifier": {"system": system, "value": value}},
        "type": {"system": _ENTITY_TYPE, "code": kind},
        "role": {"system": roles, "code": role},
    }
