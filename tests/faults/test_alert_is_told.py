"""The delivery process itself: a refused message becomes a dead letter, and the hook tells a person of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from pydicom import dcmread

from app.domain.access import service_actor
from app.services.work import dead_letters
from app.store.engine import open_store
from app.store.migrate import upgrade
from tests.bridge.hl7_sink import run_sink
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings
from tests.workers.stories import now, receive, sign_by_hand

WRITE = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"


@pytest.mark.slow
@pytest.mark.covers("S6", "C3")
def test_refused_message_is_told_within_a_minute_and_names_no_patient(
    data_dir: Path, tmp_path: Path, ct_slice: Path
) -> None:
    told = tmp_path / "told.json"
    with run_sink("AE") as ris:
        settings = system_settings(
            data_dir,
            destinations=({"kind": "hl7", "name": "RIS", "host": "127.0.0.1", "port": ris.port},),
            alert_command=(sys.executable, "-c", WRITE, str(told)),
        )
        upgrade(settings)
        with open_store(settings) as store, Process(settings, "deliver") as process:
            process.wait_until_ready()
            sign_by_hand(store, receive(store, settings, ct_slice), ("RIS", "hl7_oru"))
            wait_until(lambda: bool(dead_letters(store, service_actor("test"), now=now())), 60)
            wait_until(lambda: told.exists() and told.stat().st_size > 0, 60)
            output = process.output()
    [alert] = json.loads(told.read_text())["alerts"]
    assert (alert["what"], alert["where"]) == ("delivery given up", "delivery 1 (hl7_oru) to RIS")
    image = dcmread(ct_slice, stop_before_pixels=True)
    for value in (str(image.PatientName), image.PatientID, image.StudyInstanceUID, "Text of the findings"):
        assert value
        assert value not in told.read_text()
        assert value not in output
