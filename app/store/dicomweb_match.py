"""Matching of DICOM attributes as conditions of a query (PS3.4 C.2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from app.domain.dicomweb import Between, Key, Like, Match, OneOf
from app.store.tables import InstanceRow, PatientRow, StudyRow

_COLUMNS: dict[Key, Any] = {
    Key.STUDY_UID: StudyRow.study_uid,
    Key.SERIES_UID: InstanceRow.series_uid,
    Key.SOP_UID: InstanceRow.sop_uid,
    Key.SOP_CLASS: InstanceRow.sop_class_uid,
    Key.STUDY_ID: StudyRow.study_id,
    Key.STUDY_DATE: StudyRow.study_date,
    # its fraction's point has no weight in other collations; dates are digits, alike in all, and indexed
    Key.STUDY_TIME: StudyRow.study_time.collate("C"),
    Key.STUDY_DESCRIPTION: StudyRow.description,
    Key.ACCESSION_NUMBER: StudyRow.accession_number,
    Key.REFERRING_PHYSICIAN: StudyRow.referring_physician,
    Key.PATIENT_NAME: PatientRow.name,
    Key.PATIENT_ID: PatientRow.patient_id,
    Key.ISSUER: PatientRow.issuer,
    Key.BIRTH_DATE: PatientRow.birth_date,
    Key.SEX: PatientRow.sex,
    Key.MODALITY: InstanceRow.modality,
}
_INTEGERS: dict[Key, Any] = {
    Key.SERIES_NUMBER: InstanceRow.series_number,
    Key.INSTANCE_NUMBER: InstanceRow.instance_number,
}
_INTEGER = re.compile(r"[+-]?[0-9]{1,11}")
# person names compare without case (PS3.4 C.2.2.2.1)
_NAMES = frozenset({Key.PATIENT_NAME, Key.REFERRING_PHYSICIAN})
_LARGEST_INTEGER = 2**31 - 1


def conditions_of(matches: Sequence[tuple[Key, Match]]) -> list[ColumnElement[bool]]:
    """Return the conditions that all have to hold."""
    return [_condition(key, match) for key, match in matches]


def _condition(key: Key, match: Match) -> ColumnElement[bool]:
    if key is Key.MODALITIES_IN_STUDY:
        held = select(InstanceRow.sop_uid).where(InstanceRow.study_uid == StudyRow.study_uid)
        return held.where(_compare(InstanceRow.modality, match)).correlate(StudyRow).exists()
    if key in _INTEGERS:
        return _equals_number(_INTEGERS[key], match)
    return _compare(_COLUMNS[key], match, is_name=key in _NAMES)


def _compare(column: Any, match: Match, *, is_name: bool = False) -> ColumnElement[bool]:
    match match:
        case OneOf(values) if is_name:
            return func.lower(column).in_([value.lower() for value in values])
        case OneOf(values):
            return column.in_(values)
        case Like(pattern):
            like = _as_like(pattern)
            return column.ilike(like, escape="\\") if is_name else column.like(like, escape="\\")
        case Between(first, last):
            return _between(column, first, last)


def _between(column: Any, first: str, last: str) -> ColumnElement[bool]:
    """Compare dates or times as text: digits sort as they count, and a shorter end stands for all it begins.

    An absent value (empty) is in no range.
    """
    bounds: list[ColumnElement[bool]] = [column != ""]
    if first:
        bounds.append(column >= first)
    if last:
        bounds.append(or_(column <= last, column.startswith(last, autoescape=True)))
    return and_(*bounds)


def _equals_number(column: Any, match: Match) -> ColumnElement[bool]:
    if not isinstance(match, OneOf):
        return false()
    # an integer string has at most 12 characters (PS3.5 table 6.2-1)
    numbers = [int(value) for value in match.values if _INTEGER.fullmatch(value)]
    found: ColumnElement[bool] = column.in_([n for n in numbers if abs(n) <= _LARGEST_INTEGER])
    return found


def _as_like(pattern: str) -> str:
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, "\\" + special)
    return pattern.replace("*", "%").replace("?", "_")
