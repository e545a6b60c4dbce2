"""A disk that is nearly full, or full: refused with 0xA700, nothing partial stays, works again by itself."""

from __future__ import annotations

import errno
import os
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from pacs_bridge import FreeSpaceFloor, Rejected, Spool, read_header
from tests.bridge.conftest import put, received
from tests.bridge.peers import EXPLICIT, association, encode, radiograph, store
from tests.conftest import need

Usage = namedtuple("Usage", "total used free")


@pytest.mark.covers("L6")
@pytest.mark.parametrize(
    ("total", "free", "taken"),
    [
        (10**12, 6 * 10**9, True),
        (10**12, 4 * 10**9, False),
        (10**10, 1.1 * 10**9, True),
        (10**10, 0.9 * 10**9, False),
    ],
)
def test_floor_is_the_smaller_of_ten_percent_and_five_gigabytes(total, free, taken):
    floor = FreeSpaceFloor(usage=lambda _: Usage(total, total - free, free))
    if taken:
        floor.check(Path())
    else:
        with pytest.raises(Rejected) as refusal:
            floor.check(Path())
        assert refusal.value.status == 0xA700


@pytest.mark.covers("L6")
def test_listener_below_the_floor_refuses_and_resumes_by_itself(spool, site):
    free = [0]
    spool.floor = FreeSpaceFloor(usage=lambda _: Usage(10**12, 10**12 - free[0], free[0]))
    with association(site.port) as assoc:
        for size in (16, 2048):
            refused = radiograph(side=size)
            assert store(assoc, encode(refused), refused.SOPInstanceUID) == 0xA700
        assert assoc.send_c_echo().Status == 0
        assert site.stored_uids() == set()
        assert os.listdir(spool.layout.temp) == []
        assert spool.quarantined() == []
        with pytest.raises(Rejected):
            spool.check_space()
        free[0] = 10**11
        spool.check_space()
        assert store(assoc, encode(refused), refused.SOPInstanceUID) == 0x0000
    assert len(site.events.of("instance_refused")) == 2


@pytest.mark.covers("L6")
def test_identical_instance_is_acknowledged_even_when_the_disk_is_full(spool):
    dataset = radiograph()
    put(spool, dataset)
    spool.floor = FreeSpaceFloor(usage=lambda _: Usage(10**12, 10**12, 0))
    assert put(spool, dataset).status == 0x0000


@pytest.mark.covers("L6", "T06")
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "link"])
def test_no_step_that_meets_a_full_disk_is_acknowledged(spool, monkeypatch, call):
    """ENOSPC from each system call of `store` in turn."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = "pacs_bridge.durable.write_all" if call == "write" else f"os.{call}"
    dataset = radiograph()
    with monkeypatch.context() as patched:
        patched.setattr(target, full)
        with pytest.raises(Rejected) as refusal:
            put(spool, dataset)
    assert refusal.value.status == 0xA700
    assert os.listdir(spool.layout.temp) == []
    assert spool.incoming() == []
    assert put(spool, dataset).status == 0x0000
    assert len(spool.incoming()) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False
    )
    need(mounted.returncode == 0, "the right to mount a tmpfs (root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
@pytest.mark.covers("L6", "T06")
def test_really_full_disk_acknowledges_nothing_false(small_disk, start_site):
    spool = Spool(small_disk / "spool", floor=FreeSpaceFloor(size=0))
    spool.recover()
    site = start_site(on=spool)
    acknowledged, refused = [], []
    with association(site.port) as assoc:
        for number in range(60):
            dataset = radiograph(side=1024 if number % 3 else 256)
            status = store(assoc, encode(dataset), dataset.SOPInstanceUID)
            (acknowledged if status == 0 else refused).append((dataset, status))
        ballast = small_disk / "ballast"
        assert {status for _, status in refused} == {0xA700}
        assert refused
        assert os.listdir(spool.layout.temp) == []
        assert site.stored_uids() == {d.SOPInstanceUID for d, _ in acknowledged}
        for instance in spool.incoming():
            instance.path.unlink()
        dataset = refused[0][0]
        assert store(assoc, encode(dataset), dataset.SOPInstanceUID) == 0x0000
    assert not ballast.exists()
    print(f"acknowledged {len(acknowledged)}, refused {len(refused)}, false acks 0, temps 0")


@pytest.mark.covers("L6")
def test_part_file_of_a_large_instance_does_not_outlive_a_full_disk(spool, monkeypatch):
    from pacs_bridge.received import DataSetBytes

    dataset = radiograph(side=1024)
    instance = received(dataset)
    content = DataSetBytes(1000, lambda: spool.open_part(instance.head))
    content.write(encode(dataset)[:1500])
    assert len(os.listdir(spool.layout.temp)) == 1

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    class FullFile:
        write = full

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    content.part.file.close()
    content.part.file = FullFile()
    content.write(encode(dataset)[1500:])
    assert content.error is not None
    assert os.listdir(spool.layout.temp) == []
    from dataclasses import replace

    with pytest.raises(Rejected) as refusal:
        spool.store(replace(instance, content=content), read_header(encode(dataset), EXPLICIT))
    assert refusal.value.status == 0xA700
