"""The page of AI models and the record of a draft, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.domain.access import service_actor
from app.domain.ai_model import identify
from app.services import ai_models
from tests.ui import seed
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of, sign_as

__all__ = ["page_of"]


def load(hospital: Hospital, card: str = "# Tiny\n\nNot for clinical use.") -> None:
    """Say what a drafting worker says when it has loaded the model of the seeds."""
    ai_models.note_loaded(
        hospital.store,
        service_actor("drafting"),
        identify(seed.MODEL),
        preset="tiny",
        card=card,
        now=datetime.now(UTC),
    )


def read(page: Page) -> str:
    """What a person reads: without the backslashes that keep text from being Markdown."""
    return page.texts.replace("\\", "")


@pytest.mark.covers("P6")
@pytest.mark.parametrize("username", ["vera", "rana", "ada", "adam", "aud"])
def test_everybody_can_read_the_model_card(
    hospital: Hospital, page_of: Callable[[str], Page], username: str
) -> None:
    load(hospital)
    page = page_of(username).open(view="models")
    assert "Not for clinical use." in page.texts
    assert seed.MODEL["weights_sha256"] in "\n".join(text.value for text in page._app.text)


def test_page_without_a_model_says_what_that_means(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    assert "No model has been loaded yet" in page_of("ada").open(view="models").texts


@pytest.mark.covers("T25")
def test_model_is_stopped_and_comes_back_from_the_page(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    load(hospital)
    attending = page_of("ada").open(view="models")
    attending._app.text_input(key="models_reason").input("invents nodules")
    attending.press("Stop this model")
    assert "was stopped by ada: invents nodules" in read(attending.open(view="models"))
    assert "Let it draft again" not in [button.label for button in attending._app.button]
    study = hospital.chest().study_uid
    shown = page_of("ada").open(view="review", study=study).component("editor")
    assert shown is not None
    assert (shown["sentences"], shown["draft"]["status"]) == ([], "undrafted")
    admin = page_of("adam").open(view="models").press("Let it draft again")
    assert "was stopped by ada" not in read(admin.open(view="models"))
    assert [event for event, _, _ in hospital.events() if event.startswith("AI model")] == [
        "AI model loaded",
        "AI model stopped",
        "AI model resumed",
    ]


@pytest.mark.covers("T25")
def test_open_draft_of_a_stopped_model_carries_a_warning(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    load(hospital)
    study = hospital.chest().study_uid
    assert "was stopped" not in page_of("ada").open(view="review", study=study).texts
    _, actor = hospital.log_in("otto")
    ai_models.stop_model(hospital.store, actor, 1, "invents nodules", now=datetime.now(UTC))
    shown = read(page_of("ada").open(view="review", study=study))
    assert "The AI model that wrote this draft was stopped by otto: invents nodules" in shown


@pytest.mark.covers("P6")
@pytest.mark.parametrize("is_signed", [False, True])
def test_record_of_a_draft_says_what_it_was_made_of(
    hospital: Hospital, page_of: Callable[[str], Page], *, is_signed: bool
) -> None:
    study = sign_as(hospital, "ada") if is_signed else hospital.chest().study_uid
    page = page_of("ada").open(view="review", study=study)
    shown = "\n".join(text.value for text in page._app.text)
    received = hospital.received["chest"]
    for part in (
        f"Weights SHA-256: {seed.MODEL['weights_sha256']}",
        f"Adapters SHA-256: {seed.MODEL['adapters_sha256']}",
        f"Images read: {received.sop_uid}",
        "Seed: 0",
        "Preprocessing SHA-256: not recorded",
    ):
        assert part in shown
    findings = next(
        table.value for table in page._app.dataframe if "Finding (AI)" in list(table.value.columns)
    )
    assert dict(zip(findings["Finding (AI)"], findings["Probability %"], strict=True))["Lung Lesion"] == 91.0
    assert "left to the reader" in list(findings["Decision"])
    assert "values_png_base64" not in page._app.code[0].value
