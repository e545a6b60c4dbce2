"""kill -9 of a listening process under load: nothing acknowledged is lost, and the next start tidies up.

Covered: kills at seeded random moments under eight real senders, order of the system calls by strace.
`JANUS_TEST_KILLS` sets their number: 200 for a release.
Not covered: power loss (kill -9 keeps the page cache); the order of the system calls stands for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pacs_bridge import Spool
from pacs_bridge.received import read_head
from tests.bridge.conftest import NO_FLOOR
from tests.bridge.peers import association, encode, radiograph, store, store_dataset
from tests.conftest import ROOT, need
from tests.reliability import record

KILLS = int(os.environ.get("JANUS_TEST_KILLS", "0"))


def start(folder, *prefix, processes=1):
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "tests.bridge.listening_process", str(folder), str(processes)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    line = process.stdout.readline()
    assert line, "the listener did not start"
    return process, json.loads(line)


class Sender(threading.Thread):
    """Sends new instances over one association until the listener dies, and notes what was acknowledged."""

    def __init__(self, port: int, seed: int) -> None:
        super().__init__()
        self._port = port
        self._sides = random.Random(seed)
        self.acknowledged: dict[str, str] = {}
        self.sent: dict[str, object] = {}

    def run(self) -> None:
        try:
            with association(self._port) as assoc:
                while assoc.is_established:
                    dataset = radiograph(side=self._sides.choice([16, 128, 256, 900]))
                    data = encode(dataset)
                    self.sent[dataset.SOPInstanceUID] = dataset
                    if store(assoc, data, dataset.SOPInstanceUID) != 0x0000:
                        return
                    self.acknowledged[dataset.SOPInstanceUID] = hashlib.sha256(data).hexdigest()
        except (RuntimeError, AttributeError, StopIteration, OSError):
            return


def on_disk(folder):
    """SOP Instance UID to digest of the bytes that are really there, of everything handed over."""
    found = {}
    for instance in Spool(folder, floor=NO_FLOOR).incoming(10**9):
        _, offset = read_head(instance.path)
        digest = hashlib.sha256(instance.path.read_bytes()[offset:]).hexdigest()
        assert digest == instance.digest
        found[instance.header.sop_instance_uid] = digest
    return found


def kill_rounds(folder, rounds, seed, senders, processes):
    moments = random.Random(seed)
    acknowledged, unanswered = {}, {}
    orphans = temporary = 0
    for number in range(rounds):
        process, hello = start(folder, processes=processes)
        orphans += len(hello["report"]["requeued"]) + hello["report"]["relinked"]
        temporary += hello["report"]["temporary_files"]
        assert hello["report"]["missing_objects"] == []
        working = [Sender(hello["port"], seed + number * senders + i) for i in range(senders)]
        for sender in working:
            sender.start()
        time.sleep(0.3 + moments.random() * 1.2)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        for sender in working:
            sender.join(60)
            acknowledged |= sender.acknowledged
            unanswered |= {u: d for u, d in sender.sent.items() if u not in sender.acknowledged}
    return acknowledged, unanswered, orphans, temporary


def assert_nothing_lost(folder, rounds, seed, senders, processes):
    acknowledged, unanswered, orphans, temporary = kill_rounds(folder, rounds, seed, senders, processes)
    process, hello = start(folder)
    orphans += len(hello["report"]["requeued"]) + hello["report"]["relinked"]
    temporary += hello["report"]["temporary_files"]
    held = on_disk(folder)
    lost = {uid for uid, digest in acknowledged.items() if held.get(uid) != digest}
    record(
        f"kill_9_of_the_listener_{senders}",
        f"`kill -9` of the listener at {rounds} random moments, {senders} senders",
        f"{len(acknowledged):,} acknowledged, {len(lost)} lost; {orphans} orphans queued again, "
        f"{temporary} temporary files deleted",
        figures={"acknowledged": len(acknowledged), "lost": len(lost), "orphans": orphans},
    )
    try:
        assert len(acknowledged) > rounds
        assert lost == set()
        assert os.listdir(Path(folder) / "temp") == []
        for dataset in unanswered.values():
            assert store_dataset(hello["port"], dataset) == 0x0000
        assert on_disk(folder).keys() == acknowledged.keys() | unanswered.keys()
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(1200 + 15 * KILLS)
@pytest.mark.covers("L1", "L9", "T01")
@pytest.mark.parametrize(("processes", "rounds"), [(1, 15), (2, 8)])
def test_acknowledged_instance_survives_kill(tmp_path, processes, rounds):
    assert_nothing_lost(tmp_path / "spool", KILLS or rounds, seed=20261122, senders=8, processes=processes)


SYSTEM_CALLS = "openat,write,writev,fsync,rename,renameat,renameat2,link,linkat,sendto,sendmsg"


@pytest.mark.slow
@pytest.mark.covers("L1", "T05")
def test_every_answer_follows_fsync_rename_record_fsync(tmp_path):
    """Strace of the listener: before each successful answer its object and name were made durable."""
    need(Path("/usr/bin/strace").exists(), "strace (apt-get install strace)")
    log = tmp_path / "calls"
    strace = ["/usr/bin/strace", "-f", "-y", "-qq", "-e", f"trace={SYSTEM_CALLS}", "-o", str(log)]
    process, hello = start(tmp_path / "spool", *strace)
    try:
        with association(hello["port"]) as assoc:
            for side in (16, 16, 900):
                dataset = radiograph(side=side)
                assert store(assoc, encode(dataset), dataset.SOPInstanceUID) == 0x0000
    finally:
        os.kill(hello["pid"], signal.SIGTERM)
        process.wait(60)
    violations, answers = violations_in(log.read_text())
    record(
        "order_of_system_calls",
        "system calls before each acknowledgement (strace)",
        f"{len(violations)} of {answers} out of order",
        figures={"violations": len(violations), "answers": answers},
    )
    assert answers == 3
    assert violations == []


def whole_calls(log: str) -> list[str]:
    """Put calls together that strace saw interrupted: where they ended, answers where they began."""
    lines, begun = [], {}
    for line in log.splitlines():
        thread, _, rest = line.partition(" ")
        if rest.endswith("<unfinished ...>") and "sendto(" not in rest:
            begun[thread] = line.removesuffix("<unfinished ...>").rstrip()
        elif " resumed>" in rest and thread in begun:
            lines.append(begun.pop(thread) + rest.partition(" resumed>")[2])
        else:
            lines.append(line)
    return lines


def violations_in(log: str) -> tuple[list[str], int]:
    """Check the steps before each C-STORE answer, in the order of the log.

    Steps are recognised by what they touch: fsync of a ``.part``, rename into ``objects``, link into
    ``records``, fsync of the folder of the object, link into ``incoming``, then the answer.
    """
    steps = [
        ("fsync file", re.compile(r"fsync\(\d+<[^>]*/temp/\w+\.part>\)")),
        ("rename", re.compile(r"rename\w*\(.*/temp/\w+\.part\".*/objects/\w\w/\w+\.dcm\"")),
        ("link record", re.compile(r"link\w*\(.*/temp/\w+\.json\".*/records/\w\w/\w+\.json\"")),
        ("fsync folder of objects", re.compile(r"fsync\(\d+<[^>]*/objects/\w\w>\)")),
        ("link entry", re.compile(r"link\w*\(.*/records/.*/incoming/")),
    ]
    answer = re.compile(r"sendto\(\d+<(?:socket|TCP)[^>]*>, \"\\4\\0")
    done: list[str] = []
    violations, answers = [], 0
    for line in whole_calls(log):
        done += [name for name, pattern in steps if pattern.search(line)]
        if answer.search(line):
            if not done:
                # a second PDU of the same answer
                continue
            answers += 1
            if done != [name for name, _ in steps]:
                violations.append(f"answer {answers}: {done}")
            done = []
    return violations, answers


GOOD_LOG = """\
7 fsync(11</s/temp/cd.part>) = 0
7 rename("/s/temp/cd.part", "/s/objects/0a/0abc.dcm") = 0
7 link("/s/temp/ab.json", "/s/records/1b/1bcd.json") = 0
7 fsync(11</s/objects/0a>) = 0
7 link("/s/records/1b/1bcd.json", "/s/incoming/000-1bcd.json") = 0
8 sendto(9<socket:[1]>, "\\4\\0\\0\\0\\0\\210", 142, 0, NULL, 0) = 142
"""
INTERRUPTED_LOG = GOOD_LOG.replace(
    "7 fsync(11</s/temp/cd.part>) = 0\n",
    "7 fsync(11</s/temp/cd.part> <unfinished ...>\n8 fsync(12</s/other> <unfinished ...>\n"
    "8 <... fsync resumed>) = 0\n7 <... fsync resumed>) = 0\n",
)


def test_checker_of_the_order_finds_every_missing_or_late_step():
    """The mutants of the strace test: each step left out, done after the next, or done after the answer."""
    assert violations_in(INTERRUPTED_LOG) == ([], 1)
    assert violations_in(GOOD_LOG) == ([], 1)
    lines = GOOD_LOG.splitlines()
    for index in range(len(lines) - 1):
        without = lines[:index] + lines[index + 1 :]
        late = [*without, lines[index]]
        swapped = [*without[: index + 1], lines[index], *without[index + 1 :]]
        for log in (without, late, swapped):
            violations, answers = violations_in("\n".join(log))
            assert answers == 1
            assert violations, lines[index]
