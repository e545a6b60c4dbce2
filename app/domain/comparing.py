"""Words by which a sentence compares with an earlier examination."""

from __future__ import annotations

import re

_COMPARING = re.compile(
    r"\b(?:compar(?:ed|ison)|previous(?:ly)?|prior (?:study|film|exam\w*|radiograph|image|ct)|unchanged|"
    r"(?:no|without) (?:significant |interval )*change|interval (?:change|increase|decrease|development)|"
    r"again (?:seen|noted|demonstrated)|new(?:ly)? (?:since|from)|since the (?:last|prior|previous)|stable|"
    r"improved|worsen(?:ed|ing)|(?:in|de)creased (?:since|from|in size)|redemonstrat\w+|"
    r"has (?:resolved|progressed))\b",
    re.I,
)


def comparing_word(text: str) -> str:
    """Return the word by which a sentence compares; empty when it does not."""
    found = _COMPARING.search(text)
    return found.group() if found else ""
