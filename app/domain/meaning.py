"""Whether an edit turned what a sentence says: from present to absent, from normal to not, to the other side.

Rules over English words, not understanding: a word that stands in both texts (a slip of the pen included)
must be under a negation in both or in neither; sides that are named in both must be the same. A side that is
added or left out, a size, a degree and a likelihood are no turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum


class Turn(StrEnum):
    """How a sentence was turned."""

    NEGATION = "negation"
    SIDE = "side"


SAME_WORD = 0.8
"""Likeness from which two words are one with a slip of the pen (`difflib` ratio)."""

_FORWARD = frozenset({"no", "without", "neither", "nor", "free", "negative", "denies"})
_WHOLE = frozenset({"not", "absent", "excluded", "resolved", "cannot"})
_NORMAL = frozenset({"normal", "clear", "unremarkable", "intact", "preserved"})
_SIDES: Mapping[str, frozenset[str]] = {
    "left": frozenset({"left"}),
    "left-sided": frozenset({"left"}),
    "right": frozenset({"right"}),
    "right-sided": frozenset({"right"}),
    "bilateral": frozenset({"left", "right"}),
    "bilaterally": frozenset({"left", "right"}),
    "both": frozenset({"left", "right"}),
}
_SMALL = frozenset(
    {
        "the", "and", "with", "for", "from", "are", "was", "were", "has", "have", "been", "this", "that",
        "there", "within", "seen", "evidence", "identified", "visible", "noted", "demonstrated", "present",
        "any", "acute", "new",
    }
)  # fmt: skip
_CLAUSE = re.compile(r"[.;:]\s|[.;:]$|\b(?:but|however|except|although)\b")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_LISTED = re.compile(r"\b(?:or|nor|and)\b")


def turn_of(before: str, after: str) -> Turn | None:
    """Return how an edit turned a sentence; None when it says the same, or these rules cannot tell."""
    old_sides, new_sides = sides_of(before), sides_of(after)
    if old_sides and new_sides and old_sides != new_sides:
        return Turn.SIDE
    old, new = absences(before), absences(after)
    for word, was_absent in old.items():
        same = word if word in new else next(iter(get_close_matches(word, new, 1, SAME_WORD)), None)
        if same is not None and new[same] is not was_absent:
            return Turn.NEGATION
    return None


def sides_of(text: str) -> frozenset[str]:
    """Return the sides that a text names: ``left``, ``right``; both for what is bilateral."""
    words = _WORD.findall(text.lower())
    return frozenset(side for word in words for side in _SIDES.get(word, ()))


def absences(text: str) -> dict[str, bool]:
    """Return every word that means something, and whether the text says that it is absent or normal."""
    found: dict[str, bool] = {}
    for clause in _CLAUSE.split(text.lower()):
        for word, is_absent in _absences_of_clause(clause):
            found.setdefault(word, is_absent)
    return found


def _absences_of_clause(clause: str) -> Iterator[tuple[str, bool]]:
    parts = clause.split(",")
    is_under = False
    for number, part in enumerate(parts):
        words = _WORD.findall(part)
        # after a comma "no" goes on only through a list: "no effusion, consolidation or nodule"
        is_under = is_under and _LISTED.search(",".join(parts[number:])) is not None
        is_turned, is_normal = any(w in _WHOLE for w in words), any(w in _NORMAL for w in words)
        for word in words:
            is_under = is_under or word in _FORWARD
            if word in _FORWARD or word in _WHOLE or word in _NORMAL or word in _SIDES:
                continue
            if len(word) > 2 and word not in _SMALL:
                yield word, (is_under or is_turned) is not is_normal
