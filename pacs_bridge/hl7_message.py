"""HL7 v2 messages as text: bytes in the sender's character set, cut by its delimiters, unescaped.

Own reading instead of the package `hl7`, which is the reference in the tests: its unescaping repeats a
character as often as a message says, logs the values that it cannot read, and takes hex escapes as Latin-1
whatever MSH-18 says. Delimiters are those of MSH-1 and MSH-2 (HL7 2.5.1 chapter 2.5.4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pacs_bridge.hl7_charsets import decode_message, decode_value

MOST_SEGMENTS = 2000
_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_MOST_BREAKS = 20
_DEFAULT_DELIMITERS = "|^~\\&"


class Malformed(ValueError):
    """The bytes are no HL7 v2 message; the text names what is wrong and no value of it."""


@dataclass(frozen=True)
class Delimiters:
    """The characters of MSH-1 and MSH-2, and the character sets of MSH-18."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    charsets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Segment:
    """One segment; fields are counted as in the standard, MSH-1 being the field separator itself."""

    name: str
    fields: tuple[str, ...] = field(repr=False)
    delimiters: Delimiters = field(repr=False)

    def raw(self, number: int) -> str:
        """Return a field as it was sent; empty when the segment ends before it."""
        return self.fields[number - 1] if 0 < number <= len(self.fields) else ""

    def repetitions(self, number: int) -> tuple[str, ...]:
        """Return the repetitions of a field, still with their components; empty ones left out."""
        return tuple(part for part in self.raw(number).split(self.delimiters.repetition) if part)

    def text(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return one value of the first repetition of a field, unescaped; ``""`` (delete) reads as empty."""
        first = self.raw(number).split(self.delimiters.repetition, 1)[0]
        return self.part(first, component, subcomponent)

    def part(self, value: str, component: int = 1, subcomponent: int = 1) -> str:
        """Return one value of a repetition, unescaped."""
        components = value.split(self.delimiters.component)
        if component > len(components):
            return ""
        parts = components[component - 1].split(self.delimiters.subcomponent)
        found = parts[subcomponent - 1] if subcomponent <= len(parts) else ""
        return "" if found == '""' else unescape(found, self.delimiters).strip()

    def whole(self, number: int) -> str:
        """Return a field as text for a person: repetitions one by line, all of its characters unescaped."""
        texts = (unescape(part, self.delimiters).strip() for part in self.repetitions(number) if part != '""')
        return "\n".join(text for text in texts if text)


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes
    ----------
    segments
        In the order sent, MSH first.
    """

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """The MSH segment."""
        return self.segments[0]

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.header.text(10)

    @property
    def kind(self) -> tuple[str, str]:
        """Message code and trigger event of MSH-9, for example ``("ADT", "A08")``."""
        return self.header.text(9, 1).upper(), self.header.text(9, 2).upper()

    def first(self, name: str) -> Segment | None:
        """Return the first segment of a name."""
        return next((segment for segment in self.segments if segment.name == name), None)


def read_message(content: bytes) -> Message:
    """Read a message.

    Raises
    ------
    Malformed
        If it does not begin with MSH, its delimiters are none, a segment has no name, there are too many
        segments, or the bytes are not in a character set that MSH-18 names.
    """
    delimiters = read_delimiters(content)
    text = decode_message(content, delimiters.charsets)
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if len(lines) > MOST_SEGMENTS:
        raise Malformed(f"more than {MOST_SEGMENTS} segments")
    segments = tuple(_segment(line, delimiters) for line in lines)
    if any(segment.name == "MSH" for segment in segments[1:]):
        raise Malformed("more than one MSH segment in a block")
    return Message(segments)


def read_delimiters(content: bytes) -> Delimiters:
    """Read MSH-1, MSH-2 and MSH-18 of a message, which must begin with them.

    Raises
    ------
    Malformed
    """
    line = re.split(rb"[\r\n]", content.lstrip(b"\r\n"), maxsplit=1)[0].decode("latin-1")
    if not line.startswith("MSH") or len(line) < 8:
        raise Malformed("the message does not begin with an MSH segment")
    separator = line[3]
    given = line[4:].split(separator, 1)[0]
    characters = separator + given + _DEFAULT_DELIMITERS[1 + len(given) :]
    if len(set(characters[:5])) < 5 or not 1 <= len(given) <= 5 or not _may_delimit(characters):
        raise Malformed("MSH-1 and MSH-2 are no set of different delimiters")
    fields = line.split(separator)
    declared = fields[17] if len(fields) > 17 else ""
    names = tuple(name.strip().upper() for name in declared.split(characters[2]) if name.strip())
    return Delimiters(
        field=separator,
        component=characters[1],
        repetition=characters[2],
        escape=characters[3],
        subcomponent=characters[4],
        charsets=names,
    )


def _may_delimit(characters: str) -> bool:
    return all(" " < c < "\x7f" and not c.isalnum() for c in characters)


def _segment(line: str, delimiters: Delimiters) -> Segment:
    name, _, rest = line.partition(delimiters.field)
    if not _SEGMENT_NAME.fullmatch(name.strip()):
        raise Malformed("a segment has no name of three capital letters or digits")
    fields = tuple(rest.split(delimiters.field))
    if name == "MSH":
        fields = (delimiters.field, *fields)
    return Segment(name.strip(), fields, delimiters)


def unescape(text: str, delimiters: Delimiters) -> str:
    """Resolve the escape sequences of a value (HL7 2.5.1 chapter 2.7).

    Delimiters, line breaks and hex bytes become what they stand for; highlighting and formatting that a plain
    text cannot show is dropped; a sequence that is none stays as it was sent.
    """
    mark = re.escape(delimiters.escape)
    meant = {
        "F": delimiters.field,
        "S": delimiters.component,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "T": delimiters.subcomponent,
        "H": "",
        "N": "",
    }

    def resolve(found: re.Match[str]) -> str:
        sequence = found[1]
        if sequence in meant:
            return meant[sequence]
        if sequence.startswith("."):
            return _break(sequence[1:3].lower(), sequence[3:])
        if sequence[0] == "X" and re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", sequence[1:]):
            return decode_value(bytes.fromhex(sequence[1:]), delimiters.charsets)
        return "" if sequence[0] in "CMZ" else found[0]

    # neighbouring hex sequences may be the bytes of one character
    text = re.sub(rf"(?<={mark}X)([0-9A-Fa-f]+){mark}{mark}X(?=[0-9A-Fa-f])", r"\1", text)
    return re.sub(rf"{mark}([^{mark}]+){mark}", resolve, text)


def _break(command: str, count: str) -> str:
    if command in {"br", "ce"}:
        return "\n"
    if command == "sp":
        wanted = re.fullmatch(r"\+?([0-9]{1,3})", count)
        return "\n" * min(int(wanted[1]) if wanted else 1, _MOST_BREAKS)
    return " " if command in {"in", "ti", "sk"} else ""


def escape(text: str, delimiters: Delimiters | None = None) -> str:
    """Return a value in which no character is a delimiter or ends a segment: the inverse of `unescape`."""
    use = delimiters or Delimiters()
    names = {
        use.escape: "E",
        use.field: "F",
        use.component: "S",
        use.repetition: "R",
        use.subcomponent: "T",
        "\r": "X0D",
        "\n": ".br",
        "\x0b": "X0B",
        "\x1c": "X1C",
    }
    return "".join(f"{use.escape}{names[c]}{use.escape}" if c in names else c for c in text)
