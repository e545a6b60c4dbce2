"""A language model from sentences: trigrams with back-off, smoothed after Witten and Bell, written as ARPA.

Each order is interpolated with the one below (I. H. Witten, T. C. Bell, IEEE Trans. Inf. Theory 37, 1991), so
the weight that is left for words never seen after a history is also its back-off weight. The lowest order is
mixed with the frequencies of a general vocabulary, where there is one: so what the sentences do not say can
be recognised too.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

BEGIN, END = "<s>", "</s>"
ORDER = 3
_NEVER = -99.0
"""How ARPA files write the logarithm of nothing."""

History = tuple[str, ...]


@dataclass(frozen=True)
class LanguageModel:
    """Probabilities of words after up to two others.

    Attributes
    ----------
    chances
        By history (empty for the lowest order) and word.
    left
        By history: the weight of the order below.
    """

    chances: Mapping[History, Mapping[str, float]]
    left: Mapping[History, float]

    @property
    def words(self) -> frozenset[str]:
        """Every word that it can say, without the marks of begin and end."""
        return frozenset(self.chances[()]) - {END}

    def chance(self, word: str, history: History) -> float:
        """Return the probability of a word after a history of at most two words; 0 for an unknown word."""
        known = self.chances.get(history, {})
        if word in known:
            return known[word]
        if not history:
            return 0.0
        return self.left.get(history, 1.0) * self.chance(word, history[1:])


def learn_words(
    sentences: Iterable[Sequence[str]],
    *,
    words: Iterable[str] = (),
    general: Mapping[str, float] | None = None,
    general_share: float = 0.0,
) -> LanguageModel:
    """Learn from sentences.

    Parameters
    ----------
    words
        Further words of the field, each as if said once by itself.
    general
        Frequencies of a general vocabulary; words that it does not know are not made up.
    general_share
        Share of the general vocabulary in the lowest order, below 1.

    Raises
    ------
    ValueError
        If there is nothing to learn from.
    """
    counts = _count(sentences)
    counts[()].update(words)
    lowest = _lowest(counts.pop(()), general or {}, general_share)
    chances: dict[History, dict[str, float]] = {(): lowest}
    left: dict[History, float] = {}
    for history in sorted(counts, key=len):
        seen = counts[history]
        total, kinds = sum(seen.values()), len(seen)
        left[history] = kinds / (total + kinds)
        chances[history] = {
            word: (count + kinds * _below(chances, left, word, history[1:])) / (total + kinds)
            for word, count in seen.items()
        }
    return LanguageModel(chances, left)


def write_arpa(model: LanguageModel) -> Iterator[str]:
    """Write a model line by line, in the format of ARPA."""
    by_order = [
        [(*history, word) for history in sorted(model.chances, key=len) if len(history) == order
         for word in sorted(model.chances[history])]
        for order in range(ORDER)
    ]  # fmt: skip
    by_order[0].append((BEGIN,))
    yield "\\data\\\n"
    for order, grams in enumerate(by_order, start=1):
        yield f"ngram {order}={len(grams)}\n"
    for order, grams in enumerate(by_order, start=1):
        yield f"\n\\{order}-grams:\n"
        for gram in grams:
            yield _line(model, gram)
    yield "\n\\end\\\n"


def _line(model: LanguageModel, gram: History) -> str:
    chance = model.chances[gram[:-1]].get(gram[-1], 0.0)
    text = f"{math.log10(chance) if chance else _NEVER:.5f} {' '.join(gram)}"
    if len(gram) == ORDER or gram[-1] == END:
        return f"{text}\n"
    return f"{text} {math.log10(model.left.get(gram, 1.0)):.5f}\n"


def _count(sentences: Iterable[Sequence[str]]) -> dict[History, Counter[str]]:
    counts: dict[History, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        line = (BEGIN, *sentence, END)
        for at in range(1, len(line)):
            for length in range(min(ORDER - 1, at) + 1):
                counts[line[at - length : at]][line[at]] += 1
    return counts


def _lowest(seen: Counter[str], general: Mapping[str, float], share: float) -> dict[str, float]:
    total = sum(seen.values())
    if not total or not 0 <= share < 1:
        raise ValueError("no words to learn from, or a share of the general vocabulary that leaves none")
    whole = sum(general.values())
    own = 1.0 - share if whole else 1.0
    mixed = {word: own * count / total for word, count in seen.items()}
    for word, weight in general.items():
        mixed[word] = mixed.get(word, 0.0) + share * weight / whole
    return mixed


def _below(
    chances: Mapping[History, Mapping[str, float]],
    left: Mapping[History, float],
    word: str,
    history: History,
) -> float:
    known = chances.get(history, {})
    if word in known:
        return known[word]
    return left.get(history, 1.0) * _below(chances, left, word, history[1:]) if history else 0.0
