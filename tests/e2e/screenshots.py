"""Draws the pictures of the documentation from the running system: `python -m tests.e2e.screenshots`."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright
from pydicom import dcmread
from pydicom.data import get_testdata_file

from app.domain.access import Actor, Role, service_actor
from app.domain.ai_model import identify
from app.domain.critical import Category
from app.domain.identifiers import derived_uid
from app.services import ai_models, critical, second_review, study_groups
from app.ui.words import ENGLISH, LANGUAGES
from janus_med.checkpoint import bundled_folder
from tests.e2e.beside import answering_worker, put_prior
from tests.e2e.browser import CHROMIUM, CHROMIUM_OPTIONS, Reader
from tests.e2e.reading_room import House, open_house
from tests.e2e.test_access_rules import speak
from tests.ui import seed
from tests.ui.quality_seed import fill_board, score_samples, spend_times

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> None:
    """Draw every picture anew."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_house(Path(folder) / "ui.log") as house,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
        study = bring_in_studies(house)
        bring_in_more(house)
        draw_login(browser, house.room.url)
        draw_languages(browser, house.room.url, study)
        draw_reading(browser, house.room.url, study)
        draw_critical(browser, house, study)
        draw_amended(browser, house.room.url, study)
        draw_models(browser, house)
        draw_access(browser, house)
        draw_beside(browser, house)
        draw_audit(browser, house.room.url)
        draw_quality(browser, house)
        browser.close()


def bring_in_studies(house: House) -> str:
    """Fill the worklist with studies at different stages; return the one that is read."""
    urgent = house.chest(
        "urgent",
        patient_name="Martin^Jeanne",
        patient_id="JM-20431",
        birth_date="19580312",
        sex="F",
        description="Chest PA",
        accession_number="A-7731",
        requested_priority="STAT",
    )
    house.chest("routine", patient_name="Lindqvist^Per", patient_id="PL-11820", description="Chest PA")
    now, spool_dir = seed.now_utc(), house.room.settings.spool_dir
    leg = Path(str(get_testdata_file("RG3_UNCR.dcm", download=False)))
    received = seed.receive(
        house.store, spool_dir, leg, now=now, patient_name="Okafor^Chidi", description="Lower leg ap"
    )
    seed.record(house.store, received, seed.no_draft(), now=now)
    ct = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    seed.receive(house.store, spool_dir, ct, now=now, patient_name="Silva^Ana", description="CT thorax")
    return urgent


def bring_in_more(house: House) -> None:
    """Put what a morning brings into the worklist: half of it drafted, all of it from the last two hours."""
    now, spool_dir = seed.now_utc(), house.room.settings.spool_dir
    names = (
        "Abara^Ngozi", "Bianchi^Luca", "Chen^Wei", "Dubois^Camille", "Eriksen^Nora", "Fischer^Jonas",
        "Garcia^Lucia", "Haddad^Samir", "Ivanova^Olga", "Jansen^Pieter", "Kowalska^Anna", "Lopez^Mateo",
        "Moreau^Claire", "Nowak^Jan", "Okoye^Ada", "Petrov^Ilya", "Rossi^Giulia", "Suzuki^Haruto",
    )  # fmt: skip
    for number, name in enumerate(names):
        file = "RG1_UNCR.dcm" if number % 3 else "CT_small.dcm"
        path = Path(str(get_testdata_file(file, download=False)))
        received = seed.receive(
            house.store,
            spool_dir,
            path,
            now=now - timedelta(minutes=7 * number + 3),
            **{part: derived_uid(name, part) for part in ("study_uid", "series_uid", "sop_uid")},
            patient_name=name,
            patient_id=f"P-{40100 + 37 * number}",
            birth_date=f"{1938 + 3 * number}0{1 + number % 9}1{number % 10}",
            sex="FM"[number % 2],
            accession_number=f"A-{7740 + number}",
            description="Chest PA" if number % 3 else "CT thorax",
            study_date=now.strftime("%Y%m%d"),
        )
        if number % 3 == 1:
            seed.record(house.store, received, seed.chest_draft(received), now=now)
        elif number % 3 == 0:
            seed.record(
                house.store,
                received,
                seed.no_draft("not a frontal chest radiograph: modality is CT"),
                now=now,
            )


def draw_languages(browser: Browser, url: str, study: str) -> None:
    """Review and worklist in each language, and the log-in in Chinese; then English is spoken again."""
    stranger = Reader(browser, url, "", log_in=False, locale="zh-CN")
    stranger.page.goto(url)
    _draw(stranger, "login-zh")
    for code in (*LANGUAGES, ENGLISH):
        reader = Reader(browser, url, "ada")
        speak(reader, code)
        if code != ENGLISH:
            reader.page.goto(f"{url}/?view=review&study={study}")
            reader.wait_for_image()
            _draw(reader, f"review-{code}", close=False)
            reader.page.goto(url)
            reader.page.locator("tr[data-study]").nth(3).wait_for()
            _draw(reader, f"worklist-{code}", close=False)
        reader.close()


def draw_login(browser: Browser, url: str) -> None:
    """The log-in."""
    reader = Reader(browser, url, "", log_in=False)
    reader.page.goto(url)
    _draw(reader, "login")


def draw_reading(browser: Browser, url: str, study: str) -> None:
    """Worklist, review with overlay, signed report."""
    reader = Reader(browser, url, "ada")
    reader.page.locator("tr[data-study]").nth(3).wait_for()
    _draw(reader, "worklist", close=False)
    reader.open_study(study)
    reader.press("?")
    _draw(reader, "keys", close=False)
    reader.press("Escape")
    reader.press("j", "a", "e")
    reader.page.keyboard.press("End")
    reader.page.keyboard.type(" Not seen on the lateral view.")
    reader.press("Enter")
    reader.wait_until_saved()
    reader.press("k", "o")
    _draw(reader, "review", close=False)
    reader.press("o", "j", "j", "a", "a", "a", "s")
    reader.sign(seed.PASSWORD)
    expect(reader.page.locator(".banners")).to_contain_text("SIGNED")
    _draw(reader, "signed")


def draw_critical(browser: Browser, house: House, study: str) -> None:
    """A critical result that nobody was told of in time, with the form that closes it."""
    ada, now = Actor("ada", "Dr. Ada Attending", Role.ATTENDING, "127.0.0.1"), seed.now_utc()
    for finding, minutes in (("Suspicious nodule, left upper zone", 2), ("Tension pneumothorax", 14)):
        category = Category.HOURS if minutes < 10 else Category.MINUTES
        opened = now - timedelta(minutes=minutes)
        critical.open_loop(house.store, ada, study, finding, category, now=opened)
    critical.escalate_overdue(house.store, service_actor("housekeeping"), now=now)
    reader = Reader(browser, house.room.url, "ada")
    reader.page.goto(f"{house.room.url}/?view=critical")
    reader.page.get_by_role("button", name="Communicated ...").first.click()
    reader.page.get_by_role("button", name="Close the loop").first.wait_for()
    _draw(reader, "critical")


def draw_quality(browser: Browser, house: House) -> None:
    """What readers made of AI text in five weeks, what sections took, and second reviews of a sample."""
    fill_weeks(house)
    reader, url = Reader(browser, house.room.url, "ada"), house.room.url
    reader.page.goto(f"{url}/?view=quality")
    reader.page.get_by_text("Discordant sentences by day").wait_for()
    reader.page.locator('[data-testid="stVegaLiteChart"] :is(canvas, svg)').nth(2).wait_for()
    _draw(reader, "quality", close=False)
    reader.page.get_by_role("heading", name="Seconds and edits by section").scroll_into_view_if_needed()
    _draw(reader, "sections", close=False)
    reader.page.goto(f"{url}/?view=second_review")
    reader.page.get_by_role("button", name="Next second review").wait_for()
    reader.press("n")
    reader.wait_for_image()
    reader.press("p", "h")
    expect(reader.page.locator(".is-prior .prior-banner")).to_contain_text("PRIOR of")
    _draw(reader, "second-review")


def fill_weeks(house: House) -> None:
    """Sign five weeks of reports, score second reviews of a sample, let people be at the sections."""
    now, spool_dir = seed.now_utc(), house.room.settings.spool_dir
    film = Path(str(get_testdata_file("RG1_UNCR.dcm", download=False)))
    studies = fill_board(house.store, spool_dir, film, days=35, a_day=4, until=now - timedelta(days=7))
    score_samples(house.store, weeks=5, until=now)
    spend_times(house.store, studies, at=now)
    with house.store.begin() as tx:
        account = tx.users.by_username("ada")
    assert account is not None
    [first, *_] = second_review.waiting_reviews(house.store, account.act(source="127.0.0.1"), now=now)
    put_prior(house, first.study_uid, "before the second review", date="20031114")


def draw_amended(browser: Browser, url: str, study: str) -> None:
    """A signed report with an addendum, and the dialog of a correction."""
    reader = Reader(browser, url, "ada")
    reader.open_study(study)
    reader.page.get_by_role("button", name="Addendum ...").click()
    dialog = reader.page.get_by_role("dialog")
    dialog.get_by_label("Addendum").fill("Compared with the film of 2024: the larger nodule has grown.")
    dialog.get_by_label("Your password").fill(seed.PASSWORD)
    dialog.get_by_role("button", name="Sign the addendum").click()
    dialog.wait_for(state="detached")
    reader.page.get_by_role("heading", name="Addendum 1").scroll_into_view_if_needed()
    _draw(reader, "addendum", close=False)
    reader.page.get_by_role("button", name="Correction ...").click()
    reader.page.get_by_role("dialog").get_by_label("Reason").wait_for()
    _draw(reader, "correction")


def draw_models(browser: Browser, house: House) -> None:
    """The AI models: one that was stopped, with its card."""
    card = (bundled_folder() / "MODEL_CARD.md").read_text()
    now, actor = seed.now_utc(), service_actor("drafting")
    ai_models.note_loaded(house.store, actor, identify(seed.MODEL), preset="tiny", card=card, now=now)
    reader = Reader(browser, house.room.url, "ada")
    reader.page.goto(f"{house.room.url}/?view=models")
    reader.page.get_by_role("button", name="Stop this model").wait_for()
    _draw(reader, "models")


def draw_access(browser: Browser, house: House) -> None:
    """Groups, and who may see which study."""
    admin, now = Actor("adam", "Adam Admin", Role.ADMIN, "127.0.0.1"), seed.now_utc()
    study_groups.add_group(house.store, admin, "staff", now=now)
    reader = Reader(browser, house.room.url, "adam")
    reader.page.goto(f"{house.room.url}/?view=access")
    reader.page.get_by_text("Restrict a study").wait_for()
    _draw(reader, "access")


def draw_beside(browser: Browser, house: House) -> None:
    """What changed since the prior, and a question that the bundled model answers."""
    film = dcmread(str(get_testdata_file("RG1_UNCR.dcm", download=False)), stop_before_pixels=True)
    # the worker opens the file: its own UIDs count
    uids = {
        "study_uid": str(film.StudyInstanceUID),
        "series_uid": str(film.SeriesInstanceUID),
        "sop_uid": str(film.SOPInstanceUID),
    }
    person = {"patient_name": "Berg^Ida", "patient_id": "IB-3310"}
    study = house.chest("beside", description="Chest PA", study_date="20260301", **person, **uids)
    put_prior(house, study, "earlier")
    reader = Reader(browser, house.room.url, "ada")
    reader.open_study(study)
    reader.page.locator(".change-list li").first.wait_for()
    _draw(reader, "changes", close=False)
    reader.press("q")
    with answering_worker(house):
        for text in ("Where is the opacity?", "How old is the patient?"):
            reader.page.keyboard.type(text)
            reader.press("Enter")
            ended = reader.page.locator('.questions li:not([data-state="PENDING"])', has_text=text)
            ended.wait_for()
    _draw(reader, "question")


def draw_audit(browser: Browser, url: str) -> None:
    """The audit log, verified, as a table and as a story."""
    reader = Reader(browser, url, "aud")
    reader.page.get_by_role("button", name="Verify the log").click()
    reader.page.get_by_text("entries verified").wait_for()
    _draw(reader, "audit", close=False)
    reader.page.get_by_text("Timeline", exact=True).click()
    reader.page.get_by_text("later").first.wait_for()
    _draw(reader, "timeline")


def _draw(reader: Reader, name: str, *, close: bool = True) -> None:
    reader.page.wait_for_timeout(1500)  # fonts and the table's canvas
    reader.page.screenshot(path=IMAGES / f"{name}.png")
    if close:
        reader.close()


if __name__ == "__main__":
    main()
