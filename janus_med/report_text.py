"""The text of a report in reading order: its sentences, and which of its sections speak of the image."""

from __future__ import annotations

import re
from itertools import pairwise

SHORT_LINE = 55
"""A line shorter than this was ended by its author; a longer one may have been wrapped."""

_ASKING_SECTION = re.compile(
    r"^[ \t]*(?:(?:clinical|patient|relevant|medical|brief)[ \t/]+)*"
    r"(?:indications?|history|information|reason(?:s)?(?: for (?:the )?(?:exam\w*|study|request|referral))?|"
    r"technique|comparisons?|examinations?|exam|study|procedure|type of exam\w*|"
    r"views?|question|hpi|pmh)"
    r"(?:[ \t]*[/&,][ \t]*\w+)?[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_SECTION = re.compile(
    r"^[ \t]*(?:[A-Z][A-Z0-9 ,/&()-]{2,60}|"
    r"(?:[Ff]indings?|[Ii]mpressions?|[Cc]onclusions?)(?: and [Ii]mpression)?)[ \t]*:|"
    r"(?<=[.?]) +(?:FINDINGS|Findings|IMPRESSION|Impression|CONCLUSION|Conclusion)[A-Z /&]*:|^[ \t]*$",
    re.MULTILINE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[a-z]{3}[.])(?=[A-Z])|\n+")
_LIST_MARK = re.compile(r"[ \t]*(?:\d+[.)]|[-*•])[ \t]")


def read_statements(text: str) -> str:
    """Leave out the sections that ask or describe: indication, history, technique, comparison.

    Parameters
    ----------
    text
        A whole report. A section ends at the next heading or blank line.
    """
    kept, position = [], 0
    while found := _ASKING_SECTION.search(text, position):
        kept.append(text[position : found.start()])
        end = _SECTION.search(text, _end_of_heading(text, found.end()))
        position = end.start() if end else len(text)
    return "".join([*kept, text[position:]])


def _end_of_heading(text: str, position: int) -> int:
    """Skip blank lines between a heading and its text."""
    blank = re.compile(r"[ \t]*(?:\n[ \t]*)*").match(text, position)
    return blank.end() if blank else position


def split_sentences(text: str) -> list[str]:
    """Split at sentence ends and at line breaks that are no mere wraps.

    Parameters
    ----------
    text
        Any text. A break is a wrap when its line is long, and the next one neither blank nor a list item.
    """
    return [" ".join(part.split()) for part in _SENTENCE_END.split(_unwrap(text)) if part.strip()]


def _unwrap(text: str) -> str:
    lines = text.split("\n")
    joined = [lines[0]]
    for line, following in pairwise(lines):
        joined += [" " if _is_wrap(line, following) else "\n", following]
    return "".join(joined)


def _is_wrap(line: str, following: str) -> bool:
    if not line.strip() or not following.strip() or _LIST_MARK.match(following):
        return False
    begins_small = following.lstrip()[0].islower()
    return begins_small or (len(line) >= SHORT_LINE and ":" not in following[:SHORT_LINE])
