"""What a machine asks: alive, ready, how many; never who."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.errors import DatabaseUnavailable
from app.ui.room import Room
from tests.ui.conftest import Browser, Hospital


def room_with(hospital: Hospital, room: Room) -> Browser:
    return Browser(replace(hospital, room=room))


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


@pytest.mark.covers("R1")
def test_not_ready_below_the_floor_of_free_space_or_without_a_spool(hospital: Hospital) -> None:
    settings = hospital.room.settings
    assert Browser(hospital).get("/ready").json()["checks"]["spool"] == "ok"
    settings.spool_dir.joinpath("objects").mkdir(exist_ok=True)
    settings.spool_dir.rename(settings.data_dir / "elsewhere")
    answer = Browser(hospital).get("/ready")
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
