"""DICOM objects that leave after sign-off."""

from __future__ import annotations

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

__all__ = [
    "Algorithm",
    "Code",
    "Observer",
    "ReportContent",
    "ReportState",
    "Section",
    "Sentence",
    "SourceInstance",
    "SourceStudy",
    "Verification",
    "build_report_sr",
    "derived_uid",
]
