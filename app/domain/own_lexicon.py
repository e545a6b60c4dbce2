"""The words of the checks with those of a department.

No expression of a department is ever run: each text is escaped, ends where words end, and is read without
regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from app.domain.department_words import DepartmentWords
from app.domain.lexicon import Lexicon, OwnWords

_MARKS = "placeholders.words"
_LETTERS = re.compile(r"[^\W\d_]+")


def extend(lexicon: Lexicon, words: DepartmentWords) -> Lexicon:
    """Return the lexicon with a department's words; a wording of what it does not know is left out."""
    concepts = dict(lexicon.concepts)
    for name in dict.fromkeys(wording.concept for wording in words.wordings):
        if known := concepts.get(name):
            own = [wording.text for wording in words.wordings if wording.concept == name]
            # the bounds stand around all of them: tried once for each place in a text, not for each word
            texts = rf"(?<!\w)(?:{'|'.join(_escaped(text) for text in _longest_first(own))})(?!\w)"
            concepts[name] = replace(known, words=_either(texts, known.words))
    groups = dict(lexicon.groups)
    if words.marks:
        texts = "|".join(_bounded(mark) for mark in _longest_first(words.marks))
        groups[_MARKS] = _either(f"(?:{texts})", groups[_MARKS])
    own_words = OwnWords(_letters(words.well), _letters(words.medical))
    return replace(lexicon, concepts=concepts, groups=groups, own_words=own_words)


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=len, reverse=True)


def _either(own: str, known: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(f"{own}|{known.pattern}", re.IGNORECASE)


def _escaped(text: str) -> str:
    return r"\s+".join(re.escape(part) for part in text.split())


def _bounded(mark: str) -> str:
    before = r"(?<!\w)" if re.match(r"\w", mark) else ""
    after = r"(?!\w)" if re.search(r"\w$", mark) else ""
    return before + _escaped(mark) + after


def _letters(words: Iterable[str]) -> frozenset[str]:
    return frozenset(part.casefold() for word in words for part in _LETTERS.findall(word))
