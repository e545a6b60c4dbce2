"""How often somebody may ask.

Not covered: the answer 429 itself (`tests/dicomweb/test_limits.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import TooManyRequests
from app.services.pace import Pace

START = datetime(2026, 11, 26, tzinfo=UTC)


def test_ten_seconds_worth_may_come_at_once_and_the_rest_at_the_rate() -> None:
    pace = Pace(2.0)
    for _ in range(20):
        pace.take("dicomweb/viewer", now=START)
    with pytest.raises(TooManyRequests):
        pace.take("dicomweb/viewer", now=START)
    later = START + timedelta(seconds=1)
    pace.take("dicomweb/viewer", now=later)
    pace.take("dicomweb/viewer", now=later)
    with pytest.raises(TooManyRequests):
        pace.take("dicomweb/viewer", now=later)


def test_callers_do_not_share_a_bucket_and_refusals_cost_nothing() -> None:
    pace = Pace(0.1)
    pace.take("a", now=START)
    for _ in range(5):
        with pytest.raises(TooManyRequests):
            pace.take("a", now=START)
    pace.take("b", now=START)
    pace.take("a", now=START + timedelta(seconds=10))


def test_slowest_pace_still_lets_one_request_pass() -> None:
    pace = Pace(0.01)
    pace.take("a", now=START)
    with pytest.raises(TooManyRequests):
        pace.take("a", now=START)
    pace.take("a", now=START + timedelta(seconds=101))


def test_clock_that_goes_back_gives_nothing_away() -> None:
    pace = Pace(0.1)
    pace.take("a", now=START)
    with pytest.raises(TooManyRequests):
        pace.take("a", now=START - timedelta(hours=1))


def test_without_a_limit_everything_is_taken() -> None:
    pace = Pace(0)
    for _ in range(10_000):
        pace.take("a", now=START)
