"""Character sets of HL7 v2 messages (MSH-18, HL7 table 0211) as Python knows them.

The first name of MSH-18 is the set of the whole message, further ones are switched to by ISO 2022 escape
sequences. Without MSH-18 a message is ASCII by the standard; senders that forget it use UTF-8 or Latin-1:
UTF-8 is tried first, because text in another set is hardly ever valid UTF-8 by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

CHARSETS: Mapping[str, str] = {
    "ASCII": "ascii",
    "8859/1": "iso8859_1",
    "8859/2": "iso8859_2",
    "8859/3": "iso8859_3",
    "8859/4": "iso8859_4",
    "8859/5": "iso8859_5",
    "8859/6": "iso8859_6",
    "8859/7": "iso8859_7",
    "8859/8": "iso8859_8",
    "8859/9": "iso8859_9",
    "8859/15": "iso8859_15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "ISO IR6": "ascii",
    "ISO IR14": "iso2022_jp_ext",
    "ISO IR87": "iso2022_jp_ext",
    "ISO IR159": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "CNS 11643-1992": "big5",
    "BIG-5": "big5",
}
_ALIASES = {
    "ISO IR 87": "ISO IR87",
    "ISO IR 159": "ISO IR159",
    "ISO IR 14": "ISO IR14",
    "ISO IR 6": "ISO IR6",
}
_JAPANESE = "iso2022_jp_ext"


class UnknownCharset(ValueError):
    """MSH-18 names a set that we do not read, or the bytes are not in it."""


def codec_of(names: Sequence[str]) -> str | None:
    """Return Python's codec for the names of MSH-18; None when it is empty.

    Raises
    ------
    UnknownCharset
        Naming the set.
    """
    known = [CHARSETS.get(_ALIASES.get(name, name)) for name in names]
    for name, codec in zip(names, known, strict=True):
        if codec is None:
            raise UnknownCharset(f"MSH-18 names the character set {name[:20]!r}, which is not supported")
    if _JAPANESE in known:
        return _JAPANESE
    return known[0] if known else None


def decode_message(content: bytes, names: Sequence[str]) -> str:
    """Return a message as text.

    Raises
    ------
    UnknownCharset
        If MSH-18 names a set that we do not read, or the bytes are not in the set that it names.
    """
    codec = codec_of(names)
    if codec is None or codec == "ascii":
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return content.decode("iso8859_1")
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        raise UnknownCharset(
            f"the message is not in the character set of MSH-18 ({names[0][:20]!r})"
        ) from None


def decode_value(value: bytes, names: Sequence[str]) -> str:
    """Return the bytes of hex escapes as text; bytes that are none become U+FFFD."""
    codec = codec_of(names)
    if codec in {None, "ascii"}:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("iso8859_1")
    return value.decode(codec or "utf-8", "replace")
