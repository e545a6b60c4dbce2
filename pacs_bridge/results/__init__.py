"""DICOM objects that leave after sign-off."""

from __future__ import annotations

from pacs_bridge.results.encapsulated_pdf import build_encapsulated_pdf
from pacs_bridge.results.finding_content import (
    AcceptedFinding,
    Laterality,
    LossyCompression,
    Presence,
    Region,
    SourceImage,
)
from pacs_bridge.results.measurement_sr import build_measurement_sr
from pacs_bridge.results.person_names import person_name, printed_name
from pacs_bridge.results.presentation_state import build_presentation_state, group_images
from pacs_bridge.results.rejection_note import RejectionContent, RejectionReason, build_rejection_note
from pacs_bridge.results.report_content import (
    Algorithm,
    Code,
    Observer,
    ReportContent,
    ReportState,
    Section,
    Sentence,
    SourceInstance,
    SourceStudy,
    Verification,
    derived_uid,
)
from pacs_bridge.results.report_sr import build_report_sr
from pacs_bridge.results.secondary_capture import build_secondary_capture

__all__ = [
    "AcceptedFinding",
    "Algorithm",
    "Code",
    "Laterality",
    "LossyCompression",
    "Observer",
    "Presence",
    "Region",
    "RejectionContent",
    "RejectionReason",
    "ReportContent",
    "ReportState",
    "Section",
    "Sentence",
    "SourceImage",
    "SourceInstance",
    "SourceStudy",
    "Verification",
    "build_encapsulated_pdf",
    "build_measurement_sr",
    "build_presentation_state",
    "build_rejection_note",
    "build_report_sr",
    "build_secondary_capture",
    "derived_uid",
    "group_images",
    "person_name",
    "printed_name",
]
