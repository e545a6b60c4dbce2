"""A report as a message about a report: what HL7 and FHIR say beyond the document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.finding_content import AcceptedFinding
from pacs_bridge.results.report_content import ReportContent, Section

_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Signature:
    """The signing act that a message is about (21 CFR 11.50): who, when, what it means, and over which text.

    Attributes
    ----------
    sha256
        Hexadecimal, of the canonical text that was signed.
    """

    name: str
    login: str
    signed_at: datetime
    meaning: str
    sha256: str


@dataclass(frozen=True)
class ReportMessage:
    """One message about one report; the same value gives the same bytes.

    Attributes
    ----------
    content
        The text and whose it is; `state` decides what the message says.
    report_uid
        The same in every message about the report.
    message_uid
        Of this message; a resend has the same.
    signature
        The act that the message follows from; of a withdrawal the withdrawing one.
    findings
        What the reader accepted.
    retracted_findings
        Names that an earlier message carried and this report no longer has.
    also_signed
        The other signatures under what the message says, oldest first: of the report, of its addenda.
    withdrawal_reason
        Of a withdrawn report.
    """

    content: ReportContent
    report_uid: str
    message_uid: str
    signature: Signature
    findings: tuple[AcceptedFinding, ...] = ()
    retracted_findings: tuple[str, ...] = ()
    also_signed: tuple[Signature, ...] = ()
    withdrawal_reason: str = ""


def section_texts(message: ReportMessage) -> tuple[tuple[Section, str], ...]:
    """Return each section that has text, and its text, in reading order.

    Over the text of a part with a signature of its own stands a line with its number, and who signed it.

    Raises
    ------
    Rejected
        If a text holds what neither HL7 nor XML can carry: control characters, halves of characters.
    """
    texts = []
    for section in message.content.sections:
        text = " ".join(sentence.text for sentence in section.sentences)
        if _NOT_TEXT.search(text):
            raise Rejected(CANNOT_UNDERSTAND, f"the section {section.heading} holds control characters")
        if text.strip():
            texts.append((section, f"{section.statement}\n{text}" if section.statement else text))
    if not texts:
        raise Rejected(CANNOT_UNDERSTAND, "the report has no text")
    return tuple(texts)
