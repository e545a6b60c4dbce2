"""A second review: another attending reads a signed report that was drawn at random, and scores it.

The scores are those of RADPEER (American College of Radiology): 1 concur, 2 a discrepancy in what is not
ordinarily expected to be seen, 3 one that should be seen most of the time; a unlikely, b likely to matter to
the patient. The reviewer sees neither who signed nor what the model wrote until the score is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random

from app.domain.errors import Rejected
from app.domain.quality_band import interval
from app.domain.report import clean_text
from app.domain.review import Review

TAKEN_FOR = timedelta(hours=24)
"""After which a report that somebody took and did not score is open to others again."""

LONGEST_COMMENT = 2000


class Score(StrEnum):
    """What the second reader says of the first reading."""

    CONCUR = "1"
    HARD_UNLIKELY = "2a"
    HARD_LIKELY = "2b"
    MISSED_UNLIKELY = "3a"
    MISSED_LIKELY = "3b"


SIGNIFICANT = frozenset({Score.HARD_LIKELY, Score.MISSED_LIKELY})
"""Scores of what is likely to matter to the patient."""


@dataclass(frozen=True)
class SecondReview:
    """One report that was drawn, or one entry of its scoring.

    Attributes
    ----------
    week
        Monday of the week of the signature.
    with_draft
        Whether the report began as a draft of the model.
    reviewer_id
        Who has taken or scored it; None while it is open.
    was_blind
        Whether the reviewer had not opened the study otherwise before; None until it is scored.
    corrects
        The entry that this one replaces; None for the first.
    """

    review_id: int
    report_id: int
    study_uid: str
    week: date
    with_draft: bool
    drawn_at: datetime
    reviewer_id: int | None = None
    taken_at: datetime | None = None
    score: Score | None = None
    comment: str = ""
    was_blind: bool | None = None
    scored_at: datetime | None = None
    corrects: int | None = None

    def is_open_to(self, user_id: int | None, *, now: datetime) -> bool:
        """Tell whether this person could take it: it waits, and nobody else has it at this moment."""
        if self.score is not None:
            return False
        taken = self.taken_at is not None and self.taken_at + TAKEN_FOR > now
        return not taken or self.reviewer_id == user_id


@dataclass(frozen=True)
class Draw:
    """One week's draw, as it is kept."""

    week: date
    seed: int
    percent: float
    with_draft: int
    without_draft: int
    drawn: tuple[int, ...]


@dataclass(frozen=True)
class BlindCase:
    """What the second reader sees.

    Attributes
    ----------
    review
        The study with its images, its orders and the prior that can be put beside it, without its text; no
        draft, no report, no signature.
    sections
        The report as it was signed, by `Section` value.
    """

    second_review: SecondReview
    review: Review
    sections: Mapping[str, str]


@dataclass(frozen=True)
class Remark:
    """What a second reader said of a report, for the one who signed it; without the second reader's name.

    Attributes
    ----------
    study_uid
        Empty where the signer may not open the study any more.
    """

    review_id: int
    study_uid: str
    score: Score
    comment: str
    scored_at: datetime


@dataclass(frozen=True)
class Agreement:
    """Sums over scored second reviews; corrections in place of what they correct."""

    scores: Mapping[Score, int] = field(default_factory=dict)
    not_blind: int = 0

    @property
    def reviews(self) -> int:
        """How many were scored."""
        return sum(self.scores.values())

    def share(self, *scores: Score) -> tuple[float, float, float]:
        """Return the share of some scores and its 95 % interval; (0, 0, 1) when nothing was scored."""
        count = sum(self.scores.get(score, 0) for score in scores)
        return (count / self.reviews if self.reviews else 0.0, *interval(count, self.reviews))


def last_whole_week(now: datetime) -> date:
    """Return the Monday of the last week that is over, in UTC."""
    today = now.date()
    return today - timedelta(days=today.weekday() + 7)


def draw_sample(report_ids: Sequence[int], percent: float, rng: Random) -> tuple[int, ...]:
    """Return the reports that chance picks, ascending.

    A share that is no whole number is rounded up or down by chance, so that over the weeks it is kept.
    """
    wanted = len(report_ids) * percent / 100
    count = math.floor(wanted) + (rng.random() < wanted % 1)
    return tuple(sorted(rng.sample(sorted(report_ids), count)))


def draw_week(
    week: date, *, with_draft: Sequence[int], without_draft: Sequence[int], percent: float, seed: int
) -> Draw:
    """Draw the sample of a week from the reports with and without a draft, each for itself."""
    rng = Random(seed)  # noqa: S311 - the seed is kept so that anybody can draw again
    drawn = (*draw_sample(with_draft, percent, rng), *draw_sample(without_draft, percent, rng))
    return Draw(week, seed, percent, len(with_draft), len(without_draft), drawn)


def give_comment(score: Score, comment: str) -> str:
    """Return a comment, cleaned; `Rejected` when a discrepancy has none, or it is too long."""
    comment = clean_text(comment)
    if score is not Score.CONCUR and not comment:
        raise Rejected("a discrepancy is scored with a comment that says what it is")
    if len(comment) > LONGEST_COMMENT:
        raise Rejected(f"a comment has {LONGEST_COMMENT} characters at most")
    return comment


def count_agreement(reviews: Sequence[SecondReview]) -> Agreement:
    """Sum up scored entries; those that were corrected since are left out."""
    corrected = {review.corrects for review in reviews}
    standing = [one for one in reviews if one.score is not None and one.review_id not in corrected]
    return Agreement(
        {score: sum(one.score is score for one in standing) for score in Score},
        sum(one.was_blind is False for one in standing),
    )
