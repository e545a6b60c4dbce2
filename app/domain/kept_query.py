"""A worklist query as JSON: for the page that asks again, and for filters that a reader keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from app.domain.delivery import DeliveryState
from app.domain.errors import Rejected
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.worklist import NAMES_A_PATIENT, Dates, SortKey, Span, WorklistQuery

_TEXTS = (*NAMES_A_PATIENT, "modality", "reader")
_STATES: Mapping[str, type[StudyState] | type[ReportState] | type[DeliveryState]] = {
    "states": StudyState,
    "report_states": ReportState,
    "delivery_states": DeliveryState,
}
_NUMBERS = ("fewest_images", "most_images", "limit", "offset")
_LONGEST = 200


def as_json(query: WorklistQuery) -> dict[str, Any]:
    """Return a query as JSON, without what is as by default and without the zone."""
    return {
        one.name: _plain(getattr(query, one.name))
        for one in fields(query)
        if one.name != "zone" and getattr(query, one.name) != one.default
    }


def to_keep(query: WorklistQuery) -> dict[str, Any]:
    """Return what is kept of a query: no page, and no text, which may be a patient's name or number."""
    kept = as_json(query)
    return {name: value for name, value in kept.items() if name not in {*NAMES_A_PATIENT, "limit", "offset"}}


def query_of(kept: object) -> WorklistQuery:
    """Return the query that JSON describes.

    Raises
    ------
    Rejected
        If it is none of ours.
    """
    if not isinstance(kept, Mapping):
        raise Rejected("a worklist query is a JSON object")
    try:
        return WorklistQuery(**{str(name): _value(str(name), value) for name, value in kept.items()})
    except (TypeError, ValueError, KeyError, AttributeError):
        raise Rejected("this is no query of the worklist") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Dates):
        ends = [None if day is None else day.isoformat() for day in (value.first, value.last)]
        return [value.span.value, *ends]
    return list(value) if isinstance(value, tuple) else value


def _value(name: str, value: Any) -> Any:
    if name in _TEXTS:
        return _text(value)
    if name in _STATES:
        return tuple(_STATES[name](one) for one in value)
    if name == "priorities":
        return tuple(int(one) for one in value)
    if name in {"received", "studied"}:
        span, *ends = value
        first, last = (None if day is None else date.fromisoformat(day) for day in ends)
        return Dates(Span(span), first, last)
    if name in _NUMBERS:
        return int(value)
    return {"sort": SortKey, "descending": bool}[name](value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("no text of a filter")
    return value
