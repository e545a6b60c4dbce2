"""An exported audit log proves itself: CSV and JSON Lines, whole or selected, changed at every place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.audit import GENESIS, AuditEntry, digest_entry
from app.domain.errors import AuditBroken
from app.services.audit_file import ExportHeading, verify_file, write_export

Format = Literal["csv", "jsonl"]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FORMATS: tuple[Format, ...] = ("csv", "jsonl")
LENGTH = 7
SELECTED = (2, 3, 5, 9, 10, 14, 15)


def chain(length: int, text: str = "x", detail: object = None) -> list[AuditEntry]:
    """A sound log."""
    entries: list[AuditEntry] = []
    for seq in range(1, length + 1):
        draft = AuditEntry(
            seq=seq,
            at=NOW + timedelta(microseconds=seq),
            event="login",
            outcome="success",
            username=text,
            role="viewer",
            source=text,
            patient_ref="",
            study_uid="1.2.3",
            detail={"value": detail, "n": seq},
            previous=entries[-1].digest if entries else GENESIS,
            digest="",
        )
        entries.append(AuditEntry(**(vars(draft) | {"digest": digest_entry(draft.body())})))
    return entries


def export(entries: list[AuditEntry], format_: Format, *, whole: bool, head: AuditEntry | None = None) -> str:
    last = head or entries[-1]
    heading = ExportHeading(
        created_at=NOW,
        created_by="auditor",
        whole=whole,
        wanted={},
        head_seq=last.seq,
        head_digest=last.digest,
    )
    out = io.StringIO()
    write_export(iter(entries), heading, out, format_)
    return out.getvalue()


def check(folder: Path, text: str) -> tuple[int, str]:
    path = folder / "export"
    path.write_text(text, encoding="utf-8", newline="")
    return verify_file(path)


def exported(format_: Format, *, whole: bool) -> tuple[list[AuditEntry], list[str], int]:
    """Entries, the lines of their file, and how many lines stand before the first entry."""
    log = chain(15 if not whole else LENGTH)
    entries = log if whole else [log[seq - 1] for seq in SELECTED]
    text = export(entries, format_, whole=whole, head=log[-1])
    return entries, text.splitlines(keepends=True), 2 if format_ == "csv" else 1


def set_field(format_: Format, line: str, name: str, value: object) -> str:
    """Change one field of a line."""
    columns = [
        "seq",
        "at",
        "event",
        "outcome",
        "username",
        "role",
        "source",
        "patient_ref",
        "study_uid",
        "detail",
        "previous",
        "digest",
        "link",
    ]
    if format_ == "jsonl":
        return json.dumps(json.loads(line) | {name: value}) + "\n"
    cells = next(csv.reader([line]))
    cells[columns.index(name)] = value if isinstance(value, str) else json.dumps(value)
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


CHANGES: dict[str, object] = {
    "at": "2020-01-01T00:00:00+00:00", "event": "logout", "outcome": "failure", "username": "other",
    "role": "admin", "source": "other", "patient_ref": "other", "study_uid": "9.9", "detail": {"n": 99},
    "digest": "0" * 64, "link": "0" * 64,
}  # fmt: skip


@pytest.mark.covers("A2", "A3", "T28")
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("format_", FORMATS)
def test_every_altered_field_at_every_place_names_its_entry(
    tmp_path: Path, format_: Format, whole: bool
) -> None:
    entries, lines, before = exported(format_, whole=whole)
    tried = 0
    for place, entry in enumerate(entries):
        for name, value in CHANGES.items():
            changed = list(lines)
            changed[before + place] = set_field(format_, lines[before + place], name, value)
            with pytest.raises(AuditBroken, match=rf"entry {entry.seq} "):
                check(tmp_path, "".join(changed))
            tried += 1
    assert tried == LENGTH * len(CHANGES)


@pytest.mark.covers("A2", "A3", "T28")
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("format_", FORMATS)
def test_deleted_inserted_and_swapped_lines_are_found_at_every_place(
    tmp_path: Path, format_: Format, whole: bool
) -> None:
    entries, lines, before = exported(format_, whole=whole)

    def broken(change: Callable[[list[str], int], None], place: int) -> str:
        changed = list(lines)
        change(changed, before + place)
        with pytest.raises(AuditBroken) as caught:
            check(tmp_path, "".join(changed))
        return str(caught.value)

    def swap(text: list[str], at: int) -> None:
        text[at], text[at + 1] = text[at + 1], text[at]

    for place, entry in enumerate(entries):
        after = entries[place + 1] if place + 1 < len(entries) else None
        deleted = broken(lambda text, at: text.pop(at), place)
        if whole:
            assert f"entry {entry.seq} is missing" in deleted
        elif after:
            assert f"entry {after.seq} " in deleted
        inserted = broken(lambda text, at: text.insert(at, lines[at]), place)
        assert f"entry {entry.seq}" in inserted
        if after:
            swapped = broken(swap, place)
            assert f"entry {entry.seq if whole else after.seq} " in swapped


@pytest.mark.covers("A2", "T29")
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("format_", FORMATS)
def test_cut_tail_is_found_with_and_without_its_closing_line(
    tmp_path: Path, format_: Format, whole: bool
) -> None:
    entries, lines, before = exported(format_, whole=whole)
    for kept in range(len(entries)):
        last = entries[kept - 1].seq if kept else 0
        with pytest.raises(AuditBroken, match=f"cut off after entry {last}"):
            check(tmp_path, "".join(lines[: before + kept]))
        with pytest.raises(AuditBroken, match=f"entry {last + 1} is missing|after entry {last} "):
            check(tmp_path, "".join([*lines[: before + kept], lines[-1]]))
    text = "".join(lines)
    for length in range(len(text) - len(lines[-1]) - 40, len(text) - 2):
        with pytest.raises(AuditBroken):
            check(tmp_path, text[:length])


@pytest.mark.covers("A2")
@pytest.mark.parametrize("format_", FORMATS)
def test_heading_cannot_be_changed_to_a_selection_or_another_head(tmp_path: Path, format_: Format) -> None:
    """A selection is checked less strictly: calling a whole log one must not hide a deletion."""
    _, lines, _ = exported(format_, whole=True)
    quote = '""' if format_ == "csv" else '"'
    for old, new in (("'whole': true", "'whole': false"), ("'seq': 7", "'seq': 6"), ("auditor", "nobody")):
        assert old.replace("'", quote) in lines[0]
        heading = lines[0].replace(old.replace("'", quote), new.replace("'", quote))
        with pytest.raises(AuditBroken):
            check(tmp_path, heading + "".join(lines[1:]))


@pytest.mark.parametrize("format_", FORMATS)
def test_lines_after_the_closing_line_are_found(tmp_path: Path, format_: Format) -> None:
    _, lines, before = exported(format_, whole=True)
    with pytest.raises(AuditBroken, match="after the closing line"):
        check(tmp_path, "".join([*lines, lines[before]]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "{}",
        "{\n",
        "[1]\n",
        "not an export\n",
        "a,b\n",
        '{"janus_med_audit": 2}\n',
        "\x00",
        "seq,at\n1,2\n",
    ],
)
def test_file_that_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(AuditBroken):
        check(tmp_path, text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'{"janus_med_audit": 1}\n\xff\n', b"[" * 100_000])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "export"
    path.write_bytes(content)
    with pytest.raises(AuditBroken):
        verify_file(path)


@pytest.mark.covers("A3")
@pytest.mark.parametrize("format_", FORMATS)
def test_selection_says_that_it_is_one(tmp_path: Path, format_: Format) -> None:
    entries, lines, _ = exported(format_, whole=False)
    count, head = check(tmp_path, "".join(lines))
    assert count == len(entries)
    assert head.startswith(chain(15)[-1].digest)
    assert "a selection" in head


@pytest.mark.covers("A3", "T27")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    detail=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
        ),
        max_leaves=6,
    ),
)
@pytest.mark.parametrize("format_", FORMATS)
def test_any_text_survives_the_way_into_the_file_and_back(
    tmp_path: Path, format_: Format, text: str, detail: object
) -> None:
    entries = chain(3, text, detail)
    assert check(tmp_path, export(entries, format_, whole=True)) == (3, entries[-1].digest)


@pytest.mark.covers("T27")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''"])
def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    exported_text = export(chain(2, text), "csv", whole=True)
    cells = [cell for row in csv.reader(io.StringIO(exported_text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert check(tmp_path, exported_text)[0] == 2
