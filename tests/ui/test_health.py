"""What a machine asks: alive, ready, how many; never who."""

from __future__ import annotations

import shutil

import pytest

from app.domain.errors import DatabaseUnavailable
from tests.ui.conftest import Browser, Hospital


def test_live_and_ready_are_open_to_all(stranger: Browser) -> None:
    assert stranger.get("/live").status_code == 200
    answer = stranger.get("/ready")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


@pytest.mark.covers("R1")
def test_not_ready_without_a_database(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_away() -> None:
        raise DatabaseUnavailable("postgresql://secret@host is away")

    monkeypatch.setattr(hospital.store, "ping", is_away)
    answer = Browser(hospital).get("/ready")
    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "DatabaseUnavailable")
    assert "secret" not in answer.text


@pytest.mark.covers("R1", "L6")
def test_not_ready_below_the_floor_of_free_space_and_again_when_there_is_space(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, usage = Browser(hospital), shutil.disk_usage(hospital.room.settings.data_dir)
    with monkeypatch.context() as full:
        full.setattr("shutil.disk_usage", lambda _: usage._replace(free=10**6))
        answer = browser.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["spool"]) == (503, "SpoolFull")
    assert browser.get("/ready").status_code == 200


def test_ready_before_the_listener_has_made_the_spool_but_not_without_a_data_folder(
    hospital: Hospital,
) -> None:
    settings, browser = hospital.room.settings, Browser(hospital)
    settings.spool_dir.rmdir()
    assert browser.get("/ready").status_code == 200
    settings.data_dir.rename(settings.data_dir.with_name("elsewhere"))
    answer = browser.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["spool"]) == (503, "missing")


@pytest.mark.covers("R1", "C3")
def test_metrics_count_studies_and_name_nobody(hospital: Hospital, stranger: Browser) -> None:
    received = hospital.chest(patient_name="Canary^Seeded", patient_id="CANARY-1", description="CANARY-2")
    hospital.leg()
    text = stranger.get("/metrics").text
    assert 'janus_med_studies{state="DRAFTED"} 1.0' in text
    assert 'janus_med_studies{state="UNDRAFTED"} 1.0' in text
    assert "janus_med_database_up 1.0" in text
    assert not any(word in text.lower() for word in ("canary", received.study_uid, "ada", "password"))


def test_log_ins_are_counted_by_outcome(stranger: Browser) -> None:
    from tests.ui.test_login import fill_form

    stranger.post("/login", data=fill_form(stranger, password="wrong"))
    assert 'janus_med_logins_total{outcome="failure"} 1.0' in stranger.get("/metrics").text
