"""The file of an audit export, as CSV and JSON Lines, and its verification without any database.

A file is a heading, one line per entry, and a closing line with the count. Besides the fields of the entry
each line has a `link`: SHA-256 over the link before it (the heading's digest before the first) and the
entry's digest. The entries' own chain shows what is missing from the whole log; the links show what was taken
out of a selection, where entries do not follow each other.

Whoever can rewrite the whole file can rewrite the links too: compare the head that `verify_file` returns with
the log's, or with the one that the export printed.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from app.domain.audit import GENESIS, AuditEntry, check_link
from app.domain.errors import AuditBroken

VERSION = 1
_HEADING, _CLOSING = "janus_med_audit", "janus_med_audit_end"
_COLUMNS = (
    "seq", "at", "event", "outcome", "username", "role", "source", "patient_ref", "study_uid", "detail",
    "previous", "digest", "link",
)  # fmt: skip
# A cell that begins so is a formula for spreadsheets; verification takes the apostrophe in front off again.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


@dataclass(frozen=True)
class ExportHeading:
    """What a file says about itself.

    Attributes
    ----------
    whole
        Whether the filter left nothing out.
    wanted
        The filter; a patient stands in it by reference.
    head_seq, head_digest
        The last entry of the log at that moment.
    """

    created_at: datetime
    created_by: str
    whole: bool
    wanted: Mapping[str, Any]
    head_seq: int
    head_digest: str

    def as_json(self) -> str:
        """Return the heading as one line."""
        body = {
            _HEADING: VERSION,
            "created_at": self.created_at.astimezone(UTC).isoformat(),
            "created_by": self.created_by,
            "whole": self.whole,
            "filter": dict(self.wanted),
            "head": {"seq": self.head_seq, "digest": self.head_digest},
        }
        return json.dumps(body, ensure_ascii=False)


def write_export(
    entries: Iterable[AuditEntry], heading: ExportHeading, out: TextIO, format_: Literal["csv", "jsonl"]
) -> int:
    """Write an export and return the number of its entries; one entry is in memory at a time."""
    first = heading.as_json()
    link = first_link(first)
    cells = csv.writer(out)  # CR LF, as RFC 4180 says: then a lone CR in a text is quoted too
    if format_ == "csv":
        cells.writerow([_HEADING, first])
        cells.writerow(_COLUMNS)
    else:
        out.write(first + "\n")
    count = 0
    for entry in entries:
        link = next_link(link, entry.digest)
        line = entry.body() | {"digest": entry.digest, "link": link}
        if format_ == "csv":
            cells.writerow([_to_cell(line[name]) for name in _COLUMNS])
        else:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
        count += 1
    closing = closing_line(count, link)
    if format_ == "csv":
        cells.writerow([_CLOSING, closing])
    else:
        out.write(closing + "\n")
    return count


def verify_file(path: Path) -> tuple[int, str]:
    """Verify an exported file, CSV or JSON Lines.

    Returns
    -------
    tuple of int and str
        Number of entries, and the digest of the log's head. For a selection the text says that each of its
        entries was verified, but not what lies between them.

    Raises
    ------
    AuditBroken
        Naming the first bad entry: altered, missing, inserted, out of its place, or the end cut off.
    """
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return verify_lines(_read_lines(file))
        except (UnicodeDecodeError, csv.Error) as error:
            raise AuditBroken(f"the file cannot be read as text: {error}") from None


def verify_lines(lines: Iterator[str | list[str]]) -> tuple[int, str]:
    """Verify the lines of an export: the heading as text, then text of JSON Lines or the cells of CSV.

    Returns and raises what `verify_file` does.
    """
    first = str(next(lines, ""))
    heading = _read_heading(first)
    count = _verify_entries(lines, heading, first_link(first))
    if heading.whole:
        return count, heading.head_digest
    return count, (
        f"{heading.head_digest} (a selection: its entries are verified, those between them are not in it)"
    )


def closing_line(count: int, link: str) -> str:
    """Return the line that ends an export."""
    return json.dumps({_CLOSING: VERSION, "count": count, "link": link})


def first_link(heading: str) -> str:
    """Return the link that the first entry's link continues."""
    return hashlib.sha256(heading.encode()).hexdigest()


def next_link(link: str, digest: str) -> str:
    """Return the link of the entry with this digest that stands after `link`."""
    return hashlib.sha256(f"{link}{digest}".encode()).hexdigest()


def entry_line(fields: Mapping[str, Any]) -> AuditEntry:
    """Return the entry that a line of an export holds; `AuditBroken` when it holds none."""
    return _read_entry(fields, "of a message")


def _verify_entries(lines: Iterator[str | list[str]], heading: ExportHeading, link: str) -> int:
    """Walk the entries after the heading and return their number."""
    seq, digest, count = 0, GENESIS, 0
    for line in lines:
        after = f"after entry {seq}" if count else "after the heading"
        fields = _read_fields(line, after)
        if _CLOSING in fields:
            _check_closing(fields, heading, count, link, (seq, digest))
            if next(lines, None) is not None:
                raise AuditBroken("there is something after the closing line")
            return count
        entry = _read_entry(fields, after)
        if heading.whole:
            check_link(entry, seq=seq + 1, previous=digest)
        else:
            _check_selected(entry, heading, seq, digest)
        link = next_link(link, entry.digest)
        if fields.get("link") != link:
            raise AuditBroken(f"entry {entry.seq} did not stand {after} when it was exported")
        seq, digest, count = entry.seq, entry.digest, count + 1
    raise AuditBroken(f"the end is cut off after entry {seq}: the closing line is missing")


def _check_selected(entry: AuditEntry, heading: ExportHeading, seq: int, digest: str) -> None:
    """Check an entry of a selection: unaltered, in ascending order, and linked where two are neighbours."""
    if entry.seq <= seq or entry.seq > heading.head_seq:
        raise AuditBroken(f"entry {entry.seq} is not in its place: it stands after entry {seq}")
    if not entry.is_intact():
        raise AuditBroken(f"entry {entry.seq} was altered: its digest does not match its content")
    if entry.seq == seq + 1 and entry.previous != digest:
        raise AuditBroken(f"entry {entry.seq} does not follow entry {seq}: its link to it is broken")


def _check_closing(
    fields: Mapping[str, Any], heading: ExportHeading, count: int, link: str, last: tuple[int, str]
) -> None:
    head = (heading.head_seq, heading.head_digest)
    if heading.whole and last != head:
        raise AuditBroken(f"entry {last[0] + 1} is missing: the log's head was entry {head[0]}")
    if fields.get("count") != count or fields.get("link") != link:
        raise AuditBroken(
            f"after entry {last[0]} some are missing: {count} are here, {fields.get('count')} were exported"
        )


def _read_lines(file: TextIO) -> Iterator[str | list[str]]:
    """Give the heading as text, then each line: text of JSON Lines, or the cells of CSV."""
    first = file.readline()
    if first.startswith("{"):
        yield first.rstrip("\r\n")
        yield from (line.rstrip("\r\n") for line in file)
        return
    cells = next(csv.reader([first], strict=True), [])
    yield cells[1] if len(cells) == 2 and cells[0] == _HEADING else ""
    rows = csv.reader(file, strict=True)
    if tuple(next(rows, ())) != _COLUMNS:
        raise AuditBroken("the line with the names of the columns was altered")
    yield from rows


def _read_heading(line: str) -> ExportHeading:
    try:
        fields = json.loads(line)
        version = fields[_HEADING]
        heading = ExportHeading(
            created_at=datetime.fromisoformat(fields["created_at"]),
            created_by=fields["created_by"],
            whole=fields["whole"],
            wanted=fields["filter"],
            head_seq=int(fields["head"]["seq"]),
            head_digest=str(fields["head"]["digest"]),
        )
    except (ValueError, KeyError, TypeError):
        raise AuditBroken("this is not an export of the audit log: its heading cannot be read") from None
    if version != VERSION:
        raise AuditBroken(f"the file has version {version}, this release reads {VERSION}")
    return heading


def _read_fields(line: str | list[str], after: str) -> dict[str, Any]:
    """Return the fields of a line, whichever format it is in."""
    try:
        if isinstance(line, str):
            fields = json.loads(line)
        elif len(line) == 2 and line[0] == _CLOSING:
            fields = json.loads(line[1])
        else:
            fields = {name: _from_cell(cell) for name, cell in zip(_COLUMNS, line, strict=True)}
            fields["seq"], fields["detail"] = int(fields["seq"]), json.loads(fields["detail"])
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise AuditBroken(f"the line {after} cannot be read")
    return fields


def _read_entry(fields: Mapping[str, Any], after: str) -> AuditEntry:
    texts = [name for name in _COLUMNS if name not in {"seq", "detail"}]
    sound = (
        set(fields) == set(_COLUMNS)
        and type(fields["seq"]) is int
        and isinstance(fields["detail"], dict)
        and all(isinstance(fields[name], str) for name in texts)
    )
    at = _read_time(fields["at"]) if sound else None
    if at is None:
        raise AuditBroken(f"the line {after} is not an entry of the log")
    return AuditEntry(**{name: fields[name] for name in _COLUMNS if name != "link"} | {"at": at})


def _read_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _to_cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _from_cell(cell: str) -> str:
    return cell.removeprefix("'")
