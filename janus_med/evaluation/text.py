"""Likeness of two texts in words: BLEU-4, ROUGE-L and CIDEr, one reference a report.

They follow the definitions that published report generators are scored with (coco-caption), so figures can be
set beside theirs: BLEU-4 over the corpus without smoothing (Papineni et al. 2002), ROUGE-L as F with beta 1.2
(Lin 2004), CIDEr as coco-caption computes it, which is the paper's CIDEr-D: clipped counts, a Gaussian
penalty on length with sigma 6, times 10 (Vedantam et al. 2015).

A high score is no proof of a right report, nor a low one of a wrong one: on the Indiana reports one
constant text scores what trained generators score. Never show them without the rows of `text_report`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.report_text import split_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDER = 4
BETA = 1.2
SIGMA = 6.0
_WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")

Grams = Counter[tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class TextScores:
    """Likeness of M texts to their references.

    Attributes
    ----------
    bleu_counts
        (M, 10) int64: matched n-grams for n = 1 to 4, all n-grams for n = 1 to 4, length, length of the
        reference.
    rouge
        (M,) float64 in [0, 1].
    cider
        (M,) float64 in [0, 10].
    """

    bleu_counts: np.ndarray
    rouge: np.ndarray
    cider: np.ndarray

    def take(self, rows: np.ndarray) -> TextScores:
        """Pick reports, with repetition, for a bootstrap."""
        return TextScores(self.bleu_counts[rows], self.rouge[rows], self.cider[rows])

    def bleu(self) -> float:
        """BLEU-4 of the corpus; 0 when some order has no match."""
        total = self.bleu_counts.sum(axis=0)
        matched, offered, length, wanted = total[:ORDER], total[ORDER : 2 * ORDER], total[-2], total[-1]
        if not matched.all():
            return 0.0
        brevity = min(0.0, 1.0 - wanted / length)
        return float(np.exp(np.log(matched / offered).mean() + brevity))


def score_texts(texts: Sequence[str], references: Sequence[str]) -> TextScores:
    """Score texts against one reference each.

    Parameters
    ----------
    texts, references
        Of the same length M; an empty text scores 0.
    """
    written, wanted = [tokenize(text) for text in texts], [tokenize(text) for text in references]
    counts = [_bleu_counts(one, other) for one, other in zip(written, wanted, strict=True)]
    rouge = [rouge_l(one, other) for one, other in zip(written, wanted, strict=True)]
    return TextScores(np.array(counts, dtype=np.int64), np.array(rouge), score_cider(written, wanted))


def tokenize(text: str) -> list[str]:
    """Return lower-case words, without punctuation but a full stop after every sentence."""
    tokens: list[str] = []
    for sentence in split_sentences(text):
        words = _WORD.findall(sentence.lower())
        tokens += [*words, "."] if words else []
    return tokens


def count_grams(tokens: Sequence[str]) -> Grams:
    """Count n-grams of 1 to 4 tokens."""
    return Counter(
        tuple(tokens[start : start + size])
        for size in range(1, ORDER + 1)
        for start in range(len(tokens) - size + 1)
    )


def _bleu_counts(text: Sequence[str], reference: Sequence[str]) -> list[int]:
    offered, allowed = count_grams(text), count_grams(reference)
    matched = offered & allowed
    per_order = [
        sum(number for gram, number in grams.items() if len(gram) == size)
        for grams in (matched, offered)
        for size in range(1, ORDER + 1)
    ]
    return [*per_order, len(text), len(reference)]


def rouge_l(text: Sequence[str], reference: Sequence[str]) -> float:
    """Return the F of the longest common subsequence, recall weighing beta times as much."""
    if not text or not reference:
        return 0.0
    common = _longest_common(text, reference)
    if not common:
        return 0.0
    precision, recall = common / len(text), common / len(reference)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for index, candidate in enumerate(other, start=1):
            above = row[index]
            row[index] = diagonal + 1 if word == candidate else max(above, row[index - 1])
            diagonal = above
    return row[-1]


def score_cider(texts: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> np.ndarray:
    """Return CIDEr of each text; an n-gram's weight is its rarity among the references.

    Parameters
    ----------
    texts, references
        Tokens, M each. The figure depends on the set of references: compare on the same reports only.

    Returns
    -------
    numpy.ndarray
        (M,) float64.
    """
    wanted = [count_grams(reference) for reference in references]
    spread = Counter(gram for grams in wanted for gram in grams)
    whole = np.log(float(len(wanted)))
    weight = {gram: whole - np.log(float(number)) for gram, number in spread.items()}
    scores = [
        _cider_of_one(count_grams(text), grams, weight, whole, len(text) - len(reference))
        for text, grams, reference in zip(texts, wanted, references, strict=True)
    ]
    return np.array(scores, dtype=np.float64)


def _cider_of_one(
    text: Grams, reference: Grams, weight: dict[tuple[str, ...], float], whole: float, longer: int
) -> float:
    products, own, its = np.zeros(ORDER), np.zeros(ORDER), np.zeros(ORDER)
    for gram, number in text.items():
        rarity = weight.get(gram, whole)
        own[len(gram) - 1] += (number * rarity) ** 2
        allowed = reference.get(gram, 0)
        products[len(gram) - 1] += min(number, allowed) * allowed * rarity**2
    for gram, number in reference.items():
        its[len(gram) - 1] += (number * weight[gram]) ** 2
    norms = np.sqrt(own * its)
    cosines = np.divide(products, norms, out=np.zeros(ORDER), where=norms > 0)
    # coco-caption measures length in bigrams: one less than tokens in both texts, so the difference is equal
    return float(10 * cosines.mean() * np.exp(-(longer**2) / (2 * SIGMA**2)))
