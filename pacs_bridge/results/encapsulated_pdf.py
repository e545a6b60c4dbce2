"""The report as a page for people, in an Encapsulated PDF (PS3.3 A.45.1)."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from pacs_bridge.results.ai_label import add_ai_label
from pacs_bridge.results.document import (
    ENCAPSULATED_PDF,
    begin_object,
    code_item,
    declare_character_set,
    reference,
    reference_tree,
)
from pacs_bridge.results.report_content import ReportContent
from pacs_bridge.results.report_sr import check_report
from pacs_bridge.results.sr_document import FLAGS


def build_encapsulated_pdf(content: ReportContent, sign: Callable[[bytes], bytes] | None = None) -> Dataset:
    """Build the PDF of a report.

    Parameters
    ----------
    content
        The report. The same content gives the same document, byte for byte.
    sign
        Puts a signature into the PDF, see `pacs_bridge.results.signed_pdf`; None leaves it without.

    Returns
    -------
    pydicom.Dataset
        With file meta information, explicit VR little endian; `render_report` made the PDF in it.

    Raises
    ------
    Rejected
        As `build_report_sr`, and if the report's text cannot be set as it is: right-to-left scripts, scripts
        whose letters join, characters without a glyph.
    """
    from pacs_bridge.results.report_page import render_report

    check_report(content)
    page = render_report(content)
    pdf = page if sign is None else sign(page)
    document = begin_object(ENCAPSULATED_PDF, content, modality="DOC", series="Radiology report (PDF)")
    document.ConversionType = "WSD"
    document.ContentDate = content.written_at.strftime("%Y%m%d")
    document.ContentTime = content.written_at.strftime("%H%M%S")
    document.AcquisitionDateTime = ""
    document.BurnedInAnnotation = "YES"
    document.DocumentTitle = content.title.meaning
    document.ConceptNameCodeSequence = [code_item(content.title)]
    document.VerificationFlag = FLAGS[content.state][1]
    document.SourceInstanceSequence = [reference(instance) for instance in dict.fromkeys(content.evidence)]
    if content.predecessors:
        document.PredecessorDocumentsSequence = reference_tree(content.predecessors)
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    add_ai_label(document, content)
    declare_character_set(document)
    return document
