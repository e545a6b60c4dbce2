"""The answer to an HL7 message: what MSA says, without the texts, which may repeat patient data."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile(r"[A-Z0-9]{1,8}")


@dataclass(frozen=True)
class Acknowledgement:
    """An acknowledgement (HL7 2.5.1, 2.9.2).

    Attributes
    ----------
    code
        MSA-1: AA, AE, AR, or in enhanced mode CA, CE, CR.
    control_id
        MSA-2: MSH-10 of the message that is answered.
    error_codes
        ERR-3 of each error (table 0357), without texts.
    """

    code: str
    control_id: str
    error_codes: tuple[str, ...] = ()


def read_ack(content: bytes) -> Acknowledgement | None:
    """Read an acknowledgement; None when the bytes are none, whatever they are."""
    text = content.decode("utf-8", errors="replace")
    segments = [segment.strip("\n") for segment in re.split(r"\r\n?|\n", text)]
    if not segments[0].startswith("MSH") or len(segments[0]) < 5:
        return None
    separator, component = segments[0][3], segments[0][4]
    answer = next((s.split(separator) for s in segments if s.startswith(f"MSA{separator}")), None)
    if answer is None or len(answer) < 3 or not _CODE.fullmatch(answer[1].strip()):
        return None
    errors = [s.split(separator) for s in segments if s.startswith(f"ERR{separator}")]
    codes = [fields[3].split(component)[0] for fields in errors if len(fields) > 3]
    known = tuple(code for code in codes if _CODE.fullmatch(code))
    return Acknowledgement(answer[1].strip(), answer[2].strip(), known)
