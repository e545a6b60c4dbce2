"""Beside the report, in a real browser: what changed, a question that the model answers, studies alike.

Not covered: the earlier images beside the current ones (the viewer's own tests), what is found and recorded
(`tests/unit/services`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pydicom import dcmread

from tests.e2e.axe import breaches
from tests.e2e.beside import answering_worker, embed, put_prior, sign_as_otto
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.workers.conftest import wait_until

# whose rules are asked of axe in tests of their own
OTHERS = (".st-key-editor", ".st-key-viewer", ".st-key-head")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.covers("U6", "U5")
def test_reader_compares_asks_and_searches_by_keyboard_while_the_report_stays_as_it_is(
    house: House, reader_of: Callable[[str], Reader], chest_radiograph: Path
) -> None:
    # the worker opens the file: its own UIDs count
    header = dcmread(chest_radiograph, stop_before_pixels=True)
    study = house.chest(
        "beside",
        description="Chest PA",
        study_date="20260301",
        study_uid=str(header.StudyInstanceUID),
        series_uid=str(header.SeriesInstanceUID),
        sop_uid=str(header.SOPInstanceUID),
    )
    earlier = put_prior(house, study, "earlier")
    alike = house.chest("alike", patient_name="Near^Nora", lesion_text="Nodule of Mrs Near, 2025-01-02.")
    sign_as_otto(house, alike)
    for uid, degrees in ((study, 0.0), (alike, 12.0)):
        embed(house, uid, degrees)

    ada = reader_of("ada")
    ada.open_study(study)
    # opening fills in the template
    before = house.report_of(study).sentences
    panel = ada.page.locator(".context")
    # the latest prior stands there with its report, and what changed comes first
    expect(panel.locator(".earlier-report")).to_contain_text("Small left pleural effusion.")
    expect(panel.locator(".because")).to_contain_text("same region (chest)")
    first = panel.locator(".change-list li").first
    expect(first).to_have_attribute("data-kind", "new")
    expect(first).to_contain_text("2025-01-14")
    first.locator(".sentence-link").click()
    expect(ada.sentence("ai-1")).to_have_attribute("aria-current", "true")

    panel.get_by_role("button", name="Show beside").click()
    wait_until(lambda: ("prior viewed", "ada") in house.events(earlier))
    ada.press("p")

    # the sign button stays on the screen beside the open panel
    expect(ada.page.get_by_role("button", name="Sign final ...")).to_be_in_viewport()

    assert breaches(ada.page, exclude=OTHERS) == []
    ada.press("q")
    ada.page.keyboard.type("Where is the opacity?")
    ada.press("Enter")
    reply = panel.locator(".questions li").first
    expect(reply).to_contain_text("The AI is asked ...")
    with answering_worker(house):
        expect(reply.locator(".reply")).to_have_text("The lung opacity is in the right mid zone.")
    expect(reply).to_contain_text("AI answer - not part of the report")
    expect(reply).to_contain_text("probability 87 %")
    show = reply.get_by_role("button", name="Show Lung Opacity on the image")
    assert breaches(ada.page, exclude=OTHERS) == []
    show.click()
    expect(show).to_have_attribute("aria-pressed", "true")
    region = ada.page.evaluate(
        "async () => { const url = performance.getEntriesByType('resource')"
        ".map(({name}) => name).find((name) => name.endsWith('/js/link.js'));"
        "return (await import(url)).link.region; }"
    )
    assert region["label"] == "AI answer: Lung Opacity"
    assert len(region["box"]) == 4

    panel.get_by_role("button", name="Similar", exact=True).click()
    panel.get_by_role("button", name="Find similar signed studies").click()
    found = panel.locator(".similar-list li")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("similarity 0.98")
    expect(found).to_contain_text("Nodule of Mrs [name], [date].")
    expect(panel).not_to_contain_text("Near")

    assert breaches(ada.page, exclude=OTHERS) == []

    assert house.report_of(study).sentences == before
    events = [event for event, user in house.events(study) if user == "ada"]
    assert {"question asked", "similar studies searched"} <= set(events)
    ada.press("?")
    expect(ada.page.locator(".help")).to_contain_text("Question to the image")


@pytest.mark.covers("U6")
def test_comparison_without_an_earlier_study_is_the_first_thing_to_be_seen(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study = house.chest("alone", lesion_text="The nodule is unchanged since the prior film.")
    ada = reader_of("ada")
    ada.open_study(study)
    flag = ada.page.locator(".context .flag")
    expect(flag).to_contain_text("NO EARLIER STUDY")
    assert breaches(ada.page, exclude=OTHERS) == []
    flag.get_by_role("button").click()
    expect(ada.sentence("ai-1")).to_have_attribute("aria-current", "true")
