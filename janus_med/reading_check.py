"""Refuse a model's answer that must not reach a reader: not a number, no text, a loop, something endless."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from janus_med.errors import ModelFault
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from janus_med.reading import FindingReading, Reading, SentenceReading

MAX_TEXT = 4000
MAX_SAME_SENTENCE = 2
LOOP_WORDS, MAX_LOOPS = 3, 4


def check_reading(reading: Reading) -> None:
    """Raise unless a reading can be shown.

    Parameters
    ----------
    reading
        The engine's answer for one image.

    Raises
    ------
    ModelFault
        With the reason: not a number, missing findings, no text, repeated or endless text.
    """
    _check_findings(reading.findings)
    if not np.isfinite(reading.embedding).all():
        raise ModelFault("the embedding is not a number")
    if reading.sentences or not reading.skipped:
        _check_text(reading.sentences)


def _check_findings(findings: Sequence[FindingReading]) -> None:
    if tuple(finding.name for finding in findings) != FINDINGS:
        raise ModelFault("the answer does not hold the fourteen findings")
    for finding in findings:
        if not 0.0 <= finding.probability <= 1.0:  # false for NaN as well
            raise ModelFault(f"the probability of {finding.name} is not a number in [0, 1]")
        attention = finding.attention
        if attention.ndim != 2 or not attention.size or not np.isfinite(attention).all():
            raise ModelFault(f"the attention for {finding.name} is not a finite grid")


def _check_text(sentences: Sequence[SentenceReading]) -> None:
    texts = [sentence.text.strip() for sentence in sentences]
    if not texts or not all(re.search(r"\w", text) for text in texts):
        raise ModelFault("the text is empty")
    if any(not 0.0 <= sentence.confidence <= 1.0 for sentence in sentences):
        raise ModelFault("the confidence of a sentence is not a number in [0, 1]")
    if sum(len(text) for text in texts) > MAX_TEXT:
        raise ModelFault(f"the text is longer than {MAX_TEXT} characters")
    for section in ("findings", "impression"):
        same = Counter(one.text.strip().lower() for one in sentences if one.section == section)
        if same and max(same.values()) > MAX_SAME_SENTENCE:
            raise ModelFault("the text repeats a sentence")
    if any(_loops(text) for text in texts):
        raise ModelFault("the text repeats itself")


def _loops(text: str) -> bool:
    """Whether the same few words follow each other again and again."""
    words = re.findall(r"\w+", text.lower())
    for length in range(1, LOOP_WORDS + 1):
        run = 0
        for word, later in zip(words, words[length:], strict=False):
            run = run + 1 if word == later else 0
            if run >= length * (MAX_LOOPS - 1):
                return True
    return False
