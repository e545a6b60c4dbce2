"""Every check of a report, the stops first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app.domain.checks import Check, Severity, Subject
from app.domain.checks_study import (
    check_comparison,
    check_critical,
    check_dates,
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
)
from app.domain.report import Sentence
from app.domain.statements import Passage, passages_of, read_mentions


def check_report(sentences: Sequence[Sentence], subject: Subject) -> tuple[Check, ...]:
    """Return what stands in the way of signing these sentences, the stops first."""
    passages = passages_of(sentences)
    return _ordered((*check_complete(sentences), *check_passages(passages, subject)))


def check_correction(sections: Mapping[str, str], subject: Subject) -> tuple[Check, ...]:
    """Return what stands in the way of a corrected text, keyed by section; it is complete by itself."""
    return check_passages([Passage(name, "", text) for name, text in sections.items() if text], subject)


def check_addendum(text: str, subject: Subject) -> tuple[Check, ...]:
    """Return what stands in the way of an addendum; it need not say anything that the report says."""
    passages = [Passage("addendum", "", text)]
    return _ordered(
        (
            *check_filled_in(passages),
            *check_numbers(passages),
            *check_patient(passages, subject),
            *check_part(passages, subject),
            *check_dates(passages, subject),
        )
    )


def check_passages(passages: Sequence[Passage], subject: Subject) -> tuple[Check, ...]:
    """Return what the text of a report says wrong, the stops first."""
    mentions = read_mentions(passages)
    return _ordered(
        (
            *check_filled_in(passages),
            *check_sides(mentions),
            *check_contradictions(mentions),
            *check_conclusions(mentions, passages),
            *check_critical(mentions, subject),
            *check_patient(passages, subject),
            *check_part(passages, subject),
            *check_comparison(passages, subject),
            *check_numbers(passages),
            *check_dates(passages, subject),
        )
    )


def _ordered(checks: Iterable[Check]) -> tuple[Check, ...]:
    unique = {check.mark: check for check in checks}
    return tuple(sorted(unique.values(), key=lambda check: check.severity is not Severity.STOP))
