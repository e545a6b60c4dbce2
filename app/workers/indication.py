"""Why a study was made, as the model is told: the orders of the RIS first, else what the images carry."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from app.domain.draft import DraftingOrder
from app.domain.intake import clean_value
from app.domain.order import LONGEST_TEXT, ClinicalContext

_PAUSE_SECONDS = 0.2
_TAGS = [
    "SpecificCharacterSet",
    "RequestedProcedureDescription",
    "ReasonForTheRequestedProcedure",
    "ReasonForStudy",
    "RequestAttributesSequence",
    "RequestingPhysician",
]


def await_worklist(
    order: DraftingOrder, look_again: Callable[[], DraftingOrder | None], *, seconds: float
) -> DraftingOrder | None:
    """Wait for the worklist's first answer, at most until `seconds` after the study was completed.

    Parameters
    ----------
    look_again
        Returns the order as it is now; None when there is nothing left to draft.
    """
    completed_at = order.study.completed_at or datetime.now(UTC)
    current: DraftingOrder | None = order
    while current is not None and current.awaits_worklist and not current.context.is_known:
        if (datetime.now(UTC) - completed_at).total_seconds() > seconds:
            break
        time.sleep(_PAUSE_SECONDS)
        current = look_again()
    return current


def context_of_images(file: Path) -> ClinicalContext:
    """Return what the request attributes of an image say (PS3.3 C.7.2.2, 10.6), else nothing."""
    try:
        dataset = dcmread(file, specific_tags=_TAGS, stop_before_pixels=True)
        attributes = dataset.get("RequestAttributesSequence") or [Dataset()]
        indication = _first(attributes[0], dataset, "ReasonForTheRequestedProcedure", "ReasonForStudy")
        procedure = _first(attributes[0], dataset, "RequestedProcedureDescription")
        physician = _first(dataset, dataset, "RequestingPhysician")
    except (InvalidDicomError, OSError, AttributeError, LookupError, TypeError, ValueError):
        return ClinicalContext()
    if not (indication or procedure):
        return ClinicalContext()
    return ClinicalContext(
        source="images", indication=indication, procedure=procedure, requesting_physician=physician
    )


def _first(item: Dataset, dataset: Dataset, *keywords: str) -> str:
    for keyword in keywords:
        for place in (item, dataset):
            text = clean_value(str(place.get(keyword) or ""))
            if text:
                return text[:LONGEST_TEXT]
    return ""
