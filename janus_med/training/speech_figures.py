"""What a speech reader gets right of speech that it was not trained on, with baselines beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.bootstrap import RESAMPLES, Figure, proportion
from janus_med.modalities.speech_mel import RATE, LogMel
from janus_med.training.speech_corpus import speak_part, speak_strangers
from janus_med.training.speech_degrade import add_noise, make_noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from janus_med.modalities.speech import SpeechReader
    from janus_med.training.speech_corpus import Utterance

Words = Sequence[str]
CANDIDATES = 400
"""Training utterances among which the nearest is looked for."""

NOISES = 60


@dataclass(frozen=True)
class SpeechFigure:
    """One figure: of what speech, of what reader or baseline, what was counted."""

    speech: str
    by: str
    measure: str
    figure: Figure


def measure_speech(reader: SpeechReader, count: int, seed: int) -> list[SpeechFigure]:
    """Measure a reader on freshly spoken held-out sentences.

    Parameters
    ----------
    reader
        Of the whole vocabulary of the grammar.
    count
        Sentences in trained voices, and as many in held-out voices.
    seed
        Decides sentences, deliveries, noise, baselines and resamples; training must have used another one.

    Raises
    ------
    Fatal
        If espeak-ng is missing.
    """
    sentences, voices = speak_part("sentences", count, seed), speak_part("voice", count, seed)
    figures = measure_sets(reader, sentences, voices, speak_part("train", CANDIDATES, seed), seed)
    strange = [u.samples for u in speak_strangers(count, "sentences", seed)]
    return [*figures, measure_refusals("words outside the vocabulary", strange, reader, seed)]


def measure_sets(
    reader: SpeechReader,
    sentences: Sequence[Utterance],
    voices: Sequence[Utterance],
    trained: Sequence[Utterance],
    seed: int,
) -> list[SpeechFigure]:
    """Measure a reader of any vocabulary.

    Parameters
    ----------
    reader
        Whatever it was trained on.
    sentences, voices
        Held-out utterances in trained and in held-out voices; the former are heard with noise too.
    trained
        Utterances as in training, of which the baselines take their words.
    seed
        Decides noise, baselines and resamples.
    """
    rng = np.random.default_rng([seed, 7])
    noisy = {
        f"noise at {ratio} dB": [replace(u, samples=add_noise(u.samples, ratio, rng)) for u in sentences]
        for ratio in (20, 10)
    }
    baselines = _baselines(trained, seed)
    figures: list[SpeechFigure] = []
    for speech, utterances in ({"held-out sentences": sentences, "held-out voices": voices} | noisy).items():
        figures += _measure_set(speech, utterances, reader, baselines, seed)
    noises = [0.05 * make_noise(2 * RATE, rng.uniform(0, 2), rng) for _ in range(NOISES)]
    return [*figures, measure_refusals("noise alone", noises, reader, seed)]


def measure_refusals(
    speech: str, recordings: Sequence[np.ndarray], reader: SpeechReader, seed: int
) -> SpeechFigure:
    """Return the share of recordings, (n,) float32 at 16 kHz each, that a reader gives no words for."""
    refused = np.array([not reader.transcribe(samples, RATE).words for samples in recordings])
    return SpeechFigure(speech, "reader", "refused", proportion(refused, np.random.default_rng([seed, 9])))


def _measure_set(
    speech: str,
    utterances: Sequence[Utterance],
    reader: SpeechReader,
    baselines: dict[str, Callable[[Utterance], Words]],
    seed: int,
) -> list[SpeechFigure]:
    rng = np.random.default_rng([seed, 8])
    said = [u.sentence.split() for u in utterances]
    heard: list[Words] = [reader.spell(reader.hear(u.samples)) for u in utterances]
    given = [reader.transcribe(u.samples, RATE).words for u in utterances]
    whole = np.array([list(h) == s for h, s in zip(heard, said, strict=True)])
    kept = [place for place, words in enumerate(given) if words]
    rows = {
        "word accuracy": word_accuracy(said, heard, rng),
        "sentence accuracy": proportion(whole, rng),
        "given, not refused": proportion(np.array([bool(words) for words in given]), rng),
        "word accuracy of those given": word_accuracy(
            [said[place] for place in kept], [given[place] for place in kept], rng
        ),
    }
    figures = [SpeechFigure(speech, "reader", measure, figure) for measure, figure in rows.items()]
    return figures + [
        SpeechFigure(speech, name, "word accuracy", word_accuracy(said, [guess(u) for u in utterances], rng))
        for name, guess in baselines.items()
    ]


def _baselines(trained: Sequence[Utterance], seed: int) -> dict[str, Callable[[Utterance], Words]]:
    words = [word for utterance in trained for word in utterance.sentence.split()]
    commonest = Counter(words).most_common(1)[0][0]
    rng, log_mel = Random(seed), LogMel()  # noqa: S311 - repeatable on purpose
    means = torch.stack([_mean_log_mel(u, log_mel) for u in trained])  # (N, 64)

    def nearest(utterance: Utterance) -> Words:
        distances = (means - _mean_log_mel(utterance, log_mel)).square().sum(dim=1)
        return trained[int(distances.argmin())].sentence.split()

    return {
        "most frequent word": lambda utterance: [commonest] * len(utterance.sentence.split()),
        "random words": lambda utterance: [rng.choice(words) for _ in utterance.sentence.split()],
        "nearest training utterance": nearest,
    }


def _mean_log_mel(utterance: Utterance, log_mel: LogMel) -> torch.Tensor:
    mean: torch.Tensor = log_mel(torch.from_numpy(utterance.samples)).mean(dim=0)
    return mean


def word_accuracy(said: Sequence[Words], heard: Sequence[Words], rng: np.random.Generator) -> Figure:
    """Return 1 - word error rate over all words, with a bootstrap interval over utterances.

    It is negative when more words are invented than were said. ``positives`` counts words less errors.
    """
    errors = np.array([count_errors(s, h) for s, h in zip(said, heard, strict=True)])
    words = np.array([len(s) for s in said])
    if not len(words):
        return Figure(float("nan"), float("nan"), float("nan"), 0, 0)
    picks = rng.integers(0, len(words), (RESAMPLES, len(words)))
    low, high = np.quantile(1 - errors[picks].sum(axis=1) / words[picks].sum(axis=1), [0.025, 0.975])
    total = int(words.sum())
    right = total - int(errors.sum())
    return Figure(right / total, float(low), float(high), right, total)


def count_errors(said: Words, heard: Words) -> int:
    """Return the fewest substitutions, omissions and insertions between two word sequences (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for place, word in enumerate(said, 1):
        diagonal, row[0] = row[0], place
        for column, other in enumerate(heard, 1):
            substituted = diagonal + (word != other)
            diagonal = row[column]
            row[column] = min(substituted, row[column] + 1, row[column - 1] + 1)
    return row[-1]
