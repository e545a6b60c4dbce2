"""What a client takes: media ranges of the header Accept and of the parameter `accept` (PS3.18 8.3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request

DICOM_JSON = "application/dicom+json"
_PART = re.compile(r'(?:[^,;"]|"(?:\\.|[^"\\])*")+|[,;]')
_LARGEST_HEADER = 8192


@dataclass(frozen=True)
class MediaRange:
    """One acceptable media type.

    Attributes
    ----------
    name
        Lower case, for example ``multipart/related`` or ``*/*``.
    parameters
        Lower-case names, unquoted values, without ``q``.
    """

    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @property
    def is_multipart(self) -> bool:
        """Whether the answer may be multipart."""
        return self.name in {"multipart/related", "multipart/*", "*/*"}

    @property
    def inner(self) -> str:
        """The media type of the parts, ``*/*`` when none is named."""
        return self.parameters.get("type", "*/*").lower() if self.name != "*/*" else "*/*"

    @property
    def transfer_syntax(self) -> str:
        """The transfer syntax asked for: a UID, ``*``, or empty for the default."""
        if self.name == "*/*":
            return "*"
        return self.parameters.get("transfer-syntax", "")


def accepted(request: Request) -> list[MediaRange]:
    """Return what the client takes, what it likes best first; everything, when it does not say."""
    headers = request.headers.getlist("accept") + request.query_params.getlist("accept")
    text = ",".join(headers)[:_LARGEST_HEADER]
    ranges = [media for media in parse_ranges(text) if media.quality > 0]
    if not text.strip():
        return [MediaRange("*/*")]
    return sorted(ranges, key=lambda media: -media.quality)


def parse_ranges(text: str) -> list[MediaRange]:
    """Read a comma-separated list of media ranges; what cannot be read is left out (RFC 9110 12.5.1)."""
    groups: list[list[str]] = [[]]
    for part in _PART.findall(text):
        if part == ",":
            groups.append([])
        elif part != ";":
            groups[-1].append(part.strip())
    return [_range(group) for group in groups if group and "/" in group[0]]


def _range(group: list[str]) -> MediaRange:
    parameters = {}
    for text in group[1:]:
        name, _, value = text.partition("=")
        parameters[name.strip().lower()] = unquoted(value.strip())
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return MediaRange(group[0].lower(), parameters, quality)


def unquoted(value: str) -> str:
    """Return a parameter's value without the quotes of a quoted-string (RFC 9110 5.6.4)."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def takes_json(ranges: Iterable[MediaRange]) -> bool:
    """Tell whether the client takes DICOM JSON (PS3.18 annex F)."""
    names = {DICOM_JSON, "application/json", "application/*", "*/*"}
    return any(media.name in names for media in ranges)
