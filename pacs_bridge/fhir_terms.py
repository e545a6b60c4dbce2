"""Codes, identifiers and references of the FHIR R4 resources that we write."""

from __future__ import annotations

import re
from typing import Any

from pacs_bridge.results.report_content import SourceStudy

JSON = dict[str, Any]
URI = "urn:ietf:rfc:3986"
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
RADIOLOGY = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD", "display": "Radiology"}
    ]
}
IMAGING = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "imaging",
            "display": "Imaging",
        }
    ]
}
REPORT_CODE = {
    "coding": [{"system": "http://loinc.org", "code": "18748-4", "display": "Diagnostic imaging study"}]
}
ACCESSION = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
            "code": "ACSN",
            "display": "Accession ID",
        }
    ]
}
_RECORD_NUMBER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def uid_identifier(uid: str) -> JSON:
    """Return a DICOM UID as an identifier."""
    return {"system": URI, "value": f"urn:oid:{uid}"}


def by_identifier(resource_type: str, value: str, *, system: str = "", kind: JSON | None = None) -> JSON:
    """Return a logical reference to a resource of the receiver's, by its identifier (R4 2.3.0.4)."""
    identifier: JSON = {"value": value}
    if system:
        identifier["system"] = system
    if kind is not None:
        identifier["type"] = kind
    return {"type": resource_type, "identifier": identifier}


def patient(study: SourceStudy, system: str) -> JSON:
    """Return the reference to the patient; the issuer names the system where it is an object identifier."""
    issuer = study.issuer_of_patient_id
    if _OID.fullmatch(issuer):
        system = f"urn:oid:{issuer}"
    reference = by_identifier("Patient", study.patient_id or "unknown", system=system, kind=_RECORD_NUMBER)
    if issuer and not _OID.fullmatch(issuer):
        reference["identifier"]["assigner"] = {"display": issuer}
    return reference


def imaging_study(study: SourceStudy) -> JSON:
    """Return the reference to the imaging study, by its UID (R4 ImagingStudy.identifier)."""
    return by_identifier("ImagingStudy", f"urn:oid:{study.study_uid}", system="urn:dicom:uid")


def fhir_date(date: str) -> str:
    """Return a DICOM date (DA) as a FHIR date; empty for what is none."""
    if not (len(date) == 8 and date.isdigit() and date.isascii()):
        return ""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"
