"""The proof of the audit log: every tampering at every place, and what an attacker with more power leaves.

Covered: 4 kinds of tampering at each of 10,000 places by the log's own verification and by the stand-alone
one; the tail cut, an old copy restored, the log written again without and with the key, each 20 times, with
and without what was kept outside; checkpoints that are forged, moved, or missing. Not covered: the database
(`tests/store/test_audit_log.py`), bundles (`tests/workers/test_audit_bundle.py`).
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit import GENESIS, AuditEntry, check_link
from app.domain.audit_proof import Anchor, verify_whole
from app.domain.checkpoint import Checkpoint, CheckpointWatch, Occasion, is_due, read_checkpoint
from app.domain.errors import AuditBroken
from app.services import verify_audit
from tests.reliability import record
from tests.unit.audit_logs import (
    FOREIGN,
    KEY,
    NOW,
    checkpoint_after,
    entry_after,
    export_of,
    grow,
    heading_of,
    make_log,
    redigest,
)

LENGTH, SEED, TIMES = 10_000, 28, 20
Tampering = Callable[[Sequence[AuditEntry], int], tuple[list[AuditEntry], int]]


def edit(log: Sequence[AuditEntry], place: int) -> tuple[list[AuditEntry], int]:
    """Alter the entry at a place; return what stands there then, and the number that must be named."""
    return [replace(log[place], source="192.0.2.99"), *log[place + 1 : place + 3]], place + 1


def delete(log: Sequence[AuditEntry], place: int) -> tuple[list[AuditEntry], int]:
    """Take the entry at a place out."""
    return list(log[place + 1 : place + 3]), place + 1


def insert(log: Sequence[AuditEntry], place: int) -> tuple[list[AuditEntry], int]:
    """Put an entry of one's own, with a right digest, before the one at a place."""
    own = entry_after(log[:place], username="nobody")
    return [own, *log[place : place + 2]], place + 2


def swap(log: Sequence[AuditEntry], place: int) -> tuple[list[AuditEntry], int]:
    """Let the entry at a place and the next one (the last: the one before) change places, numbers kept."""
    first = min(place, len(log) - 2)
    one, two = log[first], log[first + 1]
    changed = [replace(two, seq=one.seq), replace(one, seq=two.seq)]
    return [*changed, *log[first + 2 : first + 3]], first + 1


TAMPERINGS: tuple[Tampering, ...] = (edit, delete, insert, swap)


def numbered(entries: Sequence[AuditEntry], seq: int) -> list[AuditEntry]:
    """Give entries running numbers, as somebody would who changes the log."""
    return [replace(entry, seq=seq + place) for place, entry in enumerate(entries)]


@pytest.fixture(scope="module")
def log() -> list[AuditEntry]:
    return make_log(LENGTH)


@pytest.mark.slow
@pytest.mark.covers("T28", "A2")
@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_every_tampering_at_every_place_of_ten_thousand_is_named(
    log: list[AuditEntry], tamper: Tampering
) -> None:
    """By both verifications, each from its own state before the place: nothing before it has changed."""
    found = Counter[str]()
    ours, theirs = CheckpointWatch(KEY), _walk(log)
    for place in range(LENGTH):
        previous = log[place - 1].digest if place else GENESIS
        start = min(place, LENGTH - 2) if tamper is swap else place
        if (
            start == place
        ):  # the last swap begins one place earlier, where the states are gone: the end shows it
            entries, named = tamper(log, place)
            for name, check in (("ours", _ours), ("stand-alone", _theirs)):
                state = copy.copy(ours if name == "ours" else theirs)
                said = check(state, entries, place, previous, log)
                found[name] += said is not None and f"entry {named} " in f"{said} "
        ours.see(log[place])
        theirs.step(_plain(log[place]))
    tried = LENGTH - (tamper is swap)
    record(
        f"audit_tampering_{tamper.__name__}",
        f"one entry of an audit log of {LENGTH:,} tampered with ({tamper.__name__}), at every place",
        f"named by the log's verification {found['ours']:,}, by the stand-alone one "
        f"{found['stand-alone']:,} of {tried:,}",
        figures={"tried": tried, **found},
    )
    assert found == {"ours": tried, "stand-alone": tried}


def _step_through(entries: Sequence[AuditEntry]) -> None:
    walk = _walk(entries)
    for entry in entries:
        walk.step(_plain(entry))


def _walk(log: Sequence[AuditEntry]) -> verify_audit.Walk:
    head = {"head": {"seq": log[-1].seq, "digest": log[-1].digest}, "whole": True}
    keys = verify_audit.Keys([])
    keys.known = dict(KEY.trusted)
    return verify_audit.Walk(head, keys)


def _plain(entry: AuditEntry) -> dict[str, object]:
    return entry.body() | {"digest": entry.digest}


def _ours(
    state: CheckpointWatch,
    entries: Sequence[AuditEntry],
    place: int,
    previous: str,
    log: Sequence[AuditEntry],
) -> str | None:
    seq = place
    try:
        for entry in entries:
            check_link(entry, seq=seq + 1, previous=previous)
            state.see(entry)
            seq, previous = entry.seq, entry.digest
    except AuditBroken as error:
        return str(error)
    # what verify_chain says when the walk is over before the head
    return None if (seq, previous) == (log[-1].seq, log[-1].digest) else f"entry {seq + 1} is gone"


def _theirs(
    state: verify_audit.Walk,
    entries: Sequence[AuditEntry],
    place: int,
    previous: str,
    log: Sequence[AuditEntry],
) -> str | None:
    try:
        for entry in entries:
            state.step(_plain(entry))
        state.end(state.count, "", "")
    except verify_audit.Broken as error:
        return str(error)
    return None


@pytest.mark.covers("T28", "A2")
def test_entry_that_was_altered_with_a_new_digest_breaks_the_link_after_it() -> None:
    """Its own digest fits: the entry behind it does not follow it any more, and is the one that is named."""
    log = make_log(60, every=20)
    for place in range(len(log) - 1):
        if log[place].event == "audit checkpoint":
            continue
        changed = [*log[:place], redigest(replace(log[place], source="192.0.2.99")), *log[place + 1 :]]
        with pytest.raises(AuditBroken, match=f"entry {place + 2} does not follow entry {place + 1}"):
            verify_whole(changed, KEY)
        with pytest.raises(verify_audit.Broken, match=f"entry {place + 2} does not follow entry {place + 1}"):
            _step_through(changed)


@pytest.mark.slow
@pytest.mark.covers("T28", "A2")
def test_two_hundred_tampered_exports_are_named_by_the_whole_stand_alone_verifier(
    log: list[AuditEntry],
) -> None:
    chance = random.Random(SEED)
    short, named = log[:2000], 0
    for number in range(200):
        tamper, place = TAMPERINGS[number % 4], chance.randrange(1998)
        entries, bad = tamper(short, place)
        first = bad - (2 if tamper is insert else 1)
        changed = [*short[:first], *entries[: 2 if tamper is swap else 1]]
        if tamper is delete:
            changed = short[:place]
        changed += short[place + (2 if tamper is swap else 0 if tamper is insert else 1) :]
        keys = verify_audit.Keys([])
        keys.known = dict(KEY.trusted)
        lines = iter(_exported(changed, short))
        with pytest.raises(verify_audit.Broken, match=f"entry {bad} "):
            verify_audit.verify(lines, keys)
        named += 1
    record(
        "audit_tampered_exports",
        "exports of 2,000 entries tampered with, verified whole by the stand-alone verifier",
        f"first bad entry named {named} of 200",
        seed=SEED,
        figures={"named": named},
    )


def _exported(changed: Sequence[AuditEntry], real: Sequence[AuditEntry]) -> Iterator[str]:
    """Give an export that was made of changed entries, with links and count that fit them."""
    text = export_of(changed) if changed[-1] == real[-1] else export_of([*changed])
    first, *rest = text.splitlines()
    yield heading_of(real).as_json()
    del first
    yield from rest


def _rewritten(log: list[AuditEntry], place: int) -> list[AuditEntry]:
    """Write a log again from a place on, with every digest right, and the checkpoints as they were."""
    changed = log[:place]
    for entry in log[place:]:
        told = {"source": "10.0.0.1"} if entry.event != "audit checkpoint" else {}
        changed.append(redigest(replace(entry, previous=changed[-1].digest, **told)))
    return changed


POWERS = {
    "cut tail, head moved along": lambda log, place: log[:place],
    "old copy restored, and gone on from": lambda log, place: grow(log[:place], len(log), source="10.0.0.1"),
    "written again without the key, checkpoints left out": lambda log, place: grow(
        log[:place], len(log), every=0, source="10.0.0.1"
    ),
    "written again without the key, old checkpoints kept": _rewritten,
    "written again with a key of one's own": lambda log, place: grow(
        log[:place], len(log), key=FOREIGN, source="10.0.0.1"
    ),
    "written again with our key": lambda log, place: grow(log[:place], len(log), source="10.0.0.1"),
}
FOUND_ALONE = {
    "written again without the key, old checkpoints kept",
    "written again with a key of one's own",
}


@pytest.mark.covers("T29", "A2")
@pytest.mark.parametrize("power", POWERS)
def test_what_a_ruler_of_the_database_does_to_the_log_is_found_as_the_threat_model_says(power: str) -> None:
    """The head is changed along. A checkpoint finds what has no key; what was kept outside finds the rest."""
    log, chance = make_log(1000, every=50), random.Random(SEED)
    kept = Anchor(950, log[949].digest, "an export of last night")
    alone = outside = 0
    for _ in range(TIMES):
        # before the last checkpoint, where a key is needed, and before the anchor
        changed = POWERS[power](list(log), chance.randrange(1, 900))
        head = (changed[-1].seq, changed[-1].digest)
        alone += _is_found(lambda c=changed, h=head: verify_whole(c, KEY, head=h))
        outside += _is_found(lambda c=changed, h=head: verify_whole(c, KEY, head=h, anchors=[kept]))
    exposed = len(log) - kept.seq
    record(
        f"audit_{list(POWERS).index(power)}",
        f"audit log: {power}",
        f"found by the log alone {alone} of {TIMES}, with an anchor {outside} of {TIMES}; "
        f"{exposed} rows exposed since the anchor",
        seed=SEED,
        figures={"alone": alone, "anchored": outside, "exposed": exposed},
    )
    assert outside == TIMES
    assert alone == (TIMES if power in FOUND_ALONE else 0)


def _is_found(verify: Callable[[], object]) -> bool:
    try:
        verify()
    except AuditBroken:
        return True
    return False


@pytest.mark.covers("T29")
def test_log_without_checkpoints_says_how_much_of_it_the_chain_alone_holds() -> None:
    log = make_log(1000, every=50)
    state = verify_whole(log, KEY)
    assert (state.count, state.checkpoints, state.covered, state.exposed) == (1000, 20, 999, 0)
    bare = grow(log[:500], 1000, every=0)
    state = verify_whole(bare, KEY)
    assert (state.checkpoints, state.covered, state.exposed) == (10, 499, 500)


def test_checkpoint_that_is_forged_moved_or_missing_is_named() -> None:
    log = make_log(150, every=50)
    forged = [*log[:49], checkpoint_after(log[:49], 1, FOREIGN)]
    with pytest.raises(AuditBroken, match="the checkpoint in entry 50 has no seal of a trusted key"):
        verify_whole(forged, KEY)
    moved = entry_after(log[:99], event="audit checkpoint", at=log[49].at, detail=log[49].detail)
    with pytest.raises(AuditBroken, match="the checkpoint in entry 100 was made for another place"):
        verify_whole([*log[:99], moved], KEY)
    skipped = [*log[:49], checkpoint_after(log[:49], 2)]
    with pytest.raises(AuditBroken, match="number 1 is missing"):
        verify_whole(skipped, KEY)
    empty = entry_after(log[:49], event="audit checkpoint", detail={"number": "x"})
    with pytest.raises(AuditBroken, match="entry 50 is no checkpoint, although it says so"):
        verify_whole([*log[:49], empty], KEY)


@pytest.mark.parametrize(
    ("entries", "hours", "expected"),
    [
        (0, 5, None),
        (1, 0.5, None),
        (1, 1, Occasion.HOUR),
        (99, 0.5, None),
        (100, 0, Occasion.ROWS),
        (500, 5, Occasion.ROWS),
    ],
)
def test_checkpoint_is_due_after_so_many_entries_or_an_hour_with_any(
    entries: int, hours: float, expected: Occasion | None
) -> None:
    last = Checkpoint(1, 10, "d" * 64, NOW, "rows")
    assert is_due(last, 11 + entries, every=100, now=NOW + timedelta(hours=hours)) is expected
    assert is_due(None, entries, every=100, now=NOW) is (
        None if entries == 0 else Occasion.ROWS if entries >= 100 else Occasion.HOUR
    )


def test_entry_of_a_checkpoint_reads_back_as_it_was_made() -> None:
    log = make_log(50, every=50)
    read = read_checkpoint(log[-1])
    assert read is not None
    assert (read.number, read.seq, read.digest, read.at) == (1, 49, log[-2].digest, log[-1].at)
    assert read_checkpoint(log[0]) is None
