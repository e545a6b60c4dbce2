"""A report as HL7 v2.5.1 ORU^R01 (chapter 7.3): one OBX a section, states after tables 0085 and 0123."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.hl7_text import (
    dicom_time,
    escape,
    escape_formatted,
    identifier,
    instant,
    person,
    physician,
)
from pacs_bridge.results.report_content import Section
from pacs_bridge.results.report_message import ReportMessage, Signature, section_texts
from pacs_bridge.results.report_states import require_sendable

# HL7 2.5.1, 2A.31: the most that FT may hold
LONGEST_TEXT = 65_536
SECTION_CODES = {
    "history": "11329-0^History general^LN",
    "indication": "18785-6^Radiology reason for study^LN",
    "technique": "55111-9^Current imaging procedure descriptions^LN",
    "comparison": "18834-2^Radiology comparison study observation^LN",
    "findings": "59776-5^Procedure findings^LN",
    "impression": "19005-8^Radiology imaging study impression^LN",
    "recommendation": "18783-1^Radiology study recommendation^LN",
    "addendum": "55107-7^Addendum document^LN",
    "correction": "JM0005^Correction^99JANUSMED",
}
_REPORT = "18748-4^Diagnostic imaging report^LN"


@dataclass(frozen=True)
class Hl7Header:
    """Who speaks to whom (MSH-3 to MSH-6)."""

    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str


def control_id(message_uid: str) -> str:
    """Return MSH-10 of a message: 20 characters that follow from its UID, so that a resend has the same."""
    return hashlib.sha256(message_uid.encode()).hexdigest()[:20].upper()


def build_oru(message: ReportMessage, header: Hl7Header) -> bytes:
    """Build the message.

    Parameters
    ----------
    message
        The same value gives the same bytes.

    Returns
    -------
    bytes
        UTF-8, segments ended by CR, not framed.

    Raises
    ------
    Rejected
        If the state is not sent, a text holds control characters, or is longer than FT may be.
    """
    status = require_sendable(message.content.state).result_status
    segments = [
        _message_header(message, header),
        _patient(message),
        _visit(message),
        _order(message),
        _request(message, status),
        *_notes(message),
        *_observations(message, status),
    ]
    return "".join(f"{segment}\r" for segment in segments).encode()


def _segment(name: str, fields: dict[int, str]) -> str:
    last = max(fields)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def _message_header(message: ReportMessage, header: Hl7Header) -> str:
    fields = {
        3: escape(header.sending_application),
        4: escape(header.sending_facility),
        5: escape(header.receiving_application),
        6: escape(header.receiving_facility),
        7: instant(message.signature.signed_at),
        9: "ORU^R01^ORU_R01",
        10: control_id(message.message_uid),
        11: "P",
        12: "2.5.1",
        18: "UNICODE UTF-8",
    }
    # MSH-1 is the separator itself
    return "MSH|" + _segment("^~\\&", {number - 2: value for number, value in fields.items()})


def _patient(message: ReportMessage) -> str:
    study = message.content.study
    return _segment(
        "PID",
        {
            1: "1",
            3: identifier(study.patient_id, study.issuer_of_patient_id, "MR") if study.patient_id else "",
            5: person(study.patient_name) or "^^^^^^U",
            7: dicom_time(study.patient_birth_date, ""),
            8: study.patient_sex if study.patient_sex in {"F", "M", "O"} else "U",
        },
    )


def _visit(message: ReportMessage) -> str:
    return _segment("PV1", {1: "1", 2: "U", 8: physician(message.content.study.referring_physician_name)})


def _order(message: ReportMessage) -> str:
    number = _order_number(message)
    return _segment("ORC", {1: "RE", 2: number, 3: number})


def _order_number(message: ReportMessage) -> str:
    """Return the accession number, by which the RIS knows the order; without one, the study itself."""
    study = message.content.study
    return escape(study.accession_number or study.study_uid)


def _request(message: ReportMessage, status: str) -> str:
    study, signature = message.content.study, message.signature
    number = _order_number(message)
    description = study.study_description
    return _segment(
        "OBR",
        {
            1: "1",
            2: number,
            3: number,
            4: f"{_REPORT}^^{escape(description)}" if description else _REPORT,
            7: dicom_time(study.study_date, study.study_time),
            16: physician(study.referring_physician_name),
            18: escape(study.accession_number),
            22: instant(signature.signed_at),
            24: "RAD",
            25: status,
            32: f"{escape(signature.login)}&{escape(signature.name)}",
        },
    )


def _notes(message: ReportMessage) -> Iterator[str]:
    """Say in words who signed what, what the model did, and why the report was withdrawn."""
    signature, model = message.signature, message.content.algorithm
    notes = [_signed_by(signature), *map(_signed_by, message.also_signed)]
    if message.withdrawal_reason:
        notes.append(f"Withdrawn: {message.withdrawal_reason}")
    if model is not None:
        notes.append(
            f"AI: text drafted by {model.name} {model.version} (weights SHA-256 {model.weights_sha256}); "
            "every sentence was reviewed by the signer."
        )
    for number, note in enumerate(notes, start=1):
        yield _segment("NTE", {1: str(number), 2: "L", 3: escape_formatted(note)})


def _signed_by(signature: Signature) -> str:
    return (
        f"Signed electronically by {signature.name} ({signature.login}) at "
        f"{signature.signed_at.isoformat(timespec='seconds')}: {signature.meaning}. "
        f"SHA-256 {signature.sha256}"
    )


def _observations(message: ReportMessage, status: str) -> Iterator[str]:
    # the message replaces the receiver's record: what a correction replaced is not put into it again
    texts = [(section, text) for section, text in section_texts(message) if section.heading in SECTION_CODES]
    for number, (section, text) in enumerate(texts, start=1):
        escaped = escape_formatted(text)
        if len(escaped) > LONGEST_TEXT:
            raise Rejected(
                CANNOT_UNDERSTAND,
                f"the section {section.heading} has {len(escaped)} characters: "
                f"HL7 takes {LONGEST_TEXT} at most",
            )
        # a withdrawn text is taken out of the receiver's record: "" deletes the value (2.6)
        value = '""' if message.withdrawal_reason else escaped
        yield _observation(message, number, "FT", SECTION_CODES[section.heading], value, status, part=section)
    study_uid = message.content.study.study_uid
    yield _observation(message, len(texts) + 1, "ST", "113014^DICOM Study^DCM", escape(study_uid), status)


def _observation(
    message: ReportMessage,
    number: int,
    kind: str,
    code: str,
    value: str,
    status: str,
    *,
    part: Section | None = None,
) -> str:
    """Return an OBX; a part with a signature of its own names its own signer and time."""
    signature, own = message.signature, part.signed if part is not None else None
    login, name = (
        (signature.login, signature.name) if own is None else (own.observer.login, own.observer.name)
    )
    return _segment(
        "OBX",
        {
            1: str(number),
            2: kind,
            3: code,
            4: str(part.number if part is not None and part.number else 1),
            5: value,
            11: status,
            14: instant(signature.signed_at if own is None else own.verified_at),
            16: f"{escape(login)}^{escape(name)}",
        },
    )
