"""Weeks of signed reports for the quality board: drafts that were accepted, corrected, turned, refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from app.domain.access import Actor, service_actor
from app.domain.checks import confirm
from app.domain.draft import DraftContent
from app.domain.identifiers import derived_uid
from app.domain.intake import ReceivedInstance
from app.domain.report import Origin, Report, Section
from app.domain.second_review import Score
from app.services import reading, second_review, signing
from app.services.checks import check_open_report
from app.services.reading_time import add_times
from app.store.engine import Store
from tests.ui import seed

SLIPS = {"Hazy opacity in the right lower zone.": "Hazy opacity in the right lower zone, faint."}
TURNS = {
    "Hazy opacity in the right lower zone.": "Hazy opacity in the left lower zone.",
    "No pneumothorax is seen.": "A small pneumothorax is seen.",
    "The heart is not enlarged.": "The heart is enlarged.",
}


def fill_board(
    store: Store, spool_dir: Path, file: Path, *, days: int, a_day: int, until: datetime, drifting: int = 7
) -> list[str]:
    """Sign some reports a day up to a time; in the last `drifting` days more of them are refused.

    Returns
    -------
    list of str
        The studies, oldest first.
    """
    rng = Random(2026)
    readers = [_actor(store, username) for username in ("ada", "otto")]
    studies = []
    for day in range(days):
        for number in range(a_day):
            at = until - timedelta(days=days - day, minutes=-7 * number)
            name = f"board-{day}-{number}"
            uids = {part: derived_uid(name, part) for part in ("study_uid", "series_uid", "sop_uid")}
            modality = "DX" if number % 3 else "CR"
            given = uids | {"patient_id": name, "modality": modality, "body_part": "CHEST"}
            received = seed.receive(store, spool_dir, file, now=at, **given)
            model = "janus-tiny" if day < days // 2 or number % 2 else "janus-small"
            hand = number == a_day - 1 and day % 3 == 0
            seed.record(store, received, seed.no_draft() if hand else _draft(received, model), now=at)
            share = 0.45 if day >= days - drifting else 0.10
            _read(store, readers[number % 2], received.study_uid, share, rng, at)
            studies.append(received.study_uid)
    return studies


def spend_times(store: Store, studies: Sequence[str], *, at: datetime) -> None:
    """Let three people in turn be at the sections of studies, longer at what a model did not write."""
    rng = Random(11)
    readers = [_actor(store, username) for username in ("ada", "otto", "rana")]
    for number, study in enumerate(studies):
        reader = readers[number % 3]
        report = reading.open_study(store, reader, study, now=at).report
        assert report is not None
        slower = 1.0 if report.ai_model else 1.8
        told = {
            section.value: {
                "seconds": min(600.0, slower * rng.lognormvariate(typical, 0.4)),
                "edits": rng.choice((0, 0, 1, 1, 2)),
            }
            for section, typical in (
                (Section.FINDINGS, 3.4),
                (Section.IMPRESSION, 2.6),
                (Section.TECHNIQUE, 0.9),
            )
        }
        add_times(store, reader, report.report_id, told, now=at)


def score_samples(store: Store, *, weeks: int, until: datetime) -> None:
    """Draw from the last weeks, and let the other reader score most of it."""
    rng = Random(7)
    for week in range(weeks):
        at = until - timedelta(days=7 * (weeks - 1 - week))
        second_review.draw_second_reviews(store, service_actor("keep"), percent=25, seed=week, now=at)
    for username in ("ada", "otto"):
        reader = _actor(store, username)
        for waiting in second_review.waiting_reviews(store, reader, now=until)[:-2]:
            score = rng.choices(list(Score), (90, 4, 2, 3, 1))[0]
            second_review.open_second_review(store, reader, waiting.review_id, now=until)
            second_review.score_second_review(
                store, reader, waiting.review_id, score, "Old fracture of the sixth rib.", now=until
            )


def _actor(store: Store, username: str) -> Actor:
    with store.begin() as tx:
        user = tx.users.by_username(username)
        assert user is not None
        return user.act(source="127.0.0.1")


def _draft(received: ReceivedInstance, model: str) -> DraftContent:
    return replace(seed.chest_draft(received), model=seed.MODEL | {"id": model})


def _read(store: Store, reader: Actor, study: str, refused: float, rng: Random, at: datetime) -> None:
    report = reading.open_study(store, reader, study, now=at).report
    assert report is not None
    for sentence in report.sentences:
        if sentence.origin is Origin.AI:
            report = _decide(store, reader, report, sentence.key, refused, rng, at)
        else:  # what a template leaves open
            report = reading.reject_sentence(store, reader, report.report_id, sentence.key, now=at)
    if not report.ai_model:
        for section in (Section.FINDINGS, Section.IMPRESSION):
            report = reading.add_sentence(store, reader, report.report_id, section, "No fracture.", now=at)
    checked = check_open_report(store, reader, report.report_id, now=at)
    signing.sign(
        store,
        reader,
        report.report_id,
        version=report.version,
        password=seed.PASSWORD,
        destinations=_NOWHERE,
        confirmation=confirm(checked.report, checked.checks),
        now=at + timedelta(seconds=rng.lognormvariate(4.4, 0.5)),
    )


def _decide(
    store: Store, reader: Actor, report: Report, key: str, refused: float, rng: Random, at: datetime
) -> Report:
    text, chance = report.sentence(key).text, rng.random()
    if key != "ai-5" and chance < refused * 0.6:
        return reading.reject_sentence(store, reader, report.report_id, key, now=at)
    for share, changes in ((refused, TURNS), (refused + 0.15, SLIPS)):
        if chance < share and text in changes:
            return reading.edit_sentence(store, reader, report.report_id, key, changes[text], now=at)
    return reading.accept_sentence(store, reader, report.report_id, key, now=at)


_NOWHERE: Sequence[tuple[str, str]] = ()
