"""What a process that stores beside the listener says of the studies that it carries, and how long it counts.

Not covered: a real request under way (`tests/dicomweb/test_processes.py`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pacs_bridge import Rejected, Spool
from pacs_bridge.carried_studies import CarriedStudies, carried_beside
from tests.bridge.conftest import NO_FLOOR
from tests.conftest import ROOT

_CARRIES_AND_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from pacs_bridge import Spool
from pacs_bridge.carried_studies import CarriedStudies
spool = Spool(Path(sys.argv[1]))
spool.join()
CarriedStudies(spool.layout.temp).carry("1.2.3")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def joined(tmp_path: Path):
    spool = Spool(tmp_path / "spool", floor=NO_FLOOR)
    spool.join()
    yield spool
    spool.close()


def carried(spool: Spool) -> frozenset[str]:
    return carried_beside(spool.layout.root / "temp")


@pytest.mark.covers("L11")
def test_study_is_carried_until_every_request_that_brings_it_has_ended(joined):
    first, second = CarriedStudies(joined.layout.temp), CarriedStudies(joined.layout.temp)
    assert carried(joined) == frozenset()
    for study in ("1.2.3", "1.2.4", "1.2.3"):
        first.carry(study)
    second.carry("1.2.3")
    assert carried(joined) == {"1.2.3", "1.2.4"}
    first.close()
    assert carried(joined) == {"1.2.3"}
    second.close()
    second.close()
    assert carried(joined) == frozenset()
    assert os.listdir(joined.layout.temp) == []


def test_process_that_left_carries_nothing(joined):
    CarriedStudies(joined.layout.temp).carry("1.2.3")
    joined.close()
    assert carried(joined) == frozenset()


def test_killed_process_carries_nothing_and_its_marks_are_no_lost_files(tmp_path):
    root = tmp_path / "spool"
    done = subprocess.run([sys.executable, "-c", _CARRIES_AND_IS_KILLED, str(root)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert list((root / "temp").rglob("*.study"))
    assert carried_beside(root / "temp") == frozenset()
    spool = Spool(root, floor=NO_FLOOR)
    assert spool.recover().temporary_files == 0
    assert os.listdir(root / "temp") == []
    spool.close()


def test_mark_that_cannot_be_written_is_an_answer_to_try_later(joined, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    request = CarriedStudies(joined.layout.temp)
    with pytest.raises(Rejected) as refusal:
        request.carry("1.2.3")
    assert refusal.value.status == 0xA700
    assert os.listdir(joined.layout.temp) == []
