"""Say in an object's header that a model took part in it, where the standard has a place for that."""

from __future__ import annotations

from pydicom.dataset import Dataset

from pacs_bridge.results.document import MANUFACTURER, check_line, code_item, date_time
from pacs_bridge.results.report_content import Algorithm, Code, ReportContent

PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")


def add_ai_label(document: Dataset, content: ReportContent) -> None:
    """Name the model as contributing equipment, and qualify the content (PS3.3 C.12.1)."""
    model = content.algorithm
    if model is None:
        return
    document.ContentQualification = model.qualification
    item = Dataset()
    item.Manufacturer = check_line(model.manufacturer or MANUFACTURER)
    item.ManufacturerModelName = check_line(model.name)
    item.SoftwareVersions = check_line(model.version)
    item.ContributionDateTime = date_time(content.written_at)
    item.ContributionDescription = contribution(model)
    item.PurposeOfReferenceCodeSequence = [code_item(PROCESSING_EQUIPMENT)]
    document.ContributingEquipmentSequence = [item]


def contribution(model: Algorithm) -> str:
    """Return what the model did, with the digests of its weights."""
    adapters = f", adapters sha256={model.adapters_sha256}" if model.adapters_sha256 else ""
    return f"AI model; weights sha256={model.weights_sha256}{adapters}"
