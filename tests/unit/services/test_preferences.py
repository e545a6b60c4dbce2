"""Preferences: kept for one account alone, bounded, and nobody else's to read."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.access import service_actor
from app.domain.errors import NotAuthorised, Rejected
from app.services.preferences import read_preference, save_preference
from tests.unit.services.conftest import NOW, House


def test_preference_is_kept_for_its_account_alone(house: House) -> None:
    save_preference(house.store, house["attending"], "language", "de", now=NOW)
    save_preference(house.store, house["attending"], "language", {"code": "zh"}, now=NOW)
    assert read_preference(house.store, house["attending"], "language", now=NOW) == {"code": "zh"}
    assert read_preference(house.store, house["resident"], "language", now=NOW) is None
    assert read_preference(house.store, service_actor("draft"), "language", now=NOW) is None


@pytest.mark.parametrize(
    ("name", "value"), [("Language", 1), ("", 1), ("a" * 61, 1), ("../x", 1), ("layout", "x" * 20_000)]
)
def test_what_does_not_fit_is_refused_and_nothing_is_kept(house: House, name: str, value: Any) -> None:
    with pytest.raises(Rejected):
        save_preference(house.store, house["attending"], name, value, now=NOW)
    assert read_preference(house.store, house["attending"], name, now=NOW) is None


def test_process_of_ours_has_no_preferences(house: House) -> None:
    with pytest.raises(NotAuthorised):
        save_preference(house.store, service_actor("draft"), "language", "de", now=NOW)
