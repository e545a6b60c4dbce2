"""The demonstration archive: it stores, keeps over restarts, lists, and says why it cannot start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from pacs_bridge import Destination, Fatal, Peer, Rejected, echo, send_instances
from pacs_bridge.archive import Archive
from tests.bridge.peers import CT, radiograph, with_meta
from tests.conftest import ROOT


def test_archive_holds_what_it_acknowledged_over_restarts(fast_folder):
    report = with_meta(radiograph(Modality="SR", pixels=False))
    image = with_meta(radiograph(SOPClassUID=CT, Modality="CT"))
    for expected in (2, 2):
        archive = Archive(fast_folder / "pacs", peers=(Peer("JANUSMED"),))
        archive.start()
        destination = Destination("ARCHIVE", "127.0.0.1", archive.port)
        assert [o.status for o in send_instances([report, image], destination, calling_ae="JANUSMED")] == [
            0,
            0,
        ]
        assert len(archive.holdings()) == expected
        archive.stop()
    (held,) = archive.holdings("SR")
    assert held.sop_instance_uid == report.SOPInstanceUID
    assert held.study_uid == report.StudyInstanceUID
    assert held.path.is_file()


def test_archive_admits_only_its_peers(fast_folder):
    archive = Archive(fast_folder / "pacs", peers=(Peer("JANUSMED"),))
    archive.start()
    try:
        with pytest.raises(Rejected):
            echo(Destination("ARCHIVE", "127.0.0.1", archive.port), calling_ae="OTHER")
    finally:
        archive.stop()


def test_folder_is_used_by_one_archive(fast_folder):
    first, second = (Archive(fast_folder / "pacs") for _ in range(2))
    first.start()
    try:
        with pytest.raises(Fatal):
            second.start()
    finally:
        first.stop()


@pytest.mark.slow
def test_archive_command_serves_lists_and_ends_on_sigterm(fast_folder):
    command = [sys.executable, "-m", "pacs_bridge.archive", "--folder", str(fast_folder / "pacs")]
    process = subprocess.Popen(
        [*command, "--port", "0", "--allow", "JANUSMED@127.0.0.0/8"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    dataset = with_meta(radiograph())
    send_instances([dataset], Destination("ARCHIVE", "127.0.0.1", port), calling_ae="JANUSMED")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert dataset.SOPInstanceUID in listed
    none = subprocess.run(
        [*command, "--list", "--modality", "SR"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert none.stdout == ""


@pytest.mark.slow
def test_archive_command_names_a_taken_port(fast_folder, site):
    command = [sys.executable, "-m", "pacs_bridge.archive", "--folder", str(fast_folder / "pacs")]
    done = subprocess.run(
        [*command, "--port", str(site.port)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{site.port}" in done.stderr
