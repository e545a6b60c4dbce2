"""What a search asks for, read from its address (PS3.18 10.6.1, 8.3.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from starlette.datastructures import QueryParams

from app.dicomweb.errors import BadRequest
from app.domain.dicomweb import Between, Key, Level, Like, Match, OneOf, Search
from app.domain.identifiers import is_uid
from app.domain.intake import clean_value

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
_LARGEST_OFFSET = 10_000_000
_LONGEST_VALUE = 1024
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?")
_RANGES = {Key.STUDY_DATE: _DATE, Key.BIRTH_DATE: _DATE, Key.STUDY_TIME: _TIME}
_UIDS = frozenset({Key.STUDY_UID, Key.SERIES_UID, Key.SOP_UID, Key.SOP_CLASS})
_SERIES_KEYS = frozenset({Key.SERIES_UID, Key.SERIES_NUMBER, Key.MODALITY})
_INSTANCE_KEYS = frozenset({Key.SOP_UID, Key.SOP_CLASS, Key.INSTANCE_NUMBER})
_NOT_MATCHED_AT = {
    Level.STUDY: _SERIES_KEYS | _INSTANCE_KEYS,
    Level.SERIES: _INSTANCE_KEYS,
    Level.INSTANCE: frozenset(),
}
FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
TOO_MANY = (
    "The number of results exceeded the maximum supported by the server. Additional results can be requested."
)


@dataclass(frozen=True)
class Query:
    """A search and how it is to be answered.

    Attributes
    ----------
    fields
        Tags (8 hexadecimal digits) that are wanted beside the required ones; ``all`` for everything.
    warnings
        What was asked for and is not done.
    """

    search: Search
    fields: frozenset[str]
    warnings: tuple[str, ...]


def read_query(level: Level, parameters: QueryParams, confined_to: dict[Key, str]) -> Query:
    """Read the parameters of a search.

    Parameters
    ----------
    confined_to
        UIDs that stand in the path.

    Raises
    ------
    BadRequest
        If a parameter is malformed, or an attribute cannot be matched: leaving it out would give away more
        than was asked for.
    """
    matches: list[tuple[Key, Match]] = [(key, OneOf((_uid(uid),))) for key, uid in confined_to.items()]
    fields: set[str] = set()
    warnings: list[str] = []
    for name, value in parameters.multi_items():
        match name:
            case "limit" | "offset" | "accept":
                continue
            case "includefield":
                fields |= _fields(value)
            case "fuzzymatching":
                if value.lower() == "true":
                    warnings.append(FUZZY)
            case _:
                key = _key(name, level)
                if (wanted := _match(key, clean_value(value))) is not None:
                    matches.append((key, wanted))
    limit = _number(parameters, "limit", DEFAULT_LIMIT)
    offset = _number(parameters, "offset", 0)
    search = Search(level, tuple(matches), min(limit, LARGEST_LIMIT), min(offset, _LARGEST_OFFSET))
    if limit > LARGEST_LIMIT:
        warnings.append(TOO_MANY)
    return Query(search, frozenset(fields), tuple(warnings))


def _key(name: str, level: Level) -> Key:
    keyword = keyword_for_tag(int(name, 16)) if _TAG.fullmatch(name) else name
    try:
        key = Key(keyword)
    except ValueError:
        known = "an attribute" if tag_for_keyword(keyword) is not None else "a parameter"
        raise BadRequest(f"there is no matching by {name[:64]!r}, {known} of that name") from None
    if key in _NOT_MATCHED_AT[level]:
        raise BadRequest(f"{key.value} cannot be matched by a search for {level.value}")
    return key


def _match(key: Key, value: str) -> Match | None:
    """Return how a value matches; None for universal matching (PS3.4 C.2.2.2.3)."""
    if len(value) > _LONGEST_VALUE * (64 if key in _UIDS else 1):
        raise BadRequest(f"the value for {key.value} is too long")
    if not value or value == "*":
        return None
    if key in _UIDS:
        return OneOf(tuple(_uid(uid) for uid in re.split(r"[,\\]", value) if uid))
    if key in _RANGES:
        return _range(key, value)
    if "*" in value or "?" in value:
        return Like(value)
    separators = r"[,\\]" if key in {Key.MODALITIES_IN_STUDY, Key.MODALITY} else r"\\"
    return OneOf(tuple(re.split(separators, value)))


def _range(key: Key, value: str) -> Match:
    first, dash, last = value.partition("-")
    pattern = _RANGES[key]
    ends = [end for end in (first, last) if end]
    if not ends or not all(pattern.fullmatch(end) for end in ends):
        raise BadRequest(f"the value for {key.value} is neither a value nor a range (PS3.4 C.2.2.2.5)")
    if dash:
        return Between(first, last)
    # a time without its seconds stands for all that it begins
    return Between(first, first) if key is Key.STUDY_TIME else OneOf((first,))


def _uid(uid: str) -> str:
    if not is_uid(uid):
        raise BadRequest("a value that has to be a UID is none")
    return uid


def _fields(value: str) -> set[str]:
    fields = set()
    for name in re.split(r"\s*,\s*", value.strip()):
        if name.lower() == "all":
            fields.add("all")
        elif _TAG.fullmatch(name):
            fields.add(name.upper())
        elif (tag := tag_for_keyword(name)) is not None:
            fields.add(f"{tag:08X}")
    return fields


def _number(parameters: QueryParams, name: str, default: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequest(f"{name} is a number from 0")
    return int(text)
