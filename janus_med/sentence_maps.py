"""Where the language model looked while it wrote a sentence: a second view beside the finding maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from janus_med.reading import SentenceReading
    from janus_med.writing import Written


@dataclass(frozen=True, eq=False)
class SentenceMap:
    """A sentence, and an (h, w) float32 map in [0, 1] of where the language model looked while writing it."""

    sentence: SentenceReading
    attention: np.ndarray


def map_sentences(
    written: Written, sentences: Sequence[SentenceReading], grid: int
) -> tuple[SentenceMap, ...]:
    """Average the captured rows of the tokens of each sentence.

    Parameters
    ----------
    written
        With attention captured.
    sentences
        What `read_sentences` returned for it.
    grid
        Patches along one side.

    Raises
    ------
    ValueError
        When the text was written without capture.
    """
    if written.attention is None:
        raise ValueError("the text was written without capture")
    maps = []
    for span, sentence in zip(written.shown_spans(), sentences, strict=True):
        tokens = sorted(set(written.tokens[span.start : span.end]))
        mean = written.attention[tokens].mean(dim=0)
        scaled = (mean / mean.amax()).view(grid, grid).cpu().numpy().astype(np.float32)
        maps.append(SentenceMap(sentence, scaled))
    return tuple(maps)
