"""Where the sentences of a generated report stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from janus_med.errors import ModelFault

if TYPE_CHECKING:
    from janus_med.reading import Section

_SECTION = re.compile(r"(FINDINGS|IMPRESSION):\s*")
_SENTENCE = re.compile(r"[^.!?]+[.!?]+")


@dataclass(frozen=True)
class Span:
    """Where a sentence stands in a generated text, in characters."""

    section: Section
    start: int
    end: int


def find_sentences(text: str) -> list[Span]:
    """Find the sentences of both sections; ModelFault when a section is missing or empty."""
    heads = list(_SECTION.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    bodies = [text[head.end() : end] for head, end in zip(heads, ends, strict=False)]
    if [head.group(1) for head in heads] != ["FINDINGS", "IMPRESSION"] or not all(map(str.strip, bodies)):
        raise ModelFault("the text lacks a section")
    sections: tuple[Section, Section] = ("findings", "impression")
    return [
        Span(section, head.end() + match.start(), head.end() + match.end())
        for section, head, body in zip(sections, heads, bodies, strict=True)
        for match in _SENTENCE.finditer(body)
    ]
