"""Values as HL7 v2.5.1 fields: escape sequences (2.7), names, identifiers, times."""

from __future__ import annotations

import re
from datetime import datetime

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_OID = re.compile(r"[0-2](\.[0-9]+)+")
# DICOM component groups of a name: alphabetic, ideographic, phonetic (PS3.5 6.2.1.1; HL7 table 0465)
_REPRESENTATIONS = "AIP"


def escape(text: str) -> str:
    r"""Return text for a component: delimiters as escape sequences, control characters as ``\Xnn\``."""
    return "".join(_ESCAPES.get(c) or (f"\\X{ord(c):02X}\\" if _is_control(c) else c) for c in text)


def escape_formatted(text: str) -> str:
    r"""Return text for an FT field: like `escape`, with line feeds as ``\.br\`` (2.7.6)."""
    return "\\.br\\".join(escape(line) for line in text.split("\n"))


def unescape(text: str) -> str:
    """Return the text behind the escape sequences that `escape` and `escape_formatted` write.

    An unknown sequence stays as it is.
    """
    plain = {sequence: character for character, sequence in _ESCAPES.items()} | {"\\.br\\": "\n"}

    def one(match: re.Match[str]) -> str:
        sequence = match[0]
        if sequence in plain:
            return plain[sequence]
        return chr(int(sequence[2:-1], 16)) if sequence[1] == "X" else sequence

    return re.sub(r"\\(?:[EFSTR]|\.br|X[0-9A-F]{2})\\", one, text)


def person(name: str) -> str:
    """Return a DICOM name (PN) as XPN: suffix and prefix change places, each representation repeats."""
    groups = name.split("=")[:3]
    return "~".join(
        _one_representation(group, code)
        for group, code in zip(groups, _REPRESENTATIONS, strict=False)
        if group.strip("^ ")
    )


def physician(name: str) -> str:
    """Return a DICOM name (PN) as XCN without an identifier; empty for no name."""
    alphabetic = name.split("=", maxsplit=1)[0]
    return f"^{_components(alphabetic)}" if alphabetic.strip("^ ") else ""


def identifier(value: str, authority: str, kind: str) -> str:
    """Return an identifier as CX: the assigning authority as ISO object identifier where it is one."""
    space = f"&{authority}&ISO" if _OID.fullmatch(authority) else escape(authority)
    return f"{escape(value)}^^^{space}^{kind}"


def dicom_time(date: str, time: str) -> str:
    """Return DICOM DA and TM as TS; what is not a date gives nothing."""
    if not (len(date) == 8 and date.isdigit() and date.isascii()):
        return ""
    digits = re.match(r"[0-9]*", time[:6])
    clock = digits[0] if digits else ""
    return date + clock[: len(clock) // 2 * 2] if len(clock) >= 4 else date


def instant(time: datetime) -> str:
    """Return an aware time as TS with its zone."""
    return time.strftime("%Y%m%d%H%M%S%z")


def _components(name: str) -> str:
    family, given, middle, prefix, suffix = (name.split("^") + [""] * 5)[:5]
    return "^".join(escape(part.strip()) for part in (family, given, middle, suffix, prefix)).rstrip("^")


def _one_representation(group: str, code: str) -> str:
    family, given, middle, prefix, suffix = (escape(p.strip()) for p in (group.split("^") + [""] * 5)[:5])
    return f"{family}^{given}^{middle}^{suffix}^{prefix}^^L^{code}"


def _is_control(character: str) -> bool:
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0
