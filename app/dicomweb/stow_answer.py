"""What a STOW-RS request is answered with (PS3.18 10.5.3, annex I.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.dicomweb.incoming import PartOutcome
from pacs_bridge.errors import OUT_OF_RESOURCES, SUCCESS

DicomJson = dict[str, Any]


def status_of(outcomes: Sequence[PartOutcome]) -> int:
    """Return 200 when all is stored, 202 when some is, else 409, or 503 when only space is missing."""
    failures = [part.outcome.status for part in outcomes if part.outcome.status != SUCCESS]
    if not failures:
        return 200
    if len(failures) < len(outcomes):
        return 202
    return 503 if set(failures) == {OUT_OF_RESOURCES} else 409


def answer_to(outcomes: Sequence[PartOutcome], *, base: str) -> DicomJson:
    """Return the Store Instances Response Module as DICOM JSON.

    Parameters
    ----------
    base
        Address of the service, without a slash at its end.
    """
    stored = [part for part in outcomes if part.outcome.status == SUCCESS]
    failed = [part for part in outcomes if part.outcome.status != SUCCESS]
    answer: DicomJson = {}
    studies = {part.study_uid for part in stored}
    if len(studies) == 1:
        answer["00081190"] = _text("UR", f"{base}/studies/{studies.pop()}")
    named = [part for part in failed if part.sop_instance_uid]
    if named:
        answer["00081198"] = {"vr": "SQ", "Value": [_reference(part) | _reason(part) for part in named]}
    if stored:
        answer["00081199"] = {
            "vr": "SQ",
            "Value": [_reference(part) | _address(part, base) for part in stored],
        }
    if len(named) < len(failed):
        unnamed = [part for part in failed if not part.sop_instance_uid]
        answer["0008119A"] = {"vr": "SQ", "Value": [_reason(part) for part in unnamed]}
    return answer


def _reference(part: PartOutcome) -> DicomJson:
    return {"00081150": _text("UI", part.sop_class_uid), "00081155": _text("UI", part.sop_instance_uid)}


def _reason(part: PartOutcome) -> DicomJson:
    return {"00081197": {"vr": "US", "Value": [part.outcome.status]}}


def _address(part: PartOutcome, base: str) -> DicomJson:
    path = f"studies/{part.study_uid}/series/{part.series_uid}/instances/{part.sop_instance_uid}"
    return {"00081190": _text("UR", f"{base}/{path}")}


def _text(vr: str, value: str) -> DicomJson:
    return {"vr": vr, "Value": [value]}
