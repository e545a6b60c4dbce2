"""The codes of findings, their sites and what is said of them: one table.

A public code stands only where it means exactly what the finding's name says: SNOMED CT disorders, and the
DICOM code for an opacity. Everything else has a code of our own scheme, whose meaning is its name.
"""

from __future__ import annotations

import hashlib

from pacs_bridge.results.finding_content import Laterality, Presence
from pacs_bridge.results.report_content import Code

SCHEME = "99JANUSMED"

LUNG = Code("39607008", "SCT", "Lung")
HEART = Code("80891009", "SCT", "Heart")
MEDIASTINUM = Code("72410000", "SCT", "Mediastinum")
PLEURA = Code("3120008", "SCT", "Pleura")
CHEST = Code("51185008", "SCT", "Chest")
BOUNDED_BY = Code("75958009", "SCT", "Bounded by")

# name: (code, anatomic site or None)
FINDINGS: dict[str, tuple[Code, Code | None]] = {
    "No Finding": (Code("JM0100", SCHEME, "No finding"), None),
    "Enlarged Cardiomediastinum": (Code("JM0101", SCHEME, "Enlarged cardiomediastinum"), MEDIASTINUM),
    "Cardiomegaly": (Code("8186001", "SCT", "Cardiomegaly"), HEART),
    "Lung Opacity": (Code("112001", "DCM", "Opacity"), LUNG),
    "Lung Lesion": (Code("JM0102", SCHEME, "Lung lesion"), LUNG),
    "Edema": (Code("19242006", "SCT", "Pulmonary edema"), LUNG),
    "Consolidation": (Code("95436008", "SCT", "Consolidation of lung"), LUNG),
    "Pneumonia": (Code("233604007", "SCT", "Pneumonia"), LUNG),
    "Atelectasis": (Code("46621007", "SCT", "Atelectasis"), LUNG),
    "Pneumothorax": (Code("36118008", "SCT", "Pneumothorax"), PLEURA),
    "Pleural Effusion": (Code("60046008", "SCT", "Pleural effusion"), PLEURA),
    "Pleural Other": (Code("JM0103", SCHEME, "Pleural finding other than effusion"), PLEURA),
    "Fracture": (Code("125605004", "SCT", "Fracture of bone"), None),
    "Support Devices": (Code("JM0104", SCHEME, "Support device"), None),
}

PRESENCE = Code("121052", "DCM", "Presence of property")
PRESENCES = {
    Presence.PRESENT: Code("121053", "DCM", "Present"),
    Presence.ABSENT: Code("121054", "DCM", "Absent"),
    Presence.POSSIBLE: Code("121059", "DCM", "Presence Undetermined"),
}
LATERALITIES = {
    Laterality.RIGHT: Code("24028007", "SCT", "Right"),
    Laterality.LEFT: Code("7771000", "SCT", "Left"),
    Laterality.BILATERAL: Code("51440002", "SCT", "Bilateral"),
}
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
PERCENT = Code("%", "UCUM", "Percent")
REGION_KIND = Code("JM0010", SCHEME, "Kind of region")
ATTENTION = Code("JM0011", SCHEME, "AI attention, not a measurement")
REVIEW = Code("JM0012", SCHEME, "Review of the finding")
ACCEPTED = Code("JM0013", SCHEME, "Accepted by the reader")
DRAFTED = Code("JM0014", SCHEME, "Not yet signed")
IMAGING = Code("363679005", "SCT", "Imaging procedure")


def code_of(name: str) -> tuple[Code, Code | None]:
    """Return the code and site of a finding; words that the table has not get a code derived from them.

    A derived value is the same for the same words, and its meaning is the words, at most 64 characters as
    LO allows (PS3.5 6.2).
    """
    if name in FINDINGS:
        return FINDINGS[name]
    digest = hashlib.sha256(name.encode()).hexdigest()[:10].upper()
    return Code(f"JMX{digest}", SCHEME, name), None
