"""The quality board on signed reports: which count, how long signing took, the alert.

Covered: acceptance, edits, refusals, own sentences, the span, the alert raised and cleared. Not covered:
the arithmetic (`tests/unit/test_quality.py`).
"""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.alert import AlertKind
from app.domain.errors import NotAuthorised
from app.domain.quality import Times, judge_models
from app.domain.quality_band import DayShare
from app.domain.report import Section
from app.domain.section_times import FEWEST_REPORTS, SectionBoard, SectionMedians
from app.services import quality
from app.services.alerts import open_alerts
from app.services.reading import add_sentence, edit_sentence, open_study, reject_sentence
from app.services.reading_time import add_times
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, uid

AT = NOW + QUIET
LATER = AT + timedelta(hours=1)


def read_and_sign(house: House, name: str) -> None:
    """Refuse the first sentence, rewrite the second, and sign three minutes after opening."""
    reader = house["attending"]
    report = open_study(house.store, reader, house.drafted(name), now=AT).report
    assert report is not None
    add_sentence(house.store, reader, report.report_id, Section.FINDINGS, "No lesion.", now=AT)
    reject_sentence(house.store, reader, report.report_id, "ai-1", now=AT)
    after = edit_sentence(house.store, reader, report.report_id, "ai-2", "The lungs are clear.", now=AT)
    sign(
        house.store,
        reader,
        report.report_id,
        version=after.version,
        password=PASSWORD,
        destinations=[PACS],
        now=AT + timedelta(minutes=3),
    )


@pytest.mark.covers("R3")
def test_board_counts_what_readers_made_of_the_draft(house: House) -> None:
    house.signed("s1")
    read_and_sign(house, "s2")
    (judged,) = quality.quality_board(house.store, house["attending"], now=LATER)
    assert judged.model.startswith("janus-tiny")
    assert judged.reports == 2
    total = judged.total
    assert (total.sentences, total.accepted, total.edited, total.rejected) == (4, 2, 1, 1)
    assert total.discordance == 0.5
    assert set(judged.findings) == {"Lung Lesion"}
    assert judged.times == Times(2, 90.0, 180.0)
    assert list(judged.modalities) == ["CR"]
    assert judged.days == (DayShare(AT.date(), 2, 4),)


def test_unsigned_and_older_reports_do_not_count(house: House) -> None:
    house.accepted(house.drafted("s1"), "attending")
    house.signed("s2")
    (judged,) = quality.quality_board(house.store, house["admin"], now=LATER)
    assert judged.reports == 1
    assert quality.quality_board(house.store, house["admin"], days=1, now=AT + timedelta(days=2)) == ()


@pytest.mark.covers("C2")
@pytest.mark.parametrize("username", ["viewer", "resident", "auditor"])
def test_board_is_for_those_who_answer_for_it(house: House, username: str) -> None:
    with pytest.raises(NotAuthorised):
        quality.quality_board(house.store, house[username], now=LATER)


@pytest.mark.covers("R3")
def test_discordance_outside_its_band_is_an_alert_until_it_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.signed()
    (judged,) = quality.quality_board(house.store, house["attending"], now=LATER)

    def with_days(shares: list[int]) -> None:
        days = tuple(DayShare(AT.date() + timedelta(days=n), k, 50) for n, k in enumerate(shares))
        changed = replace(judged, days=days)
        monkeypatch.setattr("app.services.quality.judge_models", lambda _: (changed,))

    with_days([5] * 20 + [20] * 7)
    assert quality.watch_discordance(house.store, now=LATER) == (judged.model,)
    assert quality.watch_discordance(house.store, now=LATER) == (judged.model,)
    (alert,) = open_alerts(house.store)
    assert (alert.kind, alert.subject) == (AlertKind.DISCORDANCE, judged.model)
    assert "above the band around 10%" in alert.reason
    with_days([5] * 27)
    assert quality.watch_discordance(house.store, now=LATER) == ()
    assert open_alerts(house.store) == ()


@pytest.mark.covers("R3")
def test_a_reader_sees_their_own_figures_and_nobody_elses(house: House) -> None:
    house.signed("s1", "attending")
    house.signed("s2", "colleague")
    (everybody,) = quality.quality_board(house.store, house["attending"], days=None, now=LATER)
    (own,) = quality.own_quality(house.store, house["colleague"], days=None, now=LATER)
    assert (everybody.reports, own.reports) == (2, 1)
    with pytest.raises(NotAuthorised):
        quality.own_quality(house.store, house["admin"], now=LATER)


@pytest.mark.covers("R3", "A1")
def test_board_as_csv_is_recorded_and_names_no_reader_and_no_patient(house: House) -> None:
    house.signed("s1")
    read_and_sign(house, "s2")
    out = io.StringIO(newline="")
    count = quality.export_quality(house.store, house["admin"], days=90, out=out, now=LATER)
    lines = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(lines) == count
    assert {line["by"] for line in lines} == {"all", "finding", "modality", "day", "month"}
    whole = lines[0]
    assert (whole["sentences"], whole["accepted"], whole["edited"], whole["refused"]) == ("4", "2", "1", "1")
    assert (whole["seconds_median"], whole["seconds_p90"]) == ("90.0", "180.0")
    for word in ("attending", "Attending", "id-of-s1", "acc-s1", "Name"):
        assert word not in out.getvalue()
    (entry,) = house.log("quality board exported")
    assert (entry.username, entry.detail) == ("admin", {"lines": count, "days": 90})
    with pytest.raises(NotAuthorised):
        quality.export_quality(house.store, house["viewer"], days=90, out=io.StringIO(), now=LATER)


def test_nothing_signed_is_no_drift(house: House) -> None:
    assert judge_models([]) == ()
    assert quality.watch_discordance(house.store, now=LATER) == ()


@pytest.mark.covers("R3")
def test_seconds_and_edits_are_medians_by_model_and_section_and_name_nobody(house: House) -> None:
    told = [(10, 0), (20, 1), (30, 2), (40, 3), (600, 9)]
    readers = ("attending", "colleague", "resident", "attending", "colleague")
    for number, ((seconds, edits), reader) in enumerate(zip(told, readers, strict=True)):
        _spend(house, f"s{number}", seconds, edits, by=reader)
    _spend(house, "s0", 10, 0, section="impression")
    found = quality.section_times(house.store, house["admin"], now=LATER)
    assert found.lines == (SectionMedians(found.lines[0].model, Section.FINDINGS, 5, 30.0, 2.0),)
    assert found.left_out == 1
    assert found.lines[0].model.startswith("janus-tiny")
    assert quality.section_times(house.store, house["admin"], days=None, now=LATER) == found
    later = AT + timedelta(days=2)
    assert quality.section_times(house.store, house["admin"], days=1, now=later) == SectionBoard()
    lines = _exported(house)
    [line] = [line for line in lines if line["by"] == "section"]
    assert (line["model"], line["name"], line["reports_timed"]) == (found.lines[0].model, "findings", "5")
    assert (line["seconds_median"], line["edits_median"]) == ("30.0", "2")
    assert [line["name"] for line in lines if line["by"] == "sections left out"] == ["1"]


@pytest.mark.covers("R3")
def test_few_reports_and_few_readers_have_no_medians_anywhere(house: House) -> None:
    for number in range(FEWEST_REPORTS - 1):
        for reader in ("attending", "attending", "colleague"):
            _spend(house, f"s{number}", 10, 1, by=reader)
    assert quality.section_times(house.store, house["admin"], now=LATER) == SectionBoard(left_out=1)
    for number in range(FEWEST_REPORTS, 2 * FEWEST_REPORTS + 1):
        _spend(house, f"s{number}", 10, 1, by=("attending", "colleague")[number % 2])
    assert quality.section_times(house.store, house["admin"], now=LATER) == SectionBoard(left_out=1)
    assert [line["by"] for line in _exported(house)] == ["sections left out"]


@pytest.mark.covers("C2")
@pytest.mark.parametrize("username", ["viewer", "resident", "auditor"])
def test_section_times_are_for_those_who_answer_for_the_board(house: House, username: str) -> None:
    with pytest.raises(NotAuthorised):
        quality.section_times(house.store, house[username], now=LATER)


def _exported(house: House) -> list[dict[str, str]]:
    out = io.StringIO(newline="")
    quality.export_quality(house.store, house["admin"], days=90, out=out, now=LATER)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def _spend(
    house: House, name: str, seconds: float, edits: int, *, by: str = "attending", section: str = "findings"
) -> None:
    """Be at a section of a study; what was received before is not received again."""
    with house.store.begin() as tx:
        known = bool(tx.reports.summaries(uid(name)))
    study = uid(name) if known else house.drafted(name)
    report = open_study(house.store, house[by], study, now=AT).report
    assert report is not None
    add_times(
        house.store, house[by], report.report_id, {section: {"seconds": seconds, "edits": edits}}, now=AT
    )
