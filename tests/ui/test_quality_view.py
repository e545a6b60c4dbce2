"""The quality board, run without a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of, sign_as

__all__ = ["page_of"]


@pytest.mark.covers("R3")
def test_board_shows_model_findings_and_days(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    sign_as(hospital, "ada")
    page = page_of("ada").open(view="quality")
    models, findings = (table.value for table in page._app.dataframe[:2])
    assert list(models["Reports"]) == [1]
    assert list(models["Accepted %"]) == [100.0]
    assert len(findings) > 0
    assert len(page._app.get("arrow_vega_lite_chart") or page._app.get("vega_lite_chart")) == 1


def test_empty_board_says_so(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    hospital.chest()
    assert "No report that began as an AI draft" in page_of("ada").open(view="quality").texts


def test_resident_has_no_board(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    assert "Quality" not in page_of("rana").open(view="quality").places
