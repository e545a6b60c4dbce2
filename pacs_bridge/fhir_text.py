"""The text of a report as FHIR carries it: plain, and as XHTML."""

from __future__ import annotations

from datetime import datetime
from html import escape

from pacs_bridge.results.report_content import Section
from pacs_bridge.results.report_message import ReportMessage


def plain_text(message: ReportMessage, texts: tuple[tuple[Section, str], ...]) -> str:
    """Return the text as plain lines, with the signatures under it."""
    parts = [f"{section.title.upper()}\n{text}" for section, text in texts]
    if message.withdrawal_reason:
        parts.insert(0, f"WITHDRAWN: {message.withdrawal_reason}")
    parts += [
        f"Signed electronically by {by.name} ({by.login}), {fhir_instant(by.signed_at)}: {by.meaning}"
        for by in (*message.also_signed, message.signature)
    ]
    return "\n\n".join(parts)


def narrative(message: ReportMessage, texts: tuple[tuple[Section, str], ...]) -> str:
    """Return the text as XHTML: nothing of it is markup."""
    paragraphs = [
        f"<h3>{escape(section.title)}</h3>"
        + "".join(f"<p>{escape(part)}</p>" for part in _parts(section, text))
        for section, text in texts
    ]
    if message.withdrawal_reason:
        paragraphs.insert(0, f"<p><b>Withdrawn:</b> {escape(message.withdrawal_reason)}</p>")
    if (model := message.content.algorithm) is not None:
        drafted = f"AI: text drafted by {model.name} {model.version}"
        paragraphs.append(f"<p>{escape(drafted)}; every sentence was reviewed by the signer.</p>")
    for by in (*message.also_signed, message.signature):
        signed = f"{by.name}, {fhir_instant(by.signed_at)}: {by.meaning}"
        paragraphs.append(f"<p>{escape(signed)}</p>")
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{"".join(paragraphs)}</div>'


def _parts(section: Section, text: str) -> list[str]:
    """Return a text with the line over it, where it has one, apart."""
    return text.split("\n", 1) if section.statement else [text]


def fhir_instant(time: datetime) -> str:
    """Return an aware time as FHIR's instant."""
    return time.isoformat(timespec="milliseconds")
