"""The order of a study as the review page shows it."""

from __future__ import annotations

from typing import Any

from app.domain.draft import Draft
from app.domain.review import Review
from app.ui.words import phrase


def context_data(review: Review) -> dict[str, Any]:
    """Return lines (name, text) and warnings about why the study was made.

    What the orders say now stands first; without an order, what the draft was told. A draft that was made
    without the indication says so.
    """
    context, told = review.context, _told(review.draft)
    lines: list[tuple[str, str]] = []
    if context.is_known:
        lines = [
            (phrase("Indication"), context.indication),
            (phrase("Requested procedure"), context.procedure or context.scheduled_step),
            (phrase("Requested by"), context.requesting_physician.replace("^", " ")),
            (phrase("Priority"), context.priority),
            (phrase("Allergies"), context.allergies),
            (phrase("Pregnancy"), context.pregnancy),
        ]
    elif told.get("source"):
        lines = [
            (phrase("Indication"), told.get("indication", "")),
            (phrase("Requested procedure"), told.get("procedure", "")),
        ]
    return {
        "lines": [(name, text) for name, text in lines if text],
        "warnings": [text for text in (context.warning, _late(review, told)) if text],
    }


def _told(draft: Draft | None) -> dict[str, str]:
    found = draft.content.provenance.get("clinical_context") if draft is not None else None
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _late(review: Review, told: dict[str, str]) -> str:
    drafted = review.draft is not None and review.draft.content.is_drafted
    if not drafted or not told or not review.context.indication:
        return ""
    if told.get("indication", "") == review.context.indication:
        return ""
    return phrase("The AI draft was made without this indication: it came, or was changed, later.")
