"""Lay a report out as PDF: the same bytes for the same content, every character shown or refused."""

from __future__ import annotations

import io
from collections.abc import Iterator

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
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

from pacs_bridge.results.fonts import REGULAR, font_of
from pacs_bridge.results.numbered_pages import MARGIN, numbered_canvas
from pacs_bridge.results.person_names import printed_name
from pacs_bridge.results.report_content import ReportContent, ReportState, Verification
from pacs_bridge.results.report_headings import HEADINGS
from pacs_bridge.results.sr_document import FLAGS
from pacs_bridge.results.typesetting import SUBSTITUTE, Typesetter

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
_SIGNER = ParagraphStyle("signer", parent=_HEADING, spaceAfter=0)
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
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=content.title.meaning,
        author="",
        subject="",
        creator="janus-med",
        producer="janus-med",
        lang=content.language.value,
    )
    frame = Frame(MARGIN, MARGIN, A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate(frames=[frame]))
    document.build(story, canvasmaker=numbered_canvas(_page_line(content), content.written_at))
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
        yield CondPageBreak(25 * mm)  # no heading alone at the foot of a page
        name = HEADINGS[section.heading][0].meaning
        yield Paragraph(f"{name} {section.number}" if section.number else name, _HEADING)
        if section.signed is not None:
            yield Paragraph(typesetter.show(section.signed.statement), _SMALL)
        for sentence in section.sentences:
            yield Paragraph(typesetter.set_text(sentence.text), _NORMAL)


def _foot(content: ReportContent, typesetter: Typesetter) -> Iterator[Flowable]:
    """Signatures, and what the model did."""
    yield Spacer(0, 6 * mm)
    yield HRFlowable(width="100%", thickness=0.5, color=colors.grey)
    for verification in content.verifications:
        yield KeepTogether(_signature(verification, typesetter))
    if not content.verifications:
        yield Paragraph(f"{_STATUS[content.state]}: no attending has verified this text.", _UNSIGNED)
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
            f"{SUBSTITUTE}. The images and the structured report hold them in full.",
            _SMALL,
        )


def _signature(verification: Verification, typesetter: Typesetter) -> list[Flowable]:
    signer = verification.observer
    title = Paragraph(typesetter.show(printed_name(signer.name)), _SIGNER)
    lines = [signer.organization, verification.statement]
    return [title, *(Paragraph(typesetter.show(line), _SMALL) for line in lines if line)]


def _page_line(content: ReportContent) -> str:
    """Return what stands at the foot of every page, so that a loose page finds its patient and report."""
    patient = "".join(c if font_of(c) == REGULAR else SUBSTITUTE for c in content.study.patient_id)
    return (
        f"{_STATUS[content.state]}   Patient ID {patient[:32] or '-'}   Document {content.sop_instance_uid}"
    )


def _date(value: str) -> str:
    """Print a DA; whatever is none stays as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value


def _time(value: str) -> str:
    digits = value.partition(".")[0]
    return f"{digits[:2]}:{digits[2:4]}" if len(digits) in {4, 6} and digits.isdigit() else value
