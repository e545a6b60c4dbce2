"""The proof of a whole audit log: its chain, its checkpoints, and what was kept of it elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.audit import AuditEntry, verify_chain
from app.domain.checkpoint import CheckpointWatch, Trust
from app.domain.errors import AuditBroken


@dataclass(frozen=True)
class Anchor:
    """What somebody kept of the log outside of it: number and digest of one entry, and where that stood.

    Attributes
    ----------
    where
        For the person who reads that it does not fit.
    """

    seq: int
    digest: str
    where: str


@dataclass(frozen=True)
class LogState:
    """What a verification of the whole log found.

    Attributes
    ----------
    count, head
        Entries, and the digest of the last (64 zeros when there is none).
    checkpoints
        How many there are.
    covered
        Number of the last entry that a checkpoint covers: what comes after it, the chain alone holds.
    """

    count: int
    head: str
    checkpoints: int
    covered: int

    @property
    def exposed(self) -> int:
        """Entries after the last checkpoint, its own not counted."""
        return max(0, self.count - self.covered - (1 if self.checkpoints else 0))


def verify_whole(
    entries: Iterable[AuditEntry],
    trust: Trust,
    *,
    head: tuple[int, str] | None = None,
    anchors: Iterable[Anchor] = (),
) -> LogState:
    """Walk a whole log from its first entry: chain, checkpoints, anchors.

    Parameters
    ----------
    head
        Number and digest of the last entry as recorded elsewhere.

    Raises
    ------
    AuditBroken
        Naming the first bad entry, or the anchor that the log does not go on from.
    """
    watch = CheckpointWatch(trust)
    kept: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        kept.setdefault(anchor.seq, []).append(anchor)

    def see(entry: AuditEntry) -> None:
        watch.see(entry)
        for anchor in kept.pop(entry.seq, ()):
            if anchor.digest != entry.digest:
                raise AuditBroken(f"entry {entry.seq} is another than the one kept in {anchor.where}")

    count, digest = verify_chain(entries, head=head, see=see)
    for seq in sorted(kept):
        raise AuditBroken(f"entry {seq}, kept in {kept[seq][0].where}, is gone: the log ends at {count}")
    return LogState(count, digest, watch.count, watch.covered)
