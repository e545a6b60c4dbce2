"""A printed name as a DICOM Person Name, and back (PS3.5 6.2.1)."""

from __future__ import annotations

import re

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected

_TITLES = frozenset({"dr", "dr.", "prof", "prof.", "pd", "pd.", "mr", "mr.", "mrs", "mrs.", "ms", "ms."})
_PARTICLES = frozenset(
    {"van", "von", "de", "der", "den", "del", "della", "di", "da", "la", "le", "zu", "ter", "ten"}
)
_SUFFIX = re.compile(
    r"\s*,\s*((?:M\.?D\.?|Ph\.?D\.?|MBBS|FRCR|FACR|Jr\.?|Sr\.?)(?:\s*,?\s*[A-Z][A-Za-z.]*)*)$"
)
_FAMILY_FIRST = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LONGEST_GROUP = 64


def person_name(printed: str) -> str:
    """Return the PN of a name as people write it.

    ``Dr. Rita van Reader, MD`` becomes ``van Reader^Rita^^Dr.^MD``, ``Reader, Rita`` becomes
    ``Reader^Rita``. A name of one word is a family name; names in Chinese, Japanese or Korean writing put the
    family name first. A value with a caret or an equals sign is a PN already and stays as it is.

    Raises
    ------
    Rejected
        If it is empty, holds a backslash or control characters, or a group exceeds 64 characters.
    """
    name = printed if set(printed) & {"^", "="} else _compose(" ".join(printed.split()))
    if not name.strip("^= ") or re.search(r"[\x00-\x1f\x7f\\]", printed):
        raise Rejected(
            CANNOT_UNDERSTAND, "the name of an observer is empty or holds characters that PN cannot"
        )
    if max(map(len, name.split("="))) > _LONGEST_GROUP:
        raise Rejected(CANNOT_UNDERSTAND, "the name of an observer is longer than 64 characters")
    return name


def printed_name(name: str) -> str:
    """Return a PN as people read it: prefix, given and family name, suffix; further groups in brackets."""
    groups = [_print_group(group) for group in name.split("=")]
    shown = [group for group in groups if group]
    if not shown:
        return ""
    others = f" ({', '.join(shown[1:])})" if len(shown) > 1 else ""
    return shown[0] + others


def _compose(name: str) -> str:
    suffix = ""
    found = _SUFFIX.search(name)
    if found:
        name, suffix = name[: found.start()], found[1]
    family, comma, given = (part.strip() for part in name.partition(","))
    words = given.split() if comma else name.split()
    titles = []
    while len(words) > 1 and words[0].lower() in _TITLES:
        titles.append(words.pop(0))
    if not comma:
        family, words = _split_family(words)
    components = [family, " ".join(words), "", " ".join(titles), suffix]
    while len(components) > 2 and not components[-1]:
        components.pop()
    return "^".join(components)


def _split_family(words: list[str]) -> tuple[str, list[str]]:
    """Return the family name and the words before it (after it, in writings that put it first)."""
    if not words:
        return "", []
    if _FAMILY_FIRST.search(words[0]):
        return words[0], words[1:]
    first = len(words) - 1
    while first > 1 and words[first - 1].lower() in _PARTICLES:
        first -= 1
    return " ".join(words[first:]), words[:first]


def _print_group(group: str) -> str:
    family, given, middle, prefix, suffix = (group.split("^") + [""] * 5)[:5]
    shown = " ".join(part.strip() for part in (prefix, given, middle, family) if part.strip())
    if _FAMILY_FIRST.search(group):
        shown = " ".join(part.strip() for part in (prefix, family, given, middle) if part.strip())
    return f"{shown}, {suffix.strip()}" if suffix.strip() else shown
