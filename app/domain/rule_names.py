"""What an expression of a routing rule may name: DICOM keywords and facts of ours, each of a known kind."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from enum import StrEnum

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_dict, tag_for_keyword


class Kind(StrEnum):
    """What a value is; known before any study comes, so that a rule is checked when it is loaded."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "true or false"
    TEXTS = "several texts"
    NUMBERS = "several numbers"
    NOTHING = "None"


Value = str | float | int | bool | None | tuple[str, ...] | tuple[float, ...]

OWN_NAMES: Mapping[str, tuple[Kind, str]] = {
    "calling_ae": (Kind.TEXT, "AE title of the sender of the study's first image"),
    "called_ae": (Kind.TEXT, "AE title of ours that it called"),
    "age": (Kind.NUMBER, "years: PatientAge, or else from PatientBirthDate to StudyDate"),
    "modalities": (Kind.TEXTS, "modalities of all its objects"),
    "instance_count": (Kind.NUMBER, "number of its objects"),
    "series_count": (Kind.NUMBER, "number of its series"),
    "hour": (Kind.NUMBER, "hour of arrival, 0 to 23, in the file's `time_zone`"),
    "weekday": (Kind.TEXT, "day of arrival, `Mon` to `Sun`, in the file's `time_zone`"),
}
"""Names of ours, with their kind and meaning."""

_TEXT = frozenset({"AE", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
# PatientAge is counted in years
_NUMBER = frozenset({"AS", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV", "US or SS"})
_LOWEST_GROUP = 0x0008


class UnknownName(ValueError):
    """There is no such name, or a rule cannot use it; the message says which."""


def kind_of(name: str) -> Kind:
    """Return what a name stands for.

    Raises
    ------
    UnknownName
        If it is neither a keyword of PS3.6 with text or numbers, nor a name of ours.
    """
    if name in OWN_NAMES:
        return OWN_NAMES[name][0]
    tag = tag_for_keyword(name)
    if tag is None:
        raise UnknownName(f"unknown name {name}{_suggest(name)}")
    if tag >> 16 < _LOWEST_GROUP:
        raise UnknownName(f"{name} is not part of the data set")
    vr, is_single = dictionary_VR(tag), dictionary_VM(tag) == "1"
    if vr in _TEXT:
        return Kind.TEXT if is_single else Kind.TEXTS
    if vr in _NUMBER:
        return Kind.NUMBER if is_single else Kind.NUMBERS
    raise UnknownName(f"{name} ({vr}) is neither text nor a number")


def absent(kind: Kind) -> Value:
    """Return what a name has when the study does not: empty text, None, or no values."""
    empty: Mapping[Kind, Value] = {Kind.TEXT: "", Kind.TEXTS: (), Kind.NUMBERS: ()}
    return empty.get(kind)


def _suggest(name: str) -> str:
    near = difflib.get_close_matches(name, [*OWN_NAMES, *keyword_dict], n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""
