"""Autosave by sentence: nothing typed is lost, nothing becomes a reader's own by accident."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.domain.errors import NotFound, Rejected, StaleVersion
from app.domain.report import Decision, Origin, Report, Section, compose_section
from app.services.reading import accept_sentence, add_sentence, edit_sentence, open_study, reject_sentence
from tests.unit.services.conftest import NOW, House, uid

AT = NOW + timedelta(minutes=1)


@pytest.fixture
def report(house: House) -> Report:
    """A report in review by the attending."""
    opened = open_study(house.store, house["attending"], house.drafted(), now=AT).report
    assert opened is not None
    return opened


@pytest.mark.covers("U7")
def test_each_sentence_is_edited_accepted_or_rejected_and_keeps_what_the_model_wrote(
    house: House, report: Report
) -> None:
    actor = house["attending"]
    edit_sentence(house.store, actor, report.report_id, "ai-1", "  Nodule in the\n right lung. ", now=AT)
    after = accept_sentence(house.store, actor, report.report_id, "ai-2", now=AT)
    assert after == house.report(report.report_id)
    first, second = after.sentences
    assert (first.text, first.ai_text) == ("Nodule in the right lung.", "Nodule in the left lung.")
    assert (first.decision, second.decision) == (Decision.EDITED, Decision.ACCEPTED)
    assert after.version == report.version + 2
    after = reject_sentence(house.store, actor, report.report_id, "ai-2", now=AT)
    assert compose_section(after.sentences, Section.IMPRESSION) == ""
    assert after.sentence("ai-2").ai_text == "Possible lesion."


def test_taking_back_a_rejection_does_not_call_the_readers_text_the_models(
    house: House, report: Report
) -> None:
    actor = house["attending"]
    edit_sentence(house.store, actor, report.report_id, "ai-1", "Normal.", now=AT)
    reject_sentence(house.store, actor, report.report_id, "ai-1", now=AT)
    after = accept_sentence(house.store, actor, report.report_id, "ai-1", now=AT)
    assert after.sentence("ai-1").decision is Decision.EDITED


@pytest.mark.covers("U7")
def test_saving_the_same_text_again_touches_nothing(house: House, report: Report) -> None:
    actor, before = house["attending"], house.log()
    again = edit_sentence(house.store, actor, report.report_id, "ai-1", " Nodule in the left lung.", now=AT)
    assert again == report
    assert again.sentence("ai-1").is_untouched_ai
    accept_sentence(house.store, actor, report.report_id, "ai-1", now=AT)
    accept_sentence(house.store, actor, report.report_id, "ai-1", now=AT)
    assert len(house.log()) == len(before) + 1


def test_added_sentences_stand_at_the_end_of_their_section(house: House, report: Report) -> None:
    actor = house["attending"]
    add_sentence(house.store, actor, report.report_id, Section.FINDINGS, "Clear.", now=AT)
    after = add_sentence(house.store, actor, report.report_id, Section.FINDINGS, "No effusion.", now=AT)
    assert (
        compose_section(after.sentences, Section.FINDINGS) == "Nodule in the left lung. Clear. No effusion."
    )
    assert [s.origin for s in house.report(report.report_id).sentences].count(Origin.HUMAN) == 2


@pytest.mark.covers("T27")
@pytest.mark.parametrize("text", ["bell\x07", "\x1b[31m", "\x9bx", "half\ud800", "x" * 10_001], ids=range(5))
def test_control_characters_and_endless_text_are_refused(house: House, report: Report, text: str) -> None:
    with pytest.raises(Rejected):
        edit_sentence(house.store, house["attending"], report.report_id, "ai-1", text, now=AT)
    with pytest.raises(Rejected):
        add_sentence(house.store, house["attending"], report.report_id, Section.FINDINGS, text, now=AT)
    assert house.report(report.report_id) == report


def test_unknown_sentences_and_reports_are_named(house: House, report: Report) -> None:
    with pytest.raises(NotFound, match="no sentence 'ai-9'"):
        accept_sentence(house.store, house["attending"], report.report_id, "ai-9", now=AT)
    with pytest.raises(NotFound, match="no report 999"):
        accept_sentence(house.store, house["attending"], 999, "ai-1", now=AT)


@pytest.mark.covers("T39")
def test_a_hundred_racing_writers_lose_no_edit(house: House, report: Report) -> None:
    actor = house["attending"]

    def write(number: int) -> None:
        if number % 2:
            add_sentence(house.store, actor, report.report_id, Section.FINDINGS, f"Line {number}.", now=AT)
        else:
            edit_sentence(house.store, actor, report.report_id, "ai-2", f"Impression {number}.", now=AT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(100)))
    after = house.report(report.report_id)
    assert after.version == report.version + 100
    written = {s.text for s in after.sentences if s.origin is Origin.HUMAN}
    assert written == {f"Line {n}." for n in range(1, 100, 2)}
    assert len({s.key for s in after.sentences}) == 52
    versions = [entry.detail["version"] for entry in house.log("sentence edited")]
    assert versions == list(range(report.version + 1, report.version + 101))


@pytest.mark.covers("T39")
def test_an_edit_that_names_an_older_version_is_refused(house: House, report: Report) -> None:
    """Ten tabs of one reader write the same sentence from the same page: one is saved, nine are told."""

    def write(number: int) -> bool:
        try:
            edit_sentence(
                house.store,
                house["attending"],
                report.report_id,
                "ai-1",
                f"Text of tab {number}.",
                version=report.version,
                now=AT,
            )
        except StaleVersion:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        won = list(pool.map(write, range(10)))
    assert sum(won) == 1
    assert house.report(report.report_id).sentence("ai-1").text == f"Text of tab {won.index(True)}."


@pytest.mark.covers("A1", "C3")
def test_the_log_of_edits_holds_keys_and_lengths_but_no_text(house: House, report: Report) -> None:
    actor = house["attending"]
    edit_sentence(house.store, actor, report.report_id, "ai-1", "Secret sentence.", now=AT)
    add_sentence(house.store, actor, report.report_id, Section.IMPRESSION, "Secret sentence.", now=AT)
    reject_sentence(house.store, actor, report.report_id, "ai-2", now=AT)
    entries = house.log(study="s1")
    assert [e.event for e in entries[-3:]] == ["sentence edited", "sentence edited", "sentence rejected"]
    assert (entries[-3].detail["key"], entries[-3].detail["length"]) == ("ai-1", 16)
    for word in ("Secret", "Nodule", "Name", "id-of-s1", "acc-s1", uid("other")):
        assert word not in str(entries)
