"""Reads the values that routing rules ask for from the header of a DICOM file: bounded, never the pixels.

No file is opened here: listener, command line and reading room hand one in, and nothing of it is kept.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Collection, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, BinaryIO

from app.domain.intake import clean_value
from app.domain.rule_names import Kind, Value, absent, kind_of
from app.domain.rules import HeaderValues

if TYPE_CHECKING:
    from pydicom import Dataset

HEADER_BYTES = 512 * 1024
LONGEST_TEXT = 10_000
MOST_VALUES = 1000
_DEFLATED = "1.2.840.10008.1.2.1.99"
_FOR_AGE = ("PatientAge", "PatientBirthDate", "StudyDate")
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 52.1786, "M": 12.0, "Y": 1.0}


def read_header_values(file: BinaryIO, keywords: Collection[str]) -> HeaderValues:
    """Return the values of these keywords, and the age, from the first 512 KiB of a DICOM file.

    What cannot be read is no error here: the values then say why, and rules that need them do not fire.
    """
    head = file.read(HEADER_BYTES)
    is_whole = len(head) < HEADER_BYTES or not file.read(1)
    try:
        with warnings.catch_warnings():
            # pydicom's warnings show the value that they warn of
            warnings.simplefilter("ignore")
            return _read(head, {*keywords, *_FOR_AGE}, is_whole=is_whole)
    except Exception as error:  # of a stranger's bytes: any error of the parser, also RecursionError
        return HeaderValues(problem=f"the header cannot be read ({type(error).__name__})")


def _read(head: bytes, keywords: set[str], *, is_whole: bool) -> HeaderValues:
    from pydicom import dcmread
    from pydicom.datadict import tag_for_keyword

    # a deflated header of 512 KiB may become 500 MiB; the listener does not take it either
    if _transfer_syntax(head) == _DEFLATED:
        return HeaderValues(problem="the header is deflated")
    buffer = io.BytesIO(head)
    tags = [tag_for_keyword(keyword) for keyword in keywords]
    dataset = dcmread(buffer, stop_before_pixels=True, specific_tags=tags)
    if not is_whole and buffer.tell() >= len(head):
        return HeaderValues(problem=f"the header is longer than {HEADER_BYTES // 1024} KiB")
    values = {keyword: _value(dataset, keyword) for keyword in keywords}
    return HeaderValues(values, age=_age(values))


def _transfer_syntax(head: bytes) -> str:
    """Return the transfer syntax of the file meta information, every element of which must be readable."""
    from pydicom.filereader import read_dataset, read_preamble

    file = io.BytesIO(head)
    read_preamble(file, False)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    return next(str(element.value) for element in meta if element.keyword == "TransferSyntaxUID")


def _value(dataset: Dataset, keyword: str) -> Value:
    from pydicom.datadict import tag_for_keyword

    kind = kind_of(keyword)
    element = dataset.get(tag_for_keyword(keyword))
    if element is None or element.value is None:
        return absent(kind)
    several = _several(element.value)
    if kind is Kind.TEXTS:
        return tuple(_as_text(one) for one in several)
    if kind is Kind.TEXT:
        return _as_text("\\".join(str(one) for one in several))
    numbers = (_as_years(one) if element.VR == "AS" else _as_number(one) for one in several)
    found = tuple(one for one in numbers if one is not None)
    if kind is Kind.NUMBERS:
        return found
    return found[0] if found else None


def _several(value: Any) -> Iterable[Any]:
    from pydicom.multival import MultiValue

    return list(value)[:MOST_VALUES] if isinstance(value, (MultiValue, list, tuple)) else [value]


def _as_text(value: Any) -> str:
    return clean_value(str(value))[:LONGEST_TEXT]


def _as_number(value: Any) -> float | None:
    """Return the number; what is none, or none that can be compared, is absent."""
    try:
        number = float(str(value).strip())
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _as_years(value: Any) -> float | None:
    """Return an age string (PS3.5 6.2, AS) in years."""
    match = _AGE.fullmatch(str(value).strip().upper())
    return None if match is None else int(match[1]) / _PER_YEAR[match[2]]


def _age(values: dict[str, Value]) -> float | None:
    said = values["PatientAge"]
    if isinstance(said, (int, float)):
        return said
    born, studied = _day(values["PatientBirthDate"]), _day(values["StudyDate"])
    if born is None or studied is None or studied < born:
        return None
    before_birthday = (studied.month, studied.day) < (born.month, born.day)
    return studied.year - born.year - before_birthday


def _day(da: Value) -> date | None:
    try:
        return date(int(str(da)[:4]), int(str(da)[4:6]), int(str(da)[6:8]))
    except ValueError:
        return None
