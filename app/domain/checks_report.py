"""Every check of a report, the stops first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from app.domain.checks import Check, CheckCode, Severity, Subject
from app.domain.checks_study import (
    check_comparison,
    check_critical,
    check_dates,
    check_images,
    check_part,
    check_patient,
)
from app.domain.checks_text import (
    check_complete,
    check_conclusions,
    check_contradictions,
    check_filled_in,
    check_numbers,
    check_sides,
    check_spelling,
)
from app.domain.lexicon import Lexicon, load_lexicon
from app.domain.report import REQUIRED_SECTIONS, Sentence
from app.domain.statements import Passage, passages_of, read_mentions

MOST_OF_A_KIND = 10
"""Of one kind no more are told: who has ten of a kind to read corrects them, and is told of the rest."""


def check_report(
    sentences: Sequence[Sentence], subject: Subject, *, lexicon: Lexicon | None = None
) -> tuple[Check, ...]:
    """Return what stands in the way of signing these sentences, the stops first.

    Here and below, None reads with the words that are part of the program.
    """
    passages = passages_of(sentences)
    return _ordered((*check_complete(sentences), *check_passages(passages, subject, lexicon=lexicon)))


def check_correction(
    sections: Mapping[str, str], subject: Subject, *, lexicon: Lexicon | None = None
) -> tuple[Check, ...]:
    """Return what stands in the way of a corrected text, keyed by section; it is complete by itself."""
    passages = [Passage(name, "", text) for name, text in sections.items() if text]
    return check_passages(passages, subject, lexicon=lexicon)


def check_addendum(text: str, subject: Subject, *, lexicon: Lexicon | None = None) -> tuple[Check, ...]:
    """Return what stands in the way of an addendum; it need not say anything that the report says."""
    lexicon = lexicon or load_lexicon()
    passages = [Passage("addendum", "", text)]
    return _ordered(
        (
            *check_filled_in(passages, lexicon),
            *check_numbers(passages, lexicon),
            *check_patient(passages, subject, lexicon),
            *check_part(passages, subject, lexicon),
            *check_dates(passages, subject, lexicon),
            *check_spelling(passages, lexicon),
        )
    )


def check_passages(
    passages: Sequence[Passage], subject: Subject, *, lexicon: Lexicon | None = None
) -> tuple[Check, ...]:
    """Return what the text of a report says wrong, the stops first.

    What was asked, and what the study is compared with, is not read for abnormalities.
    """
    lexicon = lexicon or load_lexicon()
    reading = [passage for passage in passages if passage.section in REQUIRED_SECTIONS]
    mentions = read_mentions(reading, lexicon=lexicon)
    return _ordered(
        (
            *check_filled_in(passages, lexicon),
            *check_sides(mentions, reading, lexicon),
            *check_contradictions(mentions, lexicon),
            *check_conclusions(mentions, reading, lexicon),
            *check_critical(mentions, subject, lexicon),
            *check_patient(passages, subject, lexicon),
            *check_part(reading, subject, lexicon),
            *check_images(subject, lexicon),
            *check_comparison(passages, subject, lexicon),
            *check_numbers(passages, lexicon),
            *check_dates(passages, subject, lexicon),
            *check_spelling(passages, lexicon),
        )
    )


def _ordered(checks: Iterable[Check]) -> tuple[Check, ...]:
    unique = {check.mark: check for check in checks}
    count: Counter[CheckCode] = Counter()
    kept = []
    for check in unique.values():
        count[check.code] += 1
        if count[check.code] <= MOST_OF_A_KIND:
            kept.append(check)
    return tuple(sorted(kept, key=lambda check: check.severity is not Severity.STOP))
