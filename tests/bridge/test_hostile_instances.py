"""Attacks with instances over real associations: each is answered for what it is, the listener stays well.

Covered: commands that lie (T19), bombs (T20), malformed data sets (T21), preambles that are other files too
(T22), UIDs and AE titles that are paths (T18). Not covered: what decodes pixels (tests/model/input), attacks
on the protocol (test_protocol_garbage), STOW-RS in full (tests/dicomweb).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.dicomweb.incoming import IncomingInstance
from app.send import send_files
from pacs_bridge import AssociationFacts, ListenerConfig, LoggedEvents, Peer, ReceivedInstance, SpoolSink
from pacs_bridge.desk import FrontDesk
from pacs_bridge.elements import Limits
from pacs_bridge.reception import Reception
from tests.bridge.conftest import ASSOCIATION, NOW
from tests.bridge.hostile import bombs, lies, malformed, polyglots
from tests.bridge.peers import (
    CR,
    EXPLICIT,
    association,
    encode,
    radiograph,
    store,
    store_dataset,
    with_meta,
)
from tests.conftest import ROOT, need
from tests.reliability import record

STORESCU = Path("/usr/bin/storescu")
SPOOL_NAME = re.compile(
    r"(objects|records|incoming|quarantine|temp|locks|commitments|commitments_asked|commitment_reports)"
    r"(/[0-9a-f]{2})?(/[0-9a-f]{64}\.(dcm|json)|/[0-9]{20}-[0-9a-f]{64}\.json)?|owner\.lock"
)


@pytest.mark.slow
@pytest.mark.covers("T19")
def test_fifty_commands_that_lie_store_nothing(site):
    """0xA900 (PS3.4 B.2.3), a copy in quarantine and an event for each."""
    with association(site.port) as assoc:
        answers = [store(assoc, data, uid, sop_class) for sop_class, uid, data in lies()]
    assert answers == [0xA900] * 50
    assert site.stored_uids() == set()
    aside = site.spool.quarantined()
    assert len(aside) == 50
    assert {instance.status for instance in aside} == {0xA900}
    assert len(site.events.of("instance_quarantined")) == 50
    assert site.events.of("instance_stored") == []


@pytest.mark.slow
@pytest.mark.covers("T20")
def test_twelve_bombs_cost_the_listener_nothing(tmp_path):
    """In a process of its own, whose memory is looked at all the time; pixels are not its business."""
    command = [sys.executable, "-m", "tests.bridge.listening_process", str(tmp_path / "spool"), "1"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            # the first instances load what is loaded once, and fill the buffers of an association
            for _ in range(3):
                assert store_dataset(port, radiograph(side=600)) == 0x0000
            watched = psutil.Process(process.pid)
            before = watched.memory_info().rss
            answers, peaks = {}, []
            for name, syntax, uid, data in bombs():
                with association(port, contexts=[(CR, syntax)]) as assoc:
                    answers[name] = store(assoc, data, uid, syntax=syntax)
                peaks.append(watched.memory_info().rss)
            growth = (max(peaks) - before) / 2**20
            refused = sorted(name for name, status in answers.items() if status)
            record(
                "bombs",
                "bombs of compression and of declared size, sent to a listener",
                f"{len(answers)} answered, listener +{growth:.1f} MiB",
                figures={"bombs": len(answers), "growth_mib": round(growth, 1)},
            )
            assert len(answers) == 12
            assert set(answers.values()) <= {0x0000, 0xC000}
            assert "deflate 1029:1" in refused
            assert growth <= 20
            assert store_dataset(port, radiograph()) == 0x0000
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.covers("T21", "L13")
def test_sixty_malformed_data_sets_are_refused_with_a_reason(site, caplog):
    cases = list(malformed())
    slowest, wrong = 0.0, []
    with caplog.at_level(logging.ERROR), association(site.port) as assoc:
        for name, data in cases:
            began = time.monotonic()
            if store(assoc, data, "1.2.3.4") != 0xC000:
                wrong.append(name)
            slowest = max(slowest, time.monotonic() - began)
    record(
        "malformed_data_sets",
        "malformed headers, lengths, sequences and counts of elements",
        f"{len(cases)} refused with a reason, slowest {slowest:.2f} s, answered otherwise {len(wrong)}",
        figures={"cases": len(cases), "wrong": len(wrong), "slowest_s": round(slowest, 2)},
    )
    assert len(cases) >= 60
    assert wrong == []
    # an error that nobody expected is logged as request_failed or sink_failed
    assert caplog.records == []
    assert all(instance.reason and instance.status == 0xC000 for instance in site.spool.quarantined())
    assert len(site.spool.quarantined()) == len({hashlib.sha256(data).digest() for _, data in cases})
    assert store_dataset(site.port, radiograph()) == 0x0000


def polyglot_file(folder: Path, preamble: bytes) -> tuple[Path, bytes]:
    """Write a file that begins with the preamble; its path and its data set."""
    dataset = with_meta(radiograph())
    path = folder / "polyglot.dcm"
    dataset.save_as(path, enforce_file_format=True)
    path.write_bytes(preamble + path.read_bytes()[128:])
    return path, encode(dataset)


def send_file(site, path):
    need(STORESCU.exists(), "storescu (apt-get install dcmtk)")
    command = [STORESCU, "-xe", "-aet", "MODALITY1", "-aec", "JANUSMED", "127.0.0.1", str(site.port), path]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def send_by_command(site, path):
    assert send_files([path], to=f"JANUSMED@127.0.0.1:{site.port}", calling="MODALITY1") == 0


def import_file(site, path):
    incoming = IncomingInstance(SpoolSink(site.spool), ASSOCIATION, "", carry=lambda _: None)
    incoming.write(path.read_bytes())
    assert incoming.finish().outcome.status == 0x0000


@pytest.mark.covers("T22")
@pytest.mark.parametrize("bring", [send_file, send_by_command, import_file])
def test_no_preamble_of_a_sender_is_stored(site, tmp_path, bring):
    digests = set()
    for _, preamble in polyglots():
        path, data = polyglot_file(tmp_path, preamble)
        assert path.read_bytes()[:128] == preamble
        bring(site, path)
        digests.add(hashlib.sha256(data).hexdigest())
    stored = site.spool.incoming()
    assert {instance.digest for instance in stored} == digests
    assert len(stored) == 10
    assert {instance.path.read_bytes()[:132] for instance in stored} == {bytes(128) + b"DICM"}


@pytest.mark.covers("T22")
def test_a_whole_polyglot_sent_as_a_data_set_lies_in_quarantine_behind_our_preamble(site, tmp_path):
    digests = set()
    with association(site.port) as assoc:
        for _, preamble in polyglots():
            whole = polyglot_file(tmp_path, preamble)[0].read_bytes()
            assert store(assoc, whole, "1.2.3.4") == 0xC000
            digests.add(hashlib.sha256(whole).hexdigest())
    aside = site.spool.quarantined()
    assert {instance.digest for instance in aside} == digests
    assert {instance.path.read_bytes()[:132] for instance in aside} == {bytes(128) + b"DICM"}


EVIL = st.sampled_from(
    ["../", "..\\", "/", "\\", "..", ".", "\0", "%2e%2e%2f", "~", "~root/", "/tmp/evil", "\n", "é", "\u202e"]
)
NAMES = st.one_of(
    st.lists(st.one_of(EVIL, st.text("0123456789.", max_size=20)), min_size=1, max_size=6).map("".join),
    st.text(min_size=1, max_size=80),
    st.text("0123456789.", min_size=60, max_size=80),
)


def hostile_instance(uid: str, study_uid: str, title: str) -> ReceivedInstance:
    """An instance whose command and data set agree on whatever the names are."""
    dataset = radiograph(side=2)
    parts = [encode(dataset)]
    for keyword, value in (("SOPInstanceUID", uid), ("StudyInstanceUID", study_uid)):
        own = dataset[keyword].value.encode()
        own += b"\0" * (len(own) % 2)
        new = value.encode("utf-8", "replace")
        new += b"\0" * (len(new) % 2)
        before, _, after = parts.pop().partition(len(own).to_bytes(2, "little") + own)
        parts.append(before + len(new).to_bytes(2, "little") + new + after)
    return ReceivedInstance.of_bytes(
        parts[0],
        association=AssociationFacts("a1", title, title[::-1], "127.0.0.1"),
        sop_class_uid=CR,
        sop_instance_uid=uid,
        transfer_syntax=EXPLICIT,
        received_at=NOW,
    )


@pytest.mark.slow
@pytest.mark.covers("T18")
def test_two_thousand_hostile_names_write_nothing_outside_the_spool(spool, caplog):
    config = ListenerConfig(peers=(Peer("MODALITY1"),))
    desk = FrontDesk(config, LoggedEvents(), ())
    reception = Reception(desk, SpoolSink(spool), Limits())
    caplog.set_level(logging.CRITICAL, logger="pacs_bridge")
    above = spool.layout.root.parent
    temporary = set(os.listdir("/tmp"))
    statuses: dict[int, int] = {}

    @settings(
        max_examples=2000,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(NAMES, NAMES, NAMES)
    def receive(uid: str, study_uid: str, title: str) -> None:
        outcome = reception.receive(hostile_instance(uid, study_uid, title))
        statuses[outcome.status] = statuses.get(outcome.status, 0) + 1
        assert outcome.status in {0x0000, 0xA900, 0xC000}
        assert os.listdir(above) == ["spool"]

    receive()
    names = {path.relative_to(spool.layout.root).as_posix() for path in spool.layout.root.rglob("*")}
    strange = {name for name in names if not SPOOL_NAME.fullmatch(name)}
    print(f"answers { ({hex(status): count for status, count in statuses.items()}) }, files {len(names)}")
    assert strange == set()
    assert "evil" not in set(os.listdir("/tmp")) - temporary
    assert sum(statuses.values()) >= 2000
    assert os.listdir(spool.layout.temp) == []
