"""Alerts about bursts and about models that cannot be used stand in the operations view."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.services.bursts import LOG_IN, record_burst
from app.workers.model_alert import tell_model
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page


@pytest.mark.covers("T23")
def test_operations_view_shows_the_model_and_the_burst_until_they_are_over(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_burst(hospital.store, LOG_IN, source="10.0.0.9", now=datetime.now(UTC))
    tell_model(hospital.store, Path("/models/lungs"), "config.json contains auto_map, which could run code")
    page = Page(monkeypatch, hospital, hospital.log_in("adam")[0]).open(view="operations")
    reasons = " ".join(str(text.value) for text in page._app.text)
    shown = f"{page.texts} {reasons}".replace("\\", "").casefold()
    for words in ("model cannot be used", "lungs", "auto_map", "more requests than are taken", "10.0.0.9"):
        assert words in shown, shown
    tell_model(hospital.store, Path("/models/lungs"), "")
    assert "model cannot be used" not in page.open().texts.casefold()
