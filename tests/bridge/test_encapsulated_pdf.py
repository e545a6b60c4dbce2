"""The encapsulated PDF: the report as people read it, with nothing missing and nothing invented.

Covered: header, the way out with DCMTK's dcm2pdf, text as poppler's pdftotext reads it, embedded fonts, what
is refused. Not covered: validity of the DICOM object (test_results_valid), how good it looks.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from pacs_bridge import Rejected
from pacs_bridge.results import (
    ReportState,
    Section,
    Sentence,
    SourceInstance,
    SourceStudy,
    Verification,
    build_encapsulated_pdf,
)
from pacs_bridge.results.fonts import font_of
from tests.bridge.result_cases import TEXTS
from tests.bridge.test_report_sr import IMAGE, NOW, READER, content
from tests.conftest import need

DCM2PDF = Path("/usr/bin/dcm2pdf")
SIGNED = Verification(READER, NOW, "final report, reviewed and approved", "ef" * 32)
STUDY = SourceStudy(
    "1.2.3",
    patient_id="P 1",
    patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう",
    patient_birth_date="19400305",
    patient_sex="F",
    study_date="20261101",
    study_time="101500.25",
    study_description="Röntgen Thorax",
    accession_number="A1",
    referring_physician_name="Люксембург^Роза",
)
PRIOR_REPORT = SourceInstance("1.2.3", "1.2.3.9", "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3.9.0")


def pdf_of(document):
    """The PDF without the byte that makes its length even."""
    return document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]


def read_text(tmp_path, document):
    """What pdftotext reads, white space aside."""
    pdftotext = shutil.which("pdftotext")
    need(pdftotext, "poppler (apt-get install poppler-utils)")
    (tmp_path / "report.pdf").write_bytes(pdf_of(document))
    command = [pdftotext, "-enc", "UTF-8", "-layout", tmp_path / "report.pdf", "-"]
    return flat(subprocess.run(command, capture_output=True, check=True).stdout.decode())


def flat(text):
    return re.sub(r"\s+", "", text)


def with_texts(*texts, **changes):
    return content(sections=(Section("findings", tuple(map(Sentence, texts))),), study=STUDY, **changes)


def test_header_describes_the_document():
    document = build_encapsulated_pdf(with_texts("The heart is enlarged."))
    assert document.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    assert (document.Modality, document.ConversionType) == ("DOC", "WSD")
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert document.BurnedInAnnotation == "YES"
    assert document.DocumentTitle == "Diagnostic imaging report"
    assert document.VerificationFlag == "VERIFIED"
    assert document.SourceInstanceSequence[0].ReferencedSOPInstanceUID == IMAGE.sop_instance_uid
    assert pdf_of(document).startswith(b"%PDF-")


def test_dcm2pdf_takes_out_the_same_pdf(tmp_path):
    need(DCM2PDF.exists(), "DCMTK (apt-get install dcmtk)")
    document = build_encapsulated_pdf(with_texts("The heart is enlarged."))
    document.save_as(tmp_path / "pdf.dcm", enforce_file_format=True)
    subprocess.run([DCM2PDF, tmp_path / "pdf.dcm", tmp_path / "out.pdf"], check=True)
    assert (tmp_path / "out.pdf").read_bytes().rstrip(b"\0") == pdf_of(document)


@pytest.mark.covers("T35")
def test_page_names_patient_study_signer_time_meaning_digest_and_model(tmp_path):
    text = read_text(tmp_path, build_encapsulated_pdf(with_texts("Clear.", verifications=(SIGNED,))))
    for words in (
        "General Hospital",
        "FINAL REPORT",
        "Tarou Yamada (山田 太郎, やまだ たろう)",
        "P 1",
        "1940-03-05",
        "2026-11-01 10:15",
        "Röntgen Thorax",
        "Роза Люксембург",
        "Rita Reader",
        NOW.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "final report, reviewed and approved",
        "ef" * 32,
        "janus-tiny 0.1.0",
        "ab" * 32,
        "Page 1 of 1",
    ):
        assert flat(words) in text, words


@pytest.mark.covers("T27")
@pytest.mark.parametrize("words", TEXTS, ids=range(len(TEXTS)))
def test_text_is_printed_as_it_was_signed(words, tmp_path):
    assert flat(words) in read_text(tmp_path, build_encapsulated_pdf(with_texts(words)))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ReportState.DRAFTED, "DRAFT - NOT SIGNED"),
        (ReportState.PRELIMINARY, "PRELIMINARY - NOT FINAL"),
        (ReportState.ADDENDED, "FINAL REPORT WITH ADDENDUM"),
        (ReportState.CORRECTED, "CORRECTED REPORT"),
    ],
)
@pytest.mark.covers("T38")
def test_state_stands_at_the_top_and_foot(state, words, tmp_path):
    signed = state in {ReportState.ADDENDED, ReportState.CORRECTED}
    report = with_texts(
        "Clear.",
        state=state,
        verifications=(SIGNED,) if signed else (),
        predecessors=(PRIOR_REPORT,) if signed else (),
    )
    document = build_encapsulated_pdf(report)
    assert read_text(tmp_path, document).count(flat(words)) >= 2
    assert document.VerificationFlag == ("VERIFIED" if signed else "UNVERIFIED")
    assert ("PredecessorDocumentsSequence" in document) is signed


@pytest.mark.slow
def test_long_report_runs_over_pages_with_patient_and_number_on_each(tmp_path):
    document = build_encapsulated_pdf(with_texts("The lungs are clear. " * 600, *["Sentence."] * 100))
    text = read_text(tmp_path, document)
    pages = int(re.search(r"Page1of(\d+)", text)[1])
    assert pages > 3
    assert text.count(flat("Patient ID P 1 Document")) == pages
    between_pages = re.compile(r"FINALREPORTPatientIDP1Document[0-9.]+Page\d+of\d+")
    assert between_pages.sub("", text).count(flat("The lungs are clear.")) == 600


@pytest.mark.covers("T27")
@pytest.mark.parametrize(
    "words",
    [
        "القلب متضخم",
        "הלב מוגדל 12",
        "left \u202eright",
        "zero\u200bwidth",
        "हृदय बड़ा है",
        "หัวใจโต",
        "\U0001fac1",
        "bell \x07",
    ],
)
def test_report_that_the_page_cannot_show_as_it_is_is_refused(words):
    with pytest.raises(Rejected):
        build_encapsulated_pdf(with_texts("Clear.", words))


def test_name_that_cannot_be_set_is_substituted_visibly_and_counted(tmp_path):
    study = replace(STUDY, patient_name="قباني^لنزار")
    text = read_text(tmp_path, build_encapsulated_pdf(replace(with_texts("Clear."), study=study)))
    assert flat("□□□□□ □□□□□") in text
    assert flat("10 characters of names or descriptions could not be printed") in text


def test_every_font_is_embedded():
    """Fonts of the viewer's own leave the text blank where it has none."""
    pdf = pdf_of(build_encapsulated_pdf(with_texts(*TEXTS)))
    fonts = re.findall(rb"/Type /FontDescriptor.*?endobj|<<[^<>]*?/FontFile2[^<>]*>>", pdf, re.DOTALL)
    assert pdf.count(b"/FontFile2") >= 3
    assert len(fonts) >= 3
    assert not re.search(rb"/Subtype /Type0|HeiseiMin|STSong|/CIDFontType0", pdf)


@pytest.mark.parametrize(
    "codec", ["cp1250", "cp1251", "cp1252", "cp1253", "shift_jis", "gb2312", "big5", "euc_kr"]
)
def test_fonts_have_the_characters_of_a_code_page(codec):
    pairs = [bytes([a]) for a in range(0x20, 0x100)]
    pairs += [bytes([a, b]) for a in range(0x81, 0xFF) for b in range(0x40, 0xFF)]
    letters = {c for c in b"".join(pairs).decode(codec, "ignore") if c.isalpha()}
    assert len(letters) > 100
    assert [c for c in letters if font_of(c) is None] == []


def test_same_report_is_the_same_pdf_and_carries_no_other_facts():
    pdfs = [pdf_of(build_encapsulated_pdf(with_texts(*TEXTS))) for _ in range(2)]
    assert hashlib.sha256(pdfs[0]).digest() == hashlib.sha256(pdfs[1]).digest()
    information = re.search(rb"/Author.*?>>", pdfs[0], re.DOTALL)[0].decode("latin-1")
    assert "CreationDate (D:20261122120507+00'00')" in information
    for secret in ("Yamada", "Reader", "P 1", "reportlab", "anonymous"):
        assert secret not in information
