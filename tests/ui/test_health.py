"""What a machine asks: alive, ready, how many; never who."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pytest

from app.domain.errors import DatabaseUnavailable
from app.domain.metrics import METRICS
from app.services.counting import Counts
from app.services.watch import ProcessReport, record_report
from tests.ui.conftest import Browser, Hospital


def test_live_and_ready_are_open_to_all(hospital: Hospital, stranger: Browser) -> None:
    hospital.listener_lives()
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
    hospital.listener_lives()
    browser, usage = Browser(hospital), shutil.disk_usage(hospital.room.settings.data_dir)
    with monkeypatch.context() as full:
        full.setattr("shutil.disk_usage", lambda _: usage._replace(free=10**6))
        answer = browser.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["spool"]) == (503, "SpoolFull")
    assert browser.get("/ready").status_code == 200


def test_ready_before_the_listener_has_made_the_spool_but_not_without_a_data_folder(
    hospital: Hospital,
) -> None:
    hospital.listener_lives()
    settings, browser = hospital.room.settings, Browser(hospital)
    settings.spool_dir.rmdir()
    assert browser.get("/ready").status_code == 200
    settings.data_dir.rename(settings.data_dir.with_name("elsewhere"))
    answer = browser.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["spool"]) == (503, "missing")


@pytest.mark.covers("R1")
def test_not_ready_without_a_listener_nor_with_tables_of_another_release(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(hospital)
    answer = browser.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["listener"]) == (503, "ListenerSilent")
    hospital.listener_lives()
    monkeypatch.setattr("app.store.readiness.SCHEMA_REVISION", "9999")
    answer = browser.get("/ready")
    assert (answer.status_code, answer.json()["checks"]["schema"]) == (503, "ConfigurationError")


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


@pytest.mark.covers("R1")
def test_every_metric_of_the_catalogue_is_shown_and_no_other(hospital: Hospital, stranger: Browser) -> None:
    hospital.listener_lives()
    shown = {
        line.split()[2].removesuffix("_total")
        for line in stranger.get("/metrics").text.splitlines()
        if line.startswith("# TYPE") and not line.split()[2].endswith("_created")
    }
    assert shown == set(METRICS)
    assert "janus_med_associations_open 3.0" in stranger.get("/metrics").text


@pytest.mark.covers("R1")
def test_durable_counts_of_several_processes_are_one_number(hospital: Hospital, stranger: Browser) -> None:
    for process in ("one", "two"):
        counts = Counts()
        counts.add("janus_med_instances", calling_ae="CT1", outcome="stored")
        counts.observe("janus_med_ack_seconds", 0.02)
        increments, heard = counts.take()
        report = ProcessReport("listener", process, datetime.now(UTC), increments, heard=heard)
        record_report(hospital.store, report, now=datetime.now(UTC))
    text = stranger.get("/metrics").text
    assert 'janus_med_instances_total{calling_ae="CT1",outcome="stored"} 2.0' in text
    assert 'janus_med_ack_seconds_bucket{le="0.01"} 0.0' in text
    assert 'janus_med_ack_seconds_bucket{le="0.025"} 2.0' in text
    assert "janus_med_ack_seconds_count 2.0" in text
    assert 'janus_med_process_up{process="listener"} 2.0' in text
