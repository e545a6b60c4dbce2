"""A report as a FHIR R4 transaction: DiagnosticReport, its findings, the model, and who signed.

Every resource is written by an identifier of ours (conditional update, or conditional create where R4 gives
the resource no identifier), so that the same bundle sent twice leaves one of each. Patient, order and imaging
study are referred to by their own identifiers: they are the receiver's.
"""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.fhir_finding import finding_resource, retracted_resource
from pacs_bridge.fhir_terms import (
    ACCESSION,
    RADIOLOGY,
    REPORT_CODE,
    by_identifier,
    fhir_date,
    imaging_study,
    patient,
    uid_identifier,
)
from pacs_bridge.fhir_text import fhir_instant, narrative, plain_text
from pacs_bridge.results.report_content import ReportState, derived_uid
from pacs_bridge.results.report_message import ReportMessage, Signature, section_texts
from pacs_bridge.results.report_states import require_sendable

# R4, 2.24.0.1: a string holds 1 MB at most
LONGEST_STRING = 1024 * 1024
_OPERATIONS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_TAGS = "urn:janus-med:message"
JSON = dict[str, Any]


def build_bundle(message: ReportMessage, *, patient_system: str = "") -> JSON:
    """Build the transaction.

    Parameters
    ----------
    message
        The same value gives the same bundle.
    patient_system
        System of patient identifiers whose issuer is no object identifier; empty: none is named.

    Returns
    -------
    dict
        JSON values of a Bundle, valid by `fhir.resources`.

    Raises
    ------
    Rejected
        If the state is not sent, or the text cannot be carried.
    """
    wire = require_sendable(message.content.state)
    subject = patient(message.content.study, patient_system)
    entries: list[JSON] = []
    device = _device(message)
    if device is not None:
        entries.append(_entry(device))
    results: list[JSON] = []
    if wire.observation_status:
        by = None if device is None else _reference(device)
        results = [
            finding_resource(message, finding, status=wire.observation_status, subject=subject, device=by)
            for finding in message.findings
        ]
        entries += [_entry(result) for result in results]
        entries += [_entry(retracted_resource(message, name, subject)) for name in message.retracted_findings]
    report = _report(message, wire.report_status, subject, results)
    entries += [_entry(report), _provenance_entry(message, report, device)]
    return _validated({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _full_url(resource: Mapping[str, Any]) -> str:
    """Return the name of a resource inside the bundle; it follows from its identifier."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, resource['identifier'][0]['value'])}"


def _reference(resource: Mapping[str, Any]) -> JSON:
    return {"reference": _full_url(resource), "type": resource["resourceType"]}


def _entry(resource: JSON) -> JSON:
    """Update the one resource with this identifier, or create it (R4 3.1.0.7.1, conditional update)."""
    identifier = resource["identifier"][0]
    wanted = quote(f"{identifier['system']}|{identifier['value']}", safe="")
    url = f"{resource['resourceType']}?identifier={wanted}"
    return {
        "fullUrl": _full_url(resource),
        "resource": resource,
        "request": {"method": "PUT", "url": url},
    }


def _device(message: ReportMessage) -> JSON | None:
    """Return the model that drafted the text, with the digests of its weights."""
    model = message.content.algorithm
    if model is None:
        return None
    digests = {"weights SHA-256": model.weights_sha256, "adapters SHA-256": model.adapters_sha256}
    return {
        "resourceType": "Device",
        "identifier": [
            uid_identifier(
                derived_uid(
                    "fhir device", model.name, model.version, model.weights_sha256, model.adapters_sha256
                )
            )
        ],
        "status": "active",
        "manufacturer": model.manufacturer,
        "deviceName": [{"name": model.name, "type": "model-name"}],
        "type": {"text": "Artificial intelligence model"},
        "version": [{"value": model.version}],
        "property": [
            {"type": {"text": name}, "valueCode": [{"text": digest}]}
            for name, digest in digests.items()
            if digest
        ],
    }


def _report(message: ReportMessage, status: str, subject: JSON, results: list[JSON]) -> JSON:
    study, signature = message.content.study, message.signature
    texts = section_texts(message)
    plain = plain_text(message, texts)
    conclusion = next((text for section, text in texts if section.heading == "impression"), "")
    for text in (plain, conclusion):
        if len(text.encode()) > LONGEST_STRING:
            raise Rejected(CANNOT_UNDERSTAND, "the report is longer than FHIR takes (1 MB)")
    report: JSON = {
        "resourceType": "DiagnosticReport",
        "identifier": [uid_identifier(message.report_uid)],
        "text": {"status": "generated", "div": narrative(message, texts)},
        "status": status,
        "category": [RADIOLOGY],
        "code": REPORT_CODE | ({"text": study.study_description} if study.study_description else {}),
        "subject": subject,
        "issued": fhir_instant(signature.signed_at),
        "resultsInterpreter": _interpreters(message),
        "imagingStudy": [imaging_study(study)],
        "presentedForm": [
            {
                "contentType": "text/plain; charset=utf-8",
                "language": message.content.language.value,
                "data": b64encode(plain.encode()).decode(),
                "title": "Radiology report",
            }
        ],
    }
    if study.accession_number:
        report["basedOn"] = [by_identifier("ServiceRequest", study.accession_number, kind=ACCESSION)]
    if fhir_date(study.study_date):
        report["effectiveDateTime"] = fhir_date(study.study_date)
    if results:
        report["result"] = [_reference(result) for result in results]
    if conclusion:
        report["conclusion"] = conclusion
    return report


def _provenance_entry(message: ReportMessage, report: JSON, device: JSON | None) -> JSON:
    """Say who signed what when; R4 gives Provenance no identifier, so a tag finds the one that is there."""
    signature = message.signature
    tag = {"system": _TAGS, "code": message.message_uid}
    agents = [_agent("attester", _signer(message))]
    if device is not None:
        agents.append(_agent("assembler", _reference(device)))
    resource: JSON = {
        "resourceType": "Provenance",
        "meta": {"tag": [tag]},
        "target": [_reference(report)],
        "occurredDateTime": fhir_instant(signature.signed_at),
        "recorded": fhir_instant(signature.signed_at),
        "activity": {
            "coding": [{"system": _OPERATIONS, "code": _operation(message)}],
            "text": signature.meaning,
        },
        "agent": agents,
        "entity": [
            {
                "role": "source",
                "what": {
                    "identifier": {"system": "urn:janus-med:signed-text-sha256", "value": signature.sha256},
                    "display": "Digest of the text that was signed",
                },
            }
        ],
        "signature": [
            {
                "type": [
                    {
                        "system": "urn:iso-astm:E1762-95:2013",
                        "code": "1.2.840.10065.1.12.1.5",
                        "display": "Verification Signature",
                    }
                ],
                "when": fhir_instant(signature.signed_at),
                "who": _signer(message),
            }
        ],
    }
    if message.withdrawal_reason:
        resource["reason"] = [{"text": message.withdrawal_reason}]
    request = {
        "method": "POST",
        "url": "Provenance",
        "ifNoneExist": "_tag=" + quote(f"{_TAGS}|{message.message_uid}", safe=""),
    }
    full_url = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, message.message_uid)}"
    return {"fullUrl": full_url, "resource": resource, "request": request}


def _operation(message: ReportMessage) -> str:
    if message.withdrawal_reason:
        return "NULLIFY"
    return "UPDATE" if message.content.state in {ReportState.ADDENDED, ReportState.CORRECTED} else "CREATE"


def _agent(role: str, who: JSON) -> JSON:
    system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    return {"type": {"coding": [{"system": system, "code": role}]}, "who": who}


def _signer(message: ReportMessage) -> JSON:
    return _practitioner(message.signature)


def _interpreters(message: ReportMessage) -> list[JSON]:
    """Return everyone who signed what the report says, each once; who signed last stands first."""
    signatures = (message.signature, *reversed(message.also_signed))
    return [_practitioner(signature) for signature in {s.login: s for s in signatures}.values()]


def _practitioner(signature: Signature) -> JSON:
    reference = by_identifier("Practitioner", signature.login, system="urn:janus-med:login")
    return reference | {"display": signature.name}


def _validated(bundle: JSON) -> JSON:
    """Return the bundle after a look by `fhir.resources`: what is not valid never leaves."""
    # 0.2 s and 40 MB that only the delivery worker pays
    from fhir.resources.R4B.bundle import Bundle  # noqa: PLC0415

    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        # the values of the errors hold patient data: only where they are is said
        places = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        raise Rejected(
            CANNOT_UNDERSTAND, f"the bundle would not be valid at {', '.join(places[:5])}"
        ) from None
    return bundle
