"""What may stand in a log line: known fields, and in each what it is for; everything else is left out.

A number is a number. A name is one of ours or of the settings: a queue, a destination, an AE title. A digest
is hexadecimal. A text is a reason in our own words, out of which whatever may come from an image or a message
is taken: what is quoted, names with carets, UIDs, long numbers, paths. Nothing else passes, whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from enum import Enum
from typing import Any

LONGEST_TEXT = 200
_NAME = re.compile(r"[A-Za-z0-9_ .,:@/+()<>#\[\]-]{0,80}")
_HL7_KIND = re.compile(r"[A-Z]{3}\^[A-Z]\d{2}(\^[A-Z]{3}_[A-Z]\d{2})?")
# in this order: what is quoted holds anything, also what the others look for
_FOREIGN = (
    re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|«[^»]*»"),
    re.compile(r"\S*\^\S*"),
    re.compile(r"\b\d+(?:\.\d+){3,}\b"),
    re.compile(r"(?<![\w.])/[^\s:;,]+"),
    re.compile(r"\S*\d{5,}\S*"),
    re.compile(r"\b\d{4}-\d{2}-\d{2}\b"),
)
# what no name of ours has: a UID, a path, a date, a long number (a port has five digits)
_NO_NAME = (
    re.compile(r"\b\d+(?:\.\d+){4,}\b"),
    re.compile(r"(?<![\w.])/[^\s:;,]+"),
    re.compile(r"\d{6,}"),
    re.compile(r"\b\d{4}-\d{2}-\d{2}\b"),
)
# the last three: id of a key, SHA-256, Ed25519, which a checkpoint of the audit log needs whole
_DIGEST = re.compile(
    r"(?:[a-z]{1,8}-)?(?=[0-9-]*[a-f])[0-9a-f-]{8,64}|[0-9a-f]{16}|[0-9a-f]{64}|[0-9a-f]{128}"
)
_SHORT_HASH = re.compile(r"[0-9a-f]{12}")
HIDDEN = "[...]"


class FieldKind(Enum):
    """What a field holds."""

    NUMBER = "number"
    NAME = "name"
    DIGEST = "digest"
    TEXT = "text"
    UID = "uid"


_N, _W, _D = FieldKind.NUMBER, FieldKind.NAME, FieldKind.DIGEST
_T, _U = FieldKind.TEXT, FieldKind.UID
FIELDS: Mapping[str, FieldKind] = {
    **dict.fromkeys(("event", "level", "process", "timestamp", "dropped"), _W),
    **dict.fromkeys(
        ("attempt", "attempts", "committed", "count", "delivery", "duplicates", "entries", "failed", "seq"),
        _N,
    ),
    **dict.fromkeys(("instances", "job", "jobs", "line", "next_in", "port", "quarantined", "relinked"), _N),
    **dict.fromkeys(
        ("number", "question", "repeated", "requeued", "revision", "stored", "temporary_files"), _N
    ),
    **dict.fromkeys(("action", "address", "ae_title", "at", "calling_ae", "chore", "command"), _W),
    **dict.fromkeys(("destination", "error", "function", "host", "kind", "logger", "model", "peer"), _W),
    **dict.fromkeys(("rules", "setting", "source", "status", "subject", "tag", "task"), _W),
    **dict.fromkeys(("what", "where"), _W),
    **dict.fromkeys(("association", "digest", "key_id", "seal", "sha256", "weights"), _D),
    **dict.fromkeys(("reason", "problem"), _T),
    **dict.fromkeys(("study_uid", "sop_uid"), _U),
}


def admit(event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return a log line with known fields only; `dropped` counts the others, whose names may tell much."""
    known: dict[str, Any] = {
        name: _CLEAN[FIELDS[name]](value) for name, value in event.items() if name in FIELDS
    }
    if unknown := len(event) - len(known):
        known["dropped"] = unknown
    return known


def plain_text(value: object) -> str:
    """Return a reason without what may come from an image, a message or a file name."""
    text = str(value) if isinstance(value, str) else type(value).__name__
    for foreign in _FOREIGN:
        text = foreign.sub(HIDDEN, text)
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_TEXT]


def _number(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float) else HIDDEN


def _name(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_name(each) for each in value[:20]]
    text = str(value) if isinstance(value, str) else type(value).__name__
    is_name = _NAME.fullmatch(text) and not any(foreign.search(text) for foreign in _NO_NAME)
    return text if is_name or _HL7_KIND.fullmatch(text) else plain_text(text)


def _hashed_uid(value: object) -> object:
    """Pass on the short hash that `app.logs` has put in the place of a UID."""
    return value if isinstance(value, str) and _SHORT_HASH.fullmatch(value) else HIDDEN


def _digest(value: object) -> object:
    return value if isinstance(value, str) and _DIGEST.fullmatch(value) else _name(value)


_CLEAN: Mapping[FieldKind, Callable[[object], object]] = {
    FieldKind.NUMBER: _number,
    FieldKind.NAME: _name,
    FieldKind.DIGEST: _digest,
    FieldKind.TEXT: plain_text,
    FieldKind.UID: _hashed_uid,
}
