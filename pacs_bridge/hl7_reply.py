"""What a sender of HL7 v2 is answered, in original and in enhanced mode (HL7 2.5.1 chapter 2.9).

Two failures are told apart, because a sender must know whether to repeat:

- `ERROR` (AE, CE): nothing was kept, the same message may succeed later. The sender repeats it.
- `REJECT` (AR, CR): the message will never be taken as it is. Repeating it would block the sender's queue.

HL7 lets AR stand for a system that is down as well; that case is AE here, as it is CE in enhanced mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pacs_bridge.hl7_charsets import UnknownCharset, codec_of
from pacs_bridge.hl7_message import Delimiters, Malformed, Message, Segment, escape, read_delimiters

_VERSION = "2.5.1"


class Verdict(StrEnum):
    """What became of a message; the value is the second letter of MSA-1."""

    ACCEPT = "A"
    ERROR = "E"
    REJECT = "R"


# HL7 table 0357
SEQUENCE_ERROR, REQUIRED_FIELD_MISSING, DATA_TYPE_ERROR, VALUE_NOT_FOUND = 100, 101, 102, 103
UNSUPPORTED_MESSAGE, UNSUPPORTED_EVENT, UNSUPPORTED_VERSION = 200, 201, 203
UNKNOWN_KEY, INTERNAL_ERROR = 204, 207
_CONDITIONS = {
    SEQUENCE_ERROR: "Segment sequence error",
    REQUIRED_FIELD_MISSING: "Required field missing",
    DATA_TYPE_ERROR: "Data type error",
    VALUE_NOT_FOUND: "Table value not found",
    UNSUPPORTED_MESSAGE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_VERSION: "Unsupported version id",
    UNKNOWN_KEY: "Unknown key identifier",
    INTERNAL_ERROR: "Application internal error",
}


@dataclass(frozen=True)
class Reply:
    """The verdict on a message.

    Attributes
    ----------
    condition
        Code of HL7 table 0357; 0 when all is well.
    reason
        In words, without a value of the message.
    """

    verdict: Verdict
    condition: int = 0
    reason: str = ""


ACCEPTED = Reply(Verdict.ACCEPT)


def reject(condition: int, reason: str) -> Reply:
    """Return a reply that the message must not be repeated as it is."""
    return Reply(Verdict.REJECT, condition, reason)


def acknowledge(message: Message, reply: Reply, *, now: datetime, control_id: str) -> list[bytes]:
    """Return the acknowledgements that a message asks for, in the order in which they are sent.

    Parameters
    ----------
    control_id
        MSH-10 of the acknowledgement; a second one gets the same with ``.2``.

    Returns
    -------
    list of bytes
        One in original mode (MSH-15 and MSH-16 empty). In enhanced mode the accept acknowledgement, the
        application acknowledgement, both or none, as MSH-15 and MSH-16 say (HL7 table 0155).
    """
    header = message.header
    accept, application = header.text(15).upper(), header.text(16).upper()
    kinds = "A" if not (accept or application) else ""
    kinds = kinds or "".join(
        kind
        for kind, condition in (("C", accept), ("A", application))
        if _is_wanted(condition, reply.verdict)
    )
    numbers = (control_id, f"{control_id}.2")
    return [
        _encode(_lines(header, f"{kind}{reply.verdict.value}", reply, now, number), header.delimiters)
        for kind, number in zip(kinds, numbers, strict=False)
    ]


def refuse_unreadable(content: bytes, reply: Reply, *, now: datetime, control_id: str) -> bytes:
    """Return the answer to what could not be read as a message; it names MSH-10 when that can be found."""
    header = _find_header(content)
    code = f"A{reply.verdict.value}"
    return _encode(_lines(header, code, reply, now, control_id), header.delimiters)


def _is_wanted(condition: str, verdict: Verdict) -> bool:
    good = verdict is Verdict.ACCEPT
    return condition == "AL" or (condition == "ER" and not good) or (condition == "SU" and good)


def _find_header(content: bytes) -> Segment:
    """Return the MSH segment as far as it can be made out, with none of its fields when it cannot."""
    try:
        found = read_delimiters(content)
    except Malformed:
        return Segment("MSH", (), Delimiters())
    delimiters = Delimiters(found.field, found.component, found.repetition, found.escape, found.subcomponent)
    line = content.lstrip(b"\r\n").replace(b"\n", b"\r").split(b"\r", 1)[0].decode("ascii", "replace")
    return Segment("MSH", (delimiters.field, *line.split(delimiters.field)[1:]), delimiters)


def _lines(header: Segment, code: str, reply: Reply, now: datetime, control_id: str) -> list[list[str]]:
    use = header.delimiters
    event = header.text(9, 2)
    kind = use.component.join(["ACK", event, "ACK"]) if event.isalnum() else "ACK"
    lines = [
        [
            "MSH",
            use.component + use.repetition + use.escape + use.subcomponent,
            header.raw(5)[:200],
            header.raw(6)[:200],
            header.raw(3)[:200],
            header.raw(4)[:200],
            f"{now:%Y%m%d%H%M%S}+0000",
            "",
            kind,
            control_id,
            header.raw(11)[:20] or "P",
            header.raw(12)[:20] or _VERSION,
        ],
        ["MSA", code, header.raw(10)[:200], escape(reply.reason, use)],
    ]
    if reply.verdict is not Verdict.ACCEPT:
        condition = reply.condition or INTERNAL_ERROR
        coded = use.component.join([str(condition), _CONDITIONS[condition], "HL70357"])
        lines.append(["ERR", "", "", coded, "E", "", "", "", escape(reply.reason, use)])
    return lines


def _encode(lines: list[list[str]], use: Delimiters) -> bytes:
    text = "".join(use.field.join(line) + "\r" for line in lines)
    # what is repeated from the message could hold a framing byte or a line break
    text = "".join(c for c in text if c >= " " or c == "\r")
    try:
        codec = codec_of(use.charsets) or "utf-8"
    except UnknownCharset:
        codec = "utf-8"
    return text.encode(codec, "replace")
