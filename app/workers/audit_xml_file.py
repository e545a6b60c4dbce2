"""The audit export as DICOM audit messages: one a line, and as verifiable as the other formats.

Each message carries its entry and digest; verification reads those, checks them like the lines of a JSON
Lines export, and then that the message is the one which belongs to the entry.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape, quoteattr, unescape

from defusedxml import ElementTree

from app.domain.audit import AuditEntry
from app.domain.errors import AuditBroken
from app.services.audit_file import (
    ExportHeading,
    closing_line,
    entry_line,
    first_link,
    next_link,
    verify_lines,
)
from app.workers.audit_forms import AuditSource, as_message
from pacs_bridge.audit_message import render_audit_message

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_UNBOUNDED = 2**31


def write_xml_export(
    entries: Iterable[AuditEntry], heading: ExportHeading, out: TextIO, source: AuditSource
) -> int:
    """Write an export and return the number of its entries; one entry is in memory at a time."""
    first = heading.as_json()
    link, count = first_link(first), 0
    out.write(f"{_DECLARATION}\n<AuditMessages source={quoteattr(source.source_id)}")
    out.write(f" site={quoteattr(source.site)}>\n<Heading>{escape(first)}</Heading>\n")
    for entry in entries:
        link = next_link(link, entry.digest)
        out.write(f"{_message(entry, source)}\n<Link>{link}</Link>\n")
        count += 1
    out.write(f"<Closing>{escape(closing_line(count, link))}</Closing>\n</AuditMessages>\n")
    return count


def is_xml_export(path: Path) -> bool:
    """Tell whether a file begins like one of these exports."""
    with path.open("rb") as file:
        return file.read(len(_DECLARATION)) == _DECLARATION.encode()


def verify_xml_file(path: Path) -> tuple[int, str]:
    """Verify an exported file; returns and raises what `app.services.audit_file.verify_file` does."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return verify_lines(_as_json_lines(file))
    except UnicodeDecodeError as error:
        raise AuditBroken(f"the file cannot be read as text: {error}") from None


def _message(entry: AuditEntry, source: AuditSource) -> str:
    return render_audit_message(as_message(entry, source), largest=_UNBOUNDED).decode()


def _as_json_lines(file: TextIO) -> Iterator[str]:
    """Give the lines that the same export has as JSON Lines, after a look at each message."""
    declaration, root = file.readline().rstrip("\n"), file.readline().rstrip("\n")
    if declaration != _DECLARATION:
        raise AuditBroken("this is not an export of the audit log: its first line is another")
    source = _source_of(root)
    yield _text_of(file.readline(), "Heading")
    for line in file:
        if line.startswith("<Closing>"):
            yield _text_of(line, "Closing")
            break
        yield _entry_of(line.rstrip("\n"), _text_of(file.readline(), "Link"), source)
    if file.readline().rstrip("\n") != "</AuditMessages>":
        raise AuditBroken("the end is cut off: the closing line is missing")
    yield from (line for line in file if line.strip())


def _source_of(root: str) -> AuditSource:
    try:
        element = ElementTree.fromstring(f"{root}</AuditMessages>")
        return AuditSource(element.attrib["source"], element.attrib["site"])
    except (ParseError, KeyError):
        raise AuditBroken("this is not an export of the audit log: its root cannot be read") from None


def _text_of(line: str, name: str) -> str:
    line, head, tail = line.rstrip("\n"), f"<{name}>", f"</{name}>"
    if not (line.startswith(head) and line.endswith(tail)):
        raise AuditBroken(f"the line {line[:40]!r} is not the {name} that belongs there")
    return unescape(line[len(head) : -len(tail)])


def _entry_of(line: str, link: str, source: AuditSource) -> str:
    """Return the entry in a message as a line of JSON, if the message is the one that belongs to it."""
    try:
        message = ElementTree.fromstring(line)
        details = {
            detail.attrib["type"]: base64.b64decode(detail.attrib["value"], validate=True).decode()
            for detail in message.iter("ParticipantObjectDetail")
        }
        fields = json.loads(details["entry"]) | {"digest": details["digest"], "link": link}
        entry = entry_line(fields)
    except (ParseError, KeyError, TypeError, ValueError, RecursionError):
        raise AuditBroken(f"the message {line[:60]!r} holds no entry of the log") from None
    if _message(entry, source) != line:
        raise AuditBroken(
            f"the message of entry {entry.seq} was altered: it does not say what the entry says"
        )
    return json.dumps(fields, ensure_ascii=False)
