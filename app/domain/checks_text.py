"""Checks of a report against itself: what is missing, what contradicts, what cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from app.domain.check_texts import CheckText
from app.domain.checks import Check, CheckCode
from app.domain.lexicon import Lexicon
from app.domain.report import REQUIRED_SECTIONS, Section, Sentence, compose_section
from app.domain.spelling import slips_in
from app.domain.statements import Mention, Passage, Polarity, Side, side_of, split_sentences

_OPEN = re.compile(r"\[|\]|_{3,}|\?{3,}|\{[^{}]*\}")
_NAMED_FIELD = re.compile(r"<[^\W\d_][^<>]{2,60}>")
_LENGTH = re.compile(r"(?<![\w.,])(\d{1,5}(?:[.,]\d{1,3})?)\s?(mm|cm|m|µm)\b", re.IGNORECASE)
_BARE_SIZE = re.compile(
    r"(?<![\w.,/:-])(\d{1,4}(?:[.,]\d{1,2})?)(?![\d.,]*\d)(?!\s?(?:mm|cm|µm|m\b|ml|cc|cl|l\b|%|°|hu\b|he\b|inch|french|fr\b|x|×|by\b|"
    r"bis|to\b|-|–|/|:|in\b|weeks?|days?|months?|years?|wochen|tage|monat|jahr|hounsfield|g\b|kg\b|mal\b))"
)
_PRODUCT = re.compile(
    r"(?<![\w.,])\d{1,4}(?:[.,]\d{1,2})?\s?(?:x|×)\s?\d{1,4}(?:[.,]\d{1,2})?(?![\d.,]*\d)(?!\s?(?:mm|cm|x|×|µm|m\b|px|pixel))",
    re.IGNORECASE,
)
_COMMA = re.compile(r"(?<![\d.,])\d{1,3},\d{1,2}(?=\s?(?:mm|cm|ml))", re.IGNORECASE)
_POINT = re.compile(r"(?<![\d.,])\d{1,3}\.\d{1,2}(?=\s?(?:mm|cm|ml))", re.IGNORECASE)
_ONE_SIDE = frozenset({Side.LEFT, Side.RIGHT})
_OTHER = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
_MM = {"µm": 0.001, "mm": 1.0, "cm": 10.0, "m": 1000.0}
_LARGEST_BODY_MM = 600.0


def check_complete(sentences: Sequence[Sentence]) -> Iterator[Check]:
    """Check that every required section says something and a reader has decided about each sentence."""
    for section in REQUIRED_SECTIONS:
        if not compose_section(sentences, section):
            yield Check(
                CheckCode.EMPTY,
                CheckText.EMPTY,
                {"section": section.value},
                section.value,
            )
    unread = [s for s in sentences if s.is_unread]
    for says, left in (
        (CheckText.UNTOUCHED, [s for s in unread if s.is_untouched_ai]),
        (CheckText.UNREAD, [s for s in unread if not s.is_untouched_ai]),
    ):
        if left:
            first = left[0]
            yield Check(CheckCode.UNTOUCHED, says, {"count": str(len(left))}, first.section.value, first.key)


def check_filled_in(passages: Sequence[Passage], lexicon: Lexicon) -> Iterator[Check]:
    """Check that no field of a template is left open."""
    words = lexicon.groups["placeholders.words"]
    for passage in passages:
        if found := _OPEN.search(passage.text):
            yield _at(
                passage,
                CheckCode.PLACEHOLDER,
                CheckText.PLACEHOLDER,
                section=passage.section,
                words=_around(passage.text, found),
            )
        elif found := words.search(passage.text) or _NAMED_FIELD.search(passage.text):
            yield _at(
                passage,
                CheckCode.PLACEHOLDER_WORD,
                CheckText.PLACEHOLDER_WORD,
                words=found.group(),
            )


def check_sides(
    mentions: Sequence[Mention], passages: Sequence[Passage], lexicon: Lexicon
) -> Iterator[Check]:
    """Check that findings and impression put the same abnormality on the same side.

    It is a stop where each names one side alone, and without a doubt: that cannot both be so. Where it could,
    and where the sections as a whole name opposite sides, it is a warning.
    """
    found = False
    for below in (m for m in mentions if m.section == Section.IMPRESSION and m.side in _ONE_SIDE):
        names = lexicon.related(below.concept)
        above = [m for m in mentions if m.section == Section.FINDINGS and m.concept in names]
        above = [m for m in above if m.polarity is not Polarity.DENIED]
        same = [m for m in mentions if m.section == Section.IMPRESSION and m.concept == below.concept]
        if (
            below.polarity is Polarity.DENIED
            or not above
            or any(m.side is not _OTHER[below.side] for m in above)
        ):
            continue
        found = True
        yield _at(
            below.passage,
            CheckCode.SIDE if _is_certain([*above, *same], below.side) else CheckCode.SIDE_DOUBTFUL,
            CheckText.SIDE,
            found=above[0].words,
            side=above[0].side.value,
            concluded=below.words,
            other=below.side.value,
        )
    if not found:
        yield from _sections_disagree(passages)


def _is_certain(mentions: Sequence[Mention], below: Side) -> bool:
    """Tell whether all is stated, and the impression names no second side."""
    stated = all(m.polarity is Polarity.STATED for m in mentions)
    return stated and all(m.side is below for m in mentions if m.section == Section.IMPRESSION)


def _sections_disagree(passages: Sequence[Passage]) -> Iterator[Check]:
    above, below = (
        side_of(" ".join(p.text for p in passages if p.section == section))
        for section in (Section.FINDINGS, Section.IMPRESSION)
    )
    if below in _ONE_SIDE and above is _OTHER[below]:
        where = next(p for p in passages if p.section == Section.IMPRESSION and side_of(p.text) is below)
        values = {"side": above.value, "other": below.value}
        yield _at(where, CheckCode.SIDE_DOUBTFUL, CheckText.SIDES_OF_SECTIONS, **values)


def check_contradictions(mentions: Sequence[Mention], lexicon: Lexicon) -> Iterator[Check]:
    """Check that nothing is both stated and denied, within a section or in findings and impression."""
    for concept in _in_order(mentions):
        own = [m for m in mentions if m.concept == concept]
        stated = [m for m in own if m.polarity is Polarity.STATED]
        denied = [m for m in own if m.polarity is Polarity.DENIED]
        clash = next(
            ((s, d) for s in stated for d in denied if _excludes(d, s, lexicon.concepts[concept].anywhere)),
            None,
        )
        if clash is None:
            continue
        yes, no = clash
        across = yes.section == Section.IMPRESSION and no.section == Section.FINDINGS
        yield _at(
            yes.passage,
            CheckCode.DENIED_IN_FINDINGS if across else CheckCode.CONTRADICTION,
            CheckText.DENIED_IN_FINDINGS if across else CheckText.CONTRADICTION,
            words=yes.words,
            place=_short(no.place),
        )


def check_conclusions(
    mentions: Sequence[Mention], passages: Sequence[Passage], lexicon: Lexicon
) -> Iterator[Check]:
    """Check that the impression has what it states from the findings, and no critical finding is lost."""
    if not any(p.section == Section.FINDINGS for p in passages):
        return
    for concept in _in_order(mentions):
        known = lexicon.concepts[concept]
        names = lexicon.related(concept)
        here = {
            section: [m for m in mentions if m.section == section and m.concept in names]
            for section in (Section.FINDINGS, Section.IMPRESSION)
        }
        own = [m for m in mentions if m.concept == concept and m.polarity is Polarity.STATED]
        below = next((m for m in own if m.section == Section.IMPRESSION), None)
        above = next((m for m in own if m.section == Section.FINDINGS), None)
        if known.observed and below and not here[Section.FINDINGS]:
            yield _at(
                below.passage,
                CheckCode.NOT_IN_FINDINGS,
                CheckText.NOT_IN_FINDINGS,
                words=below.words,
            )
        if known.critical and above and not here[Section.IMPRESSION]:
            yield _at(
                above.passage,
                CheckCode.CRITICAL_NOT_IN_IMPRESSION,
                CheckText.CRITICAL_NOT_IN_IMPRESSION,
                words=above.words,
            )


def check_numbers(passages: Sequence[Passage], lexicon: Lexicon) -> Iterator[Check]:
    """Check that a length has its unit, can be of what it measures, and is written in one way."""
    for passage in passages:
        for sentence in split_sentences(passage.text):
            yield from _lengths(lexicon, passage, sentence)
    comma = next((p for p in passages if _COMMA.search(p.text)), None)
    point = next((p for p in passages if _POINT.search(p.text)), None)
    if comma and point:
        values = {"comma": _first(_COMMA, comma.text), "point": _first(_POINT, point.text)}
        yield _at(comma, CheckCode.DECIMAL, CheckText.DECIMAL, **values)


def check_spelling(passages: Sequence[Passage], lexicon: Lexicon) -> Iterator[Check]:
    """Check that medical words are written as they are."""
    for passage in passages:
        for slip in slips_in(passage.text, lexicon.own_words):
            yield _at(passage, CheckCode.SPELLING, CheckText.SPELLING, word=slip.word, meant=slip.meant)


def _lengths(lexicon: Lexicon, passage: Passage, sentence: str) -> Iterator[Check]:
    bare = _PRODUCT.search(sentence)
    if bare is None and (named := lexicon.groups["lengths.names"].search(sentence)):
        near = sentence[named.end() : named.end() + 30]
        if not _LENGTH.search(sentence[named.end() : named.end() + 45]):
            bare = _BARE_SIZE.search(near)
    if bare:
        yield _at(passage, CheckCode.UNIT, CheckText.UNIT, number=bare.group().strip())
    for found in _LENGTH.finditer(sentence):
        size = float(found.group(1).replace(",", ".")) * _MM[found.group(2).lower()]
        largest, what = _largest(lexicon, sentence, found)
        if size > largest:
            yield _at(
                passage,
                CheckCode.LENGTH,
                CheckText.LENGTH_OF if what else CheckText.LENGTH,
                length=found.group(),
                **({"words": what} if what else {}),
            )


def _largest(lexicon: Lexicon, sentence: str, length: re.Match[str]) -> tuple[float, str]:
    """Return the largest plausible length of what is measured, the nearest mention within a few words."""
    near = [
        (
            min(abs(found.start() - length.end()), abs(length.start() - found.end())),
            known.largest_mm,
            found.group(),
        )
        for known in lexicon.concepts.values()
        if known.largest_mm is not None
        for found in known.words.finditer(sentence)
    ]
    distance, largest, words = min(near, default=(1000, None, ""))
    if largest is None or distance > 40:
        return _LARGEST_BODY_MM, ""
    return largest, words


def _excludes(denied: Mention, stated: Mention, anywhere: bool) -> bool:
    """Tell whether a denial leaves no room for a statement: no other place, no other side."""
    if denied.place == stated.place or (anywhere and not denied.bare):
        return False
    return denied.side in {Side.NONE, Side.BOTH} or denied.side is stated.side


def _in_order(mentions: Sequence[Mention]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.concept for m in mentions))


def _at(passage: Passage, code: CheckCode, template: CheckText, **values: str) -> Check:
    return Check(code, template, values, passage.section, passage.key)


def _around(text: str, found: re.Match[str]) -> str:
    """Return what was found with the whole words around it, without the end of the sentence."""
    start = text.rfind(" ", 0, max(0, found.start() - 20)) + 1
    end = text.find(" ", found.end() + 20)
    return _short(text[start : end if end >= 0 else len(text)].strip(" ."))


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group() if found else ""
