"""Checks of a report against what is known of its study: whose it is, of what, with what before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from app.domain.check_texts import CheckText
from app.domain.checks import Check, CheckCode, Subject
from app.domain.lexicon import Lexicon
from app.domain.report import Section
from app.domain.statements import Mention, Passage, Polarity, Side, side_of, split_sentences

_SEX = {"M": ("female", "male"), "F": ("male", "female")}
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DAY_FIRST = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_SLASHES = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_NAME = re.compile(r"\s*((?!(?:and|und|the|der|die|das)\b)[A-ZÄÖÜ][\w'’-]+)(?:,?\s+([A-ZÄÖÜ][\w'’-]+))?")
_NUMBER = re.compile(r"\s*([A-Za-z]{0,4}[-/]?\d[\w./-]{3,})")
_NONE = re.compile(r"\s*(?:none|no|nil|n/a|keine?|ohne|entfällt|-+)\b|\s*[-./]*$", re.IGNORECASE)
_LISTED = re.compile(r".{1,60}")
_ONE_DAY = timedelta(days=1)
_OTHER = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
_UNPAIRED = ("chest", "head", "abdomen", "spine")


def check_patient(passages: Sequence[Passage], subject: Subject, lexicon: Lexicon) -> Iterator[Check]:
    """Check sex, age, name and accession number."""
    for passage in passages:
        yield from _sex(lexicon, passage, subject)
        yield from _age(lexicon, passage, subject)
        yield from _name(lexicon, passage, subject)
        yield from _accession(lexicon, passage, subject)


def check_part(passages: Sequence[Passage], subject: Subject, lexicon: Lexicon) -> Iterator[Check]:
    """Check side and region of what was examined."""
    yield from _side_of_study(lexicon, passages, subject)
    yield from _region(lexicon, passages, subject)


def check_comparison(passages: Sequence[Passage], subject: Subject, lexicon: Lexicon) -> Iterator[Check]:
    """Check that a comparison has something to compare with, and that a prior is compared."""
    says, says_none = (lexicon.groups[f"comparison.{name}"] for name in ("says", "says_none"))
    compared = None
    denied = False
    for passage in passages:
        for sentence in split_sentences(passage.text):
            is_list = passage.section == Section.COMPARISON
            none = says_none.search(sentence) or (is_list and _NONE.match(sentence))
            denied = denied or bool(none)
            if is_list:
                found = None if none else _LISTED.match(sentence)
            else:
                found = says.search(says_none.sub(" ", sentence))
            if found and compared is None:
                compared = passage, found.group()
    if compared and not denied and subject.priors_known == 0:
        passage, words = compared
        template = CheckText.NO_PRIOR
        yield Check(CheckCode.NO_PRIOR, template, {"words": words}, passage.section, passage.key)
    if not compared and subject.priors_here > 0:
        template = CheckText.NOT_COMPARED
        yield Check(CheckCode.NOT_COMPARED, template)


def check_dates(passages: Sequence[Passage], subject: Subject, lexicon: Lexicon) -> Iterator[Check]:
    """Check that no date is to come, unless the sentence speaks of what is to come."""
    advice = lexicon.groups["advice.words"]
    for passage in passages:
        for sentence in split_sentences(passage.text):
            if advice.search(sentence):
                continue
            for words, day in _dates(sentence):
                if day > subject.today + _ONE_DAY:
                    template = CheckText.FUTURE
                    yield Check(CheckCode.FUTURE, template, {"words": words}, passage.section, passage.key)


def check_critical(mentions: Sequence[Mention], subject: Subject, lexicon: Lexicon) -> Iterator[Check]:
    """Check that somebody is told of what is critical, and that the report answers the model's."""
    known = subject.critical
    told = {name for text in known.told for name in _concepts_in(lexicon, text)}
    opening = {name for text in known.opened_by_signature for name in _concepts_in(lexicon, text)}
    seen: set[str] = set()
    for mention in mentions:
        is_due = mention.polarity is Polarity.STATED and lexicon.concepts[mention.concept].critical
        names = lexicon.related(mention.concept)
        if not is_due or names & (told | opening | seen):
            continue
        seen.add(mention.concept)
        template = CheckText.CRITICAL_NOT_TOLD
        yield Check(
            CheckCode.CRITICAL_NOT_TOLD,
            template,
            {"words": mention.words},
            mention.passage.section,
            mention.passage.key,
        )
    yield from _model_disagrees(lexicon, mentions, known.of_model)


def _model_disagrees(
    lexicon: Lexicon, mentions: Sequence[Mention], of_model: Mapping[str, float]
) -> Iterator[Check]:
    named = {
        name
        for mention in mentions
        if mention.polarity is not Polarity.DENIED
        for name in lexicon.related(mention.concept)
    }
    for finding, probability in of_model.items():
        if named.isdisjoint(_concepts_in(lexicon, finding)):
            template = CheckText.CRITICAL_OF_AI
            values = {"finding": finding, "percent": str(round(100 * probability))}
            yield Check(CheckCode.CRITICAL_OF_AI, template, values)


def _concepts_in(lexicon: Lexicon, text: str) -> frozenset[str]:
    return frozenset(concept.name for concept in lexicon.concepts.values() if concept.words.search(text))


def _sex(lexicon: Lexicon, passage: Passage, subject: Subject) -> Iterator[Check]:
    if subject.sex not in _SEX:
        return
    other, own = _SEX[subject.sex]
    if found := lexicon.groups[f"sex.{other}"].search(passage.text):
        template = CheckText.SEX_MALE
        if own == "female":
            template = CheckText.SEX_FEMALE
        yield Check(CheckCode.SEX, template, {"words": found.group()}, passage.section, passage.key)


def _age(lexicon: Lexicon, passage: Passage, subject: Subject) -> Iterator[Check]:
    found = lexicon.groups["age.words"].search(passage.text)
    if not found or not subject.birth_date or not subject.study_date:
        return
    said = int(next(group for group in found.groups() if group))
    born, then = subject.birth_date, subject.study_date
    age = then.year - born.year - ((then.month, then.day) < (born.month, born.day))
    if abs(age - said) > 1:
        template = CheckText.AGE
        values = {"words": found.group(), "age": str(age)}
        yield Check(CheckCode.AGE, template, values, passage.section, passage.key)


def _name(lexicon: Lexicon, passage: Passage, subject: Subject) -> Iterator[Check]:
    known = {part for name in (*subject.names, *subject.people) for part in _parts(name)}
    if not any(subject.names):
        return
    groups = lexicon.groups
    for label in (groups["people.titles"], groups["people.labels"]):
        for found in label.finditer(passage.text):
            if not (found.group().endswith((":", ".")) or passage.text[found.end() :].startswith(" ")):
                continue
            named = _NAME.match(passage.text, found.end())
            if not named or groups["people.not_names"].match(named.group(1)):
                continue
            if known.isdisjoint(_parts(" ".join(part for part in named.groups() if part))):
                template = CheckText.NAME
                values = {"name": named.group().strip()}
                yield Check(CheckCode.NAME, template, values, passage.section, passage.key)
                return


def _accession(lexicon: Lexicon, passage: Passage, subject: Subject) -> Iterator[Check]:
    if not subject.accession_number:
        return
    for found in lexicon.groups["accession.labels"].finditer(passage.text):
        number = _NUMBER.match(passage.text, found.end())
        if number and number.group(1).rstrip(".-/") != subject.accession_number:
            template = CheckText.ACCESSION
            values = {"number": number.group(1).rstrip(".-/")}
            yield Check(CheckCode.ACCESSION, template, values, passage.section, passage.key)
            return


def check_images(subject: Subject, lexicon: Lexicon) -> Iterator[Check]:
    """Check that the images are marked with the side that description, body part or order name."""
    marked, described = _marked_side(subject), side_of(subject.part)
    if marked is None or described is not _OTHER[marked] or not _is_of_a_pair(lexicon, subject):
        return
    values = {"side": marked.value, "other": described.value}
    yield Check(CheckCode.SIDE_OF_IMAGES, CheckText.SIDE_OF_IMAGES, values)


def _marked_side(subject: Subject) -> Side | None:
    """Return the only side that any image names; None when they name none, or both."""
    named = subject.sides_of_images - {Side.NONE}
    (side,) = named if len(named) == 1 else (Side.NONE,)
    return side if side in _OTHER else None


def _is_of_a_pair(lexicon: Lexicon, subject: Subject) -> bool:
    """Tell whether a knee, a breast ... was examined; a chest film is marked L for its projection."""
    if lexicon.groups["paired.words"].search(subject.part):
        return True
    regions = lexicon.regions()
    return not any(regions[name].search(subject.part) for name in _UNPAIRED)


def _side_of_study(lexicon: Lexicon, passages: Sequence[Passage], subject: Subject) -> Iterator[Check]:
    """Hold the report against the side in the words about the study, or else against that of every image."""
    if subject.sides_of_images >= {Side.LEFT, Side.RIGHT} or Side.BOTH in subject.sides_of_images:
        return
    paired = lexicon.groups["paired.words"]
    side, template = side_of(subject.part), CheckText.SIDE_OF_STUDY
    if side is Side.NONE and Side.NONE not in subject.sides_of_images and _is_of_a_pair(lexicon, subject):
        side, template = _marked_side(subject) or Side.NONE, CheckText.SIDE_OF_EACH_IMAGE
    elif not paired.search(subject.part):
        return
    if side not in _OTHER:
        return
    other = _OTHER[side]
    says = lexicon.groups["comparison.says"]
    for passage in passages:
        for sentence in split_sentences(passage.text):
            if says.search(sentence) or side_of(sentence) is not other or not paired.search(sentence):
                continue
            values = {"side": side.value, "other": other.value, "words": sentence[:120]}
            yield Check(CheckCode.SIDE_OF_STUDY, template, values, passage.section, passage.key)
            return


def _region(lexicon: Lexicon, passages: Sequence[Passage], subject: Subject) -> Iterator[Check]:
    """Warn when a report names another region, more than once, and nothing of its own."""
    regions = lexicon.regions()
    own = {name for name, words in regions.items() if words.search(subject.part)}
    if not own:
        return
    text = " ".join(p.text for p in passages)
    named = {
        name: {found.group().casefold() for found in words.finditer(text)} for name, words in regions.items()
    }
    if any(named[name] for name in own):
        return
    for words in named.values():
        if len(words) >= 2:
            template = CheckText.BODY_PART
            values = {"part": subject.part[:80], "words": ", ".join(sorted(words)[:3])}
            yield Check(CheckCode.BODY_PART, template, values)
            return


def _dates(text: str) -> Iterator[tuple[str, date]]:
    for found in _ISO.finditer(text):
        yield from _date(found.group(), int(found[1]), int(found[2]), int(found[3]))
    for found in _DAY_FIRST.finditer(text):
        yield from _date(found.group(), int(found[3]), int(found[2]), int(found[1]))
    for found in _SLASHES.finditer(text):
        # the earlier reading of month and day counts: what could be past is no mistake
        both = [
            *_date(found.group(), int(found[3]), int(found[1]), int(found[2])),
            *_date(found.group(), int(found[3]), int(found[2]), int(found[1])),
        ]
        yield from sorted(both, key=lambda one: one[1])[:1]


def _date(words: str, year: int, month: int, day: int) -> Iterator[tuple[str, date]]:
    try:
        yield words, date(year, month, day)
    except ValueError:
        return


def _parts(name: str) -> frozenset[str]:
    words = re.split(r"[\^=,\s]+", name)
    return frozenset(word.casefold() for word in words if len(word) > 1)
