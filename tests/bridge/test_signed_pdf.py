"""The institution's signature in the PDF of a report, as others see it.

Covered: pyHanko's validator and poppler's pdfsig accept it, any changed byte of the document is noticed, the
text stays, the same report gives the same bytes, the object around it is valid DICOM. Not covered: Adobe
Reader, revocation, time stamps (there are none).
"""

from __future__ import annotations

import io
import random
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from pacs_bridge.results import build_encapsulated_pdf
from pacs_bridge.results.report_page import render_report
from pacs_bridge.results.signed_pdf import SigningIdentity, sign_pdf
from tests.bridge.result_cases import TEXTS
from tests.bridge.result_objects import DCIODVFY, validate
from tests.bridge.test_encapsulated_pdf import SIGNED, flat, pdf_of, read_text, with_texts
from tests.certificates import KINDS, issue, root
from tests.conftest import need

AT = datetime(2026, 11, 22, 12, 5, 7, tzinfo=UTC)
REASON = "final report, reviewed and approved; Rita Reader 山田"
ROOT = Path(__file__).resolve().parents[2]


def identity(kind: str, **changes) -> SigningIdentity:
    issued = issue(kind, **changes)
    return SigningIdentity(issued.private_key, issued.chain)


def page(*texts: str) -> bytes:
    return render_report(with_texts(*(texts or ("Clear.",)), verifications=(SIGNED,)))


def signed(kind: str = "rsa", pdf: bytes = b"") -> bytes:
    return sign_pdf(pdf or page(), identity(kind), at=AT, reason=REASON)


def verdict(pdf: bytes):
    """What pyHanko's validator says, with our root as the only trusted one."""
    trusted = asn1_x509.Certificate.load(root_certificate().public_bytes(Encoding.DER))
    context = ValidationContext(trust_roots=[trusted], moment=AT, allow_fetching=False)
    signatures = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    assert len(signatures) == 1
    return validate_pdf_signature(signatures[0], context)


def is_good(pdf: bytes) -> bool:
    """Whether a reader would rely on it; a file without a readable signature is no good."""
    try:
        status = verdict(pdf)
    except Exception:
        return False
    return status.bottom_line


_ROOT = root()


def root_certificate():
    return _ROOT


@pytest.mark.covers("S3", "T35")
@pytest.mark.parametrize("kind", KINDS)
def test_validator_accepts_it_and_sees_the_whole_file_covered(kind: str) -> None:
    status = verdict(signed(kind))
    assert status.bottom_line
    assert status.intact
    assert status.trusted
    assert status.coverage.name == "ENTIRE_FILE"
    assert status.docmdp_ok
    (signature,) = PdfFileReader(io.BytesIO(signed(kind))).embedded_signatures
    assert signature.docmdp_level is MDPPerm.NO_CHANGES
    assert status.signer_reported_dt == AT
    assert status.signing_cert.subject.native == {"common_name": "General Hospital"}


@pytest.mark.covers("S3")
@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_poppler_accepts_it_and_names_the_institution_and_the_time(kind: str, tmp_path: Path) -> None:
    pdfsig = shutil.which("pdfsig")
    need(pdfsig, "poppler (apt-get install poppler-utils)")
    (tmp_path / "signed.pdf").write_bytes(signed(kind))
    done = subprocess.run(
        [pdfsig, tmp_path / "signed.pdf"], capture_output=True, text=True, check=False, env={"TZ": "UTC"}
    )
    for words in (
        "Signature is Valid",
        "Total document signed",
        "Common Name: General Hospital",
        "Signing Time: Nov 22 2026 12:05:07",
        "ETSI.CAdES.detached",
    ):
        assert words in done.stdout


@pytest.mark.covers("S3")
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_any_changed_byte_of_the_document_is_noticed(kind: str) -> None:
    pdf, chance = signed(kind), random.Random(20261127)
    assert is_good(pdf)
    container = container_of(pdf)
    places = [at for at in range(len(pdf)) if at not in container]
    assert len(pdf) - len(places) < 4000
    for at in chance.sample(places, 50):
        wrong = changed(pdf, at, chance, bytes(range(256)))
        assert not is_good(wrong), (at, pdf[at], wrong[at])


@pytest.mark.covers("S3")
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_changed_byte_of_the_signature_itself_is_noticed_or_says_nothing_else(kind: str) -> None:
    """The outermost fields of a CMS object are not signed; they do not say what was signed, by whom, when."""
    pdf, chance = signed(kind), random.Random(20261127)
    survived = []
    for at in chance.sample(container_of(pdf), 300):
        wrong = changed(pdf, at, chance, b"0123456789abcdef")
        if is_good(wrong):
            survived.append(at)
            assert facts_of(wrong) == facts_of(pdf)
    assert len(survived) < 15


def container_of(pdf: bytes) -> range:
    """The digits of the CMS object, which no signature can cover: it lies in them."""
    hole = re.search(rb"/Contents <([0-9A-Fa-f]+)>", pdf)
    assert hole is not None
    padding = len(hole[1]) - len(hole[1].rstrip(b"0"))
    assert padding < 24
    return range(hole.start(1), hole.end(1) - padding)


def changed(pdf: bytes, at: int, chance: random.Random, others: bytes) -> bytes:
    """Another byte in one place; of a hexadecimal digit another value, not another case."""
    other = chance.choice([b for b in others if bytes([b]).lower() != pdf[at : at + 1].lower()])
    return pdf[:at] + bytes([other]) + pdf[at + 1 :]


def facts_of(pdf: bytes) -> tuple[object, ...]:
    status = verdict(pdf)
    return status.signing_cert.dump(), status.signer_reported_dt, status.coverage, status.md_algorithm


@pytest.mark.covers("S3")
def test_addition_to_the_file_is_noticed() -> None:
    from pyhanko.pdf_utils.generic import TextStringObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(signed()))
    writer.root[pdf_name("/Lang")] = TextStringObject("xx")
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    status = verdict(out.getvalue())
    assert status.coverage.name != "ENTIRE_FILE"
    assert not status.bottom_line


@pytest.mark.covers("T27", "T35")
def test_page_and_text_are_those_of_the_unsigned_pdf(tmp_path: Path) -> None:
    report = with_texts(*TEXTS, verifications=(SIGNED,))
    seal = identity("rsa")
    plain = build_encapsulated_pdf(report)
    with_seal = build_encapsulated_pdf(report, lambda pdf: sign_pdf(pdf, seal, at=AT, reason=REASON))
    assert pdf_of(with_seal).startswith(pdf_of(plain))
    assert read_text(tmp_path, with_seal) == read_text(tmp_path, plain)
    assert flat("final report, reviewed and approved") in read_text(tmp_path, with_seal)


@pytest.mark.parametrize("kind", KINDS)
def test_same_report_is_the_same_signed_pdf_at_another_time(kind: str) -> None:
    who, pdf = identity(kind), page()
    first = sign_pdf(pdf, who, at=AT, reason=REASON)
    time.sleep(1.1)  # PDF dates count seconds
    assert sign_pdf(pdf, who, at=AT, reason=REASON) == first
    assert sign_pdf(pdf, who, at=AT + timedelta(seconds=1), reason=REASON) != first


def test_document_ids_differ_between_page_and_signed_page_alone() -> None:
    pdf = page()
    ids = [PdfFileReader(io.BytesIO(one)).trailer["/ID"] for one in (pdf, signed("rsa", pdf))]
    assert ids[0][0] == ids[1][0]
    assert ids[0][1] != ids[1][1]


def test_file_says_nothing_of_the_clock_and_the_library() -> None:
    added = signed().removeprefix(page())
    assert b"ModDate" not in added
    assert b"ModifyDate" not in added
    assert b"pyHanko" not in added
    assert re.findall(rb"\(D.*?\)", added) == [rb"(D\07220261122120507Z)"]


def test_report_from_before_the_certificate_is_signed_as_of_its_beginning() -> None:
    begin = AT + timedelta(days=3)
    who = identity("rsa", begin=begin)
    pdf = sign_pdf(page(), who, at=AT, reason=REASON)
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    assert signature.self_reported_timestamp == begin


@pytest.mark.covers("T26")
def test_object_around_it_is_valid(tmp_path: Path) -> None:
    need(DCIODVFY.exists(), "dicom3tools (apt-get install dicom3tools)")
    seal = identity("rsa")
    document = build_encapsulated_pdf(
        with_texts("Clear.", verifications=(SIGNED,)),
        lambda pdf: sign_pdf(pdf, seal, at=AT, reason=REASON),
    )
    document.save_as(tmp_path / "pdf.dcm", enforce_file_format=True)
    assert validate(tmp_path / "pdf.dcm") == ([], [])
    assert verdict(pdf_of(document)).bottom_line


def test_nothing_of_pyhanko_is_imported_for_a_pdf_without_signature() -> None:
    script = (
        "import sys; from pacs_bridge.results import build_encapsulated_pdf;"
        "import pacs_bridge.results.report_page, app.workers.result_objects, app.workers.deliver;"
        "sys.exit(any(name.partition('.')[0] == 'pyhanko' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
