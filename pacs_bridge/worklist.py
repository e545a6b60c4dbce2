"""Ask a modality worklist SCP for the order behind an accession number (PS3.4 K.6.1.2.2).

The keys are those of table K.6-1 that give a reader context: requested procedure, reason, physician,
scheduled step, and of the patient what matters for a reading. A return key that the SCP does not support
comes back empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.find import InformationModel, find

MOST_STEPS = 20
_KEYS = (
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "MedicalAlerts",
    "Allergies",
    "PregnancyStatus",
    "RequestingPhysician",
    "RequestedProcedureDescription",
    "RequestedProcedureID",
    "ReasonForTheRequestedProcedure",
    "RequestedProcedurePriority",
    "RequestedProcedureComments",
    "ReasonForTheImagingServiceRequest",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "StudyInstanceUID",
)
_STEP_KEYS = (
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
)
_PREGNANCY = {1: "not pregnant", 2: "possibly pregnant", 3: "definitely pregnant", 4: "unknown"}


@dataclass(frozen=True)
class WorklistEntry:
    """What a worklist says of one requested procedure, in text.

    Attributes
    ----------
    indication
        Reason for the Requested Procedure, else the meaning of its code, else Reason for the Imaging Service
        Request.
    priority
        Requested Procedure Priority (STAT, HIGH, ROUTINE, MEDIUM, LOW) or empty.
    pregnancy
        Pregnancy Status in words (PS3.3 C.2.3), empty when not given.
    scheduled_step
        Description of the scheduled procedure step.
    """

    accession_number: str
    placer_number: str
    filler_number: str
    requested_procedure_id: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    procedure_code: str
    procedure: str
    indication: str
    priority: str
    requesting_physician: str
    scheduled_step: str
    pregnancy: str
    allergies: str


def ask_worklist(
    destination: Destination, accession_number: str, *, calling_ae: str, timeouts: Timeouts
) -> list[WorklistEntry]:
    """Return the requested procedures of an accession number, each once; empty when the SCP knows none.

    Raises
    ------
    Rejected, Retriable
        As `find` does.
    """
    answers = find(
        destination,
        InformationModel.MODALITY_WORKLIST,
        worklist_keys(accession_number),
        calling_ae=calling_ae,
        timeouts=timeouts,
        limit=MOST_STEPS,
    )
    # an SCP may ignore the key, or match it loosely: only what names this accession number is about it
    entries = [read_entry(answer) for answer in answers]
    return list(dict.fromkeys(entry for entry in entries if entry.accession_number == accession_number))


def worklist_keys(accession_number: str) -> Dataset:
    """Return the identifier that asks for an accession number.

    A backslash would begin a second value: it is asked for as ``?``. That, and ``*`` or ``?`` in the number
    itself, match more than was meant (PS3.4 C.2.2.2.4): the answers are compared with the number afterwards.
    """
    keys = Dataset()
    keys.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _KEYS:
        setattr(keys, keyword, None)
    keys.AccessionNumber = accession_number.replace("\\", "?")
    step = Dataset()
    for keyword in _STEP_KEYS:
        setattr(step, keyword, None)
    step.ScheduledProtocolCodeSequence = Sequence()
    keys.ScheduledProcedureStepSequence = Sequence([step])
    keys.RequestedProcedureCodeSequence = Sequence()
    keys.ReasonForRequestedProcedureCodeSequence = Sequence()
    return keys


def read_entry(answer: Dataset) -> WorklistEntry:
    """Return an answer as text; absent and malformed attributes read as empty."""
    step = _first(answer, "ScheduledProcedureStepSequence")
    code = _first(answer, "RequestedProcedureCodeSequence")
    reason = _first(answer, "ReasonForRequestedProcedureCodeSequence")
    return WorklistEntry(
        accession_number=_text(answer, "AccessionNumber"),
        placer_number=_text(answer, "PlacerOrderNumberImagingServiceRequest"),
        filler_number=_text(answer, "FillerOrderNumberImagingServiceRequest"),
        requested_procedure_id=_text(answer, "RequestedProcedureID"),
        patient_id=_text(answer, "PatientID"),
        issuer=_text(answer, "IssuerOfPatientID"),
        patient_name=_text(answer, "PatientName").partition("=")[0],
        birth_date=_text(answer, "PatientBirthDate"),
        sex=_text(answer, "PatientSex"),
        procedure_code=_text(code, "CodeValue"),
        procedure=_text(answer, "RequestedProcedureDescription") or _text(code, "CodeMeaning"),
        indication=_text(answer, "ReasonForTheRequestedProcedure")
        or _text(reason, "CodeMeaning")
        or _text(answer, "ReasonForTheImagingServiceRequest"),
        priority=_text(answer, "RequestedProcedurePriority").upper(),
        requesting_physician=_text(answer, "RequestingPhysician").partition("=")[0],
        scheduled_step=_text(step, "ScheduledProcedureStepDescription"),
        pregnancy=_PREGNANCY.get(_number(answer.get("PregnancyStatus")), ""),
        allergies="; ".join(
            text for text in (_text(answer, "Allergies"), _text(answer, "MedicalAlerts")) if text
        ),
    )


def _first(dataset: Dataset, keyword: str) -> Dataset:
    items = dataset.get(keyword)
    return items[0] if isinstance(items, Sequence) and len(items) else Dataset()


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    if value is None:
        return ""
    several = not isinstance(value, str) and hasattr(value, "__iter__") and not hasattr(value, "components")
    return ", ".join(str(part).strip() for part in value) if several else str(value).strip()


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
