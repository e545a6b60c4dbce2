"""A report as Basic Text SR (PS3.3 A.35.1), content after TID 2000: what every archive can show."""

from __future__ import annotations

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.ai_label import add_ai_label
from pacs_bridge.results.document import BASIC_TEXT_SR, check_text, declare_character_set
from pacs_bridge.results.report_content import ReportContent, ReportState
from pacs_bridge.results.report_headings import HEADINGS
from pacs_bridge.results.sr_document import begin_sr_document, check_state


def build_report_sr(content: ReportContent) -> Dataset:
    """Build the SR document of a report.

    Parameters
    ----------
    content
        The report. The same content gives the same document, byte for byte.

    Returns
    -------
    pydicom.Dataset
        With file meta information, explicit VR little endian; ready for `send_instances`.

    Raises
    ------
    Rejected
        If a verified document lacks its verification, an addendum or correction its predecessor, a time its
        zone, or if a text holds what DICOM text cannot (control characters; backslash in short strings).
    """
    from pacs_bridge.results.report_tree import content_tree

    check_report(content)
    shown = (
        image for section in content.sections for sentence in section.sentences for image in sentence.images
    )
    document = begin_sr_document(BASIC_TEXT_SR, content, shown, series="Radiology report")
    document.update(content_tree(content))
    add_ai_label(document, content)
    declare_character_set(document)
    return document


def check_report(content: ReportContent) -> None:
    """Refuse a report that is incomplete, contradicts itself, or holds text that DICOM cannot carry.

    Raises
    ------
    Rejected
    """
    check_state(content)
    follows = content.state in {ReportState.ADDENDED, ReportState.CORRECTED} and not content.is_first
    if follows and not content.predecessors:
        raise Rejected(CANNOT_UNDERSTAND, f"a report that is {content.state} needs its predecessor")
    if not any(section.sentences for section in content.sections):
        raise Rejected(CANNOT_UNDERSTAND, "a report needs text")
    for section in content.sections:
        if section.heading not in HEADINGS:
            raise Rejected(CANNOT_UNDERSTAND, f"unknown heading {section.heading!r}")
        for sentence in section.sentences:
            check_text(sentence.text)
