"""The words that reports are read with: those of the program, and the department's own as they stand now."""

from __future__ import annotations

from functools import lru_cache

from app.domain.department_words import DepartmentWords
from app.domain.lexicon import Lexicon, load_lexicon
from app.domain.own_lexicon import extend
from app.store.unit_of_work import UnitOfWork


def lexicon_in_force(tx: UnitOfWork) -> Lexicon:
    """Return the words in force, as the caller's transaction sees them.

    The version is read in every transaction; what was made of it is kept, so that a process never reads with
    words that another one has replaced.
    """
    version = tx.words.in_force()
    return load_lexicon() if version is None else _extended(version.content)


@lru_cache(maxsize=4)
def _extended(words: DepartmentWords) -> Lexicon:
    return extend(load_lexicon(), words)
