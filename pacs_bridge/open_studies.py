"""Which studies are carried by associations that are still open."""

from __future__ import annotations

import threading
from collections import defaultdict


class OpenStudies:
    """Association ids and the StudyInstanceUIDs each has sent; safe between threads."""

    def __init__(self) -> None:
        self._studies: defaultdict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()

    def carry(self, association_id: str, study_uid: str) -> None:
        """Note that an association sends instances of a study."""
        with self._lock:
            self._studies[association_id].add(study_uid)

    def close(self, association_id: str) -> None:
        """Forget an association that ended; safe to repeat."""
        with self._lock:
            self._studies.pop(association_id, None)

    def uids(self) -> frozenset[str]:
        """Return the studies of all open associations."""
        with self._lock:
            return frozenset().union(*self._studies.values())
