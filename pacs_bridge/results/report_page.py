"""Lay a report out as PDF: the same bytes for the same content, every character shown or refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    HRFlowable,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from pacs_bridge.results.person_names import printed_name
from pacs_bridge.results.report_content import ReportContent, ReportState, Verification
from pacs_bridge.results.report_headings import HEADINGS
from pacs_bridge.results.sr_document import FLAGS
from pacs_bridge.results.typesetting import Typesetter

_MARGIN = 20 * mm
_STATUS = {
    ReportState.DRAFTED: "DRAFT - NOT SIGNED",
    ReportState.PRELIMINARY: "PRELIMINARY - NOT FINAL",
    ReportState.SIGNED: "FINAL REPORT",
    ReportState.ADDENDED: "FINAL REPORT WITH ADDENDUM",
    ReportState.CORRECTED: "CORRECTED REPORT - REPLACES THE EARLIER ONE",
}
_NORMAL = ParagraphStyle("normal", fontName="DejaVu", fontSize=10, leading=14)
_SMALL = ParagraphStyle("small", parent=_NORMAL, fontSize=8, leading=11, textColor=colors.HexColor("#444444"))
_TITLE = ParagraphStyle("title", parent=_NORMAL, fontName="DejaVu-Bold", fontSize=15, leading=20)
_HEADING = ParagraphStyle(
    "heading", parent=_NORMAL, fontName="DejaVu-Bold", fontSize=11, leading=15, spaceBefore=10, spaceAfter=3
)
_UNSIGNED = ParagraphStyle("unsigned", parent=_HEADING, textColor=colors.HexColor("#b00020"))


def render_report(content: ReportContent) -> bytes:
    """Return the PDF of a report; see `build_encapsulated_pdf` for what is refused."""
    typesetter = Typesetter.create()
    story = [*_head(content, typesetter), *_sections(content, typesetter), *_foot(content, typesetter)]
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        invariant=1,
        pageCompression=1,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=content.title.meaning,
        author="",
        subject="",
        creator="janus-med",
        producer="janus-med",
        lang=content.language.value,
    )
    frame = Frame(_MARGIN, _MARGIN, A4[0] - 2 * _MARGIN, A4[1] - 2 * _MARGIN, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate(frames=[frame]))
    document.build(story, canvasmaker=_numbered(_page_line(content)))
    return buffer.getvalue()


def _head(content: ReportContent, typesetter: Typesetter) -> Iterator[Flowable]:
    """Letterhead, state, patient and study."""
    organization = content.observer.organization if content.observer is not None else ""
    if organization:
        yield Paragraph(typesetter.show(organization), _SMALL)
    yield Paragraph(typesetter.show(content.title.meaning), _TITLE)
    signed = FLAGS[content.state][1] == "VERIFIED"
    yield Paragraph(_STATUS[content.state], _HEADING if signed else _UNSIGNED)
    rows = [
        [Paragraph(name, _SMALL), Paragraph(typesetter.show(value) or "-", _NORMAL)]
        for name, value in _facts(content)
    ]
    table = Table(rows, colWidths=[38 * mm, None], hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
                ("LEFTPADDING", (0, 0), (0, -1), 0),
                ("LINEABOVE", (0, 0), (-1, 0), 0.5, colors.grey),
                ("LINEBELOW", (0, -1), (-1, -1), 0.5, colors.grey),
            ]
        )
    )
    yield Spacer(0, 3 * mm)
    yield table


def _facts(content: ReportContent) -> list[tuple[str, str]]:
    study = content.study
    issuer = f" ({study.issuer_of_patient_id})" if study.issuer_of_patient_id else ""
    return [
        ("Patient", printed_name(study.patient_name)),
        ("Patient ID", f"{study.patient_id}{issuer}"),
        ("Born, sex", f"{_date(study.patient_birth_date)}  {study.patient_sex}".strip()),
        ("Study", study.study_description),
        ("Date of study", f"{_date(study.study_date)} {_time(study.study_time)}".strip()),
        ("Accession number", study.accession_number),
        ("Referring physician", printed_name(study.referring_physician_name)),
    ]


def _sections(content: ReportContent, typesetter: Typesetter) -> Iterator[Flowable]:
    for section in content.sections:
        if not section.sentences:
            continue
        title = Paragraph(HEADINGS[section.heading][0].meaning, _HEADING)
        texts = [Paragraph(typesetter.set_text(s.text), _NORMAL) for s in section.sentences]
        yield KeepTogether([title, texts[0]])
        yield from texts[1:]


def _foot(content: ReportContent, typesetter: Typesetter) -> Iterator[Flowable]:
    """Signatures, and what the model did."""
    yield Spacer(0, 6 * mm)
    yield HRFlowable(width="100%", thickness=0.5, color=colors.grey)
    for verification in content.verifications:
        yield KeepTogether(_signature(verification, typesetter))
    if not content.verifications:
        yield Paragraph(f"{_STATUS[content.state]}: nobody has signed this text.", _UNSIGNED)
    model = content.algorithm
    if model is not None:
        by = "reviewed and signed by the person named above" if content.verifications else "not yet signed"
        line = (
            f"AI: text drafted by {model.name} {model.version} ({model.manufacturer}), {by}. "
            f"Weights SHA-256 {model.weights_sha256}."
        )
        yield Paragraph(typesetter.show(line), _SMALL)
    if typesetter.substituted:
        yield Paragraph(
            f"{typesetter.substituted} characters of names or descriptions could not be printed and stand as "
            f"{typesetter.substitute}. The images and the structured report hold them in full.",
            _SMALL,
        )


def _signature(verification: Verification, typesetter: Typesetter) -> list[Flowable]:
    signer = verification.observer
    lines = [typesetter.show(verification.statement)]
    if signer.organization:
        lines.append(typesetter.show(signer.organization))
    return [Spacer(0, 2 * mm), *(Paragraph(line, _SMALL) for line in lines)]


def _page_line(content: ReportContent) -> str:
    """Return what stands at the foot of every page, so that a loose page finds its report."""
    return f"{_STATUS[content.state]}   Document {content.sop_instance_uid}"


def _numbered(line: str) -> Callable[..., Canvas]:
    """Return a canvas class that knows the number of pages when it writes their numbers."""

    class NumberedCanvas(Canvas):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont("DejaVu", 7)
                self.drawString(_MARGIN, 12 * mm, line)
                self.drawRightString(A4[0] - _MARGIN, 12 * mm, f"Page {number} of {len(self._pages)}")
                super().showPage()
            super().save()

    return NumberedCanvas


def _date(value: str) -> str:
    """Print a DA; whatever is none stays as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value


def _time(value: str) -> str:
    digits = value.split(".")[0]
    return f"{digits[:2]}:{digits[2:4]}" if len(digits) in {4, 6} and digits.isdigit() else value
