"""Words by which a sentence compares with an earlier examination, in the languages of the checks."""

from __future__ import annotations

from app.domain.lexicon import load_lexicon


def comparing_word(text: str) -> str:
    """Return the words by which a text compares; empty when it does not, or says that there is nothing to."""
    groups = load_lexicon().groups
    found = groups["comparison.says"].search(groups["comparison.says_none"].sub(" ", text))
    return found.group() if found else ""
