"""A finding of the model, as the reader accepted it, as a FHIR R4 Observation."""

from __future__ import annotations

from typing import Any

from pacs_bridge.fhir_terms import (
    IMAGING,
    fhir_date,
    imaging_study,
    uid_identifier,
)
from pacs_bridge.results.finding_codes import FINDINGS, PRESENCES
from pacs_bridge.results.finding_content import AcceptedFinding
from pacs_bridge.results.report_content import Code, derived_uid
from pacs_bridge.results.report_message import ReportMessage

JSON = dict[str, Any]
_SYSTEMS = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
}


def finding_resource(
    message: ReportMessage, finding: AcceptedFinding, *, status: str, subject: JSON, device: JSON | None
) -> JSON:
    """Return the observation; a finding of the same name in the same report is the same one.

    Parameters
    ----------
    device
        Reference to the model that found it.
    """
    study = message.content.study
    resource = _observation(message, finding.name, status, subject)
    resource["valueCodeableConcept"] = _concept(PRESENCES[finding.presence])
    resource["derivedFrom"] = [imaging_study(study)]
    if fhir_date(study.study_date):
        resource["effectiveDateTime"] = fhir_date(study.study_date)
    if device is not None:
        resource["device"] = device
    if finding.probability is not None:
        resource["component"] = [
            {
                "code": {"text": "Probability given by the algorithm"},
                "valueQuantity": {
                    "value": round(finding.probability, 4),
                    "unit": "1",
                    "system": "http://unitsofmeasure.org",
                    "code": "1",
                },
            }
        ]
    return resource


def retracted_resource(message: ReportMessage, name: str, subject: JSON) -> JSON:
    """Return the observation of a finding that an earlier message carried and the report no longer has."""
    return _observation(message, name, "entered-in-error", subject)


def _observation(message: ReportMessage, name: str, status: str, subject: JSON) -> JSON:
    return {
        "resourceType": "Observation",
        "identifier": [uid_identifier(derived_uid("fhir finding", message.report_uid, name))],
        "status": status,
        "category": [IMAGING],
        "code": _concept(FINDINGS[name][0]) if name in FINDINGS else {"text": name},
        "subject": subject,
    }


def _concept(code: Code) -> JSON:
    system = _SYSTEMS.get(code.scheme, f"urn:janus-med:{code.scheme}")
    return {"coding": [{"system": system, "code": code.value, "display": code.meaning}], "text": code.meaning}
