"""Dictations that nobody spoke: sentences of the grammar, read aloud by espeak-ng in several voices.

A formant synthesiser articulates as no person does. What is learned from it says that the parts work, not
that they understand radiologists.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal

import numpy as np

from janus_med.errors import Fatal
from janus_med.modalities.speech_mel import RATE
from janus_med.training.speech_grammar import (
    STRANGERS,
    UNHEARD_STRANGERS,
    make_up_word,
    put_stranger,
    write_part,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Part = Literal["train", "sentences", "voice"]
"""Trained sentences and voices; held-out sentences in trained voices, and in held-out voices."""

TRAINED_VOICES = (
    "en-us",
    "en-us+f2",
    "en-us+m3",
    "en-gb",
    "en-gb+f4",
    "en-gb-x-rp+m7",
    "en-gb-x-gbclan+f1",
    "en-gb-scotland+m2",
)
HELD_OUT_VOICES = ("en-gb-x-gbcwmd+m5", "en-029+f3")
"""Their accents (West Midlands, Caribbean) and their timbres are in no training utterance."""

SPEEDS, PITCHES = (130, 190), (25, 75)
"""Words a minute, and espeak-ng's pitch from 0 to 99; drawn evenly."""

SECONDS_TO_SPEAK = 30
SPEAKERS = 2
"""Processes of espeak-ng at a time."""


@dataclass(frozen=True)
class Delivery:
    """How a sentence is spoken: a voice of espeak-ng, words a minute, pitch from 0 to 99."""

    voice: str
    speed: int = 160
    pitch: int = 50


@dataclass(frozen=True, eq=False)
class Utterance:
    """A spoken sentence; samples (n,) float32 in [-1, 1] at 16 kHz, without noise."""

    sentence: str
    delivery: Delivery
    samples: np.ndarray


def speak(sentence: str, delivery: Delivery) -> np.ndarray:
    """Have espeak-ng say a sentence.

    Parameters
    ----------
    sentence
        Goes to the process as its input, never into its arguments.
    delivery
        Voice, speed and pitch.

    Returns
    -------
    np.ndarray
        (n,) float32 in [-1, 1] at 16 kHz.

    Raises
    ------
    Fatal
        If espeak-ng is missing or fails.
    """
    program = _find_synthesiser()
    arguments = ["-v", delivery.voice, "-s", str(delivery.speed), "-p", str(delivery.pitch)]
    done = subprocess.run(
        [program, *arguments, "--stdin", "--stdout"],
        input=sentence.encode(),
        capture_output=True,
        timeout=SECONDS_TO_SPEAK,
        check=False,
    )
    if done.returncode or done.stdout[:4] != b"RIFF":
        raise Fatal(f"espeak-ng did not speak in voice {delivery.voice}: {done.stderr.decode().strip()}")
    # the header of a stream does not know how many samples follow, so no reader of files is used
    rate = int.from_bytes(done.stdout[24:28], "little")
    return resample(np.frombuffer(done.stdout[44:], "<i2").astype(np.float32) / 32_768, rate, RATE)


def name_synthesiser() -> str:
    """Return name and version of espeak-ng; Fatal if it is missing."""
    done = subprocess.run(
        [_find_synthesiser(), "--version"], capture_output=True, timeout=SECONDS_TO_SPEAK, check=False
    )
    return done.stdout.decode().split("  ")[0].strip()


def _find_synthesiser() -> str:
    program = shutil.which("espeak-ng")
    if program is None:
        raise Fatal("espeak-ng is not installed: apt-get install espeak-ng")
    return program


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Change the rate of (n,) float32 samples by cutting or extending their spectrum.

    Zeros are added behind until the length is a multiple of what the two rates share, which makes the change
    exact and the transform fast.
    """
    common = math.gcd(rate, wanted)
    padded = np.pad(samples, (0, -len(samples) % (rate // common)))
    count = len(padded) * wanted // rate
    spectrum = np.fft.rfft(padded)
    changed = np.fft.irfft(spectrum[: count // 2 + 1], count) * (count / len(padded))
    return changed.astype(np.float32)


def draw_delivery(voices: Sequence[str], rng: Random) -> Delivery:
    """Draw a voice, a speed and a pitch."""
    return Delivery(rng.choice(voices), rng.randint(*SPEEDS), rng.randint(*PITCHES))


def speak_part(
    part: Part, count: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> list[Utterance]:
    """Speak sentences of one part of the corpus; the same seed gives the same samples."""
    rng = Random(f"{part} {seed}")  # noqa: S311 - repeatable on purpose
    return speak_all(write_part(count, part != "train", rng), part, rng, progress)


def speak_words(times: int, seed: int, words: Sequence[str]) -> list[Utterance]:
    """Speak each word alone, so many times, in trained voices."""
    rng = Random(f"words {seed}")  # noqa: S311 - repeatable on purpose
    return speak_all([word for word in words for _ in range(times)], "train", rng)


def speak_strangers(count: int, part: Part, seed: int) -> list[Utterance]:
    """Speak sentences with words from outside the vocabulary: one strange word, or none but strange ones.

    Other strange words are used for training than for measuring.
    """
    rng = Random(f"strangers {part} {seed}")  # noqa: S311 - repeatable on purpose
    trained = part == "train"
    sentences = []
    for sentence in write_part(count, not trained, rng):
        strangers = (STRANGERS if trained else UNHEARD_STRANGERS).split()
        if trained:
            strangers += [make_up_word(rng) for _ in strangers]
        mixed = put_stranger(sentence, strangers, rng)
        sentences.append(mixed if rng.random() < 0.6 else " ".join(rng.sample(strangers, rng.randint(1, 5))))
    return speak_all(sentences, part, rng)


def speak_all(
    sentences: Sequence[str], part: Part, rng: Random, progress: Callable[[int, int], None] | None = None
) -> list[Utterance]:
    """Speak sentences in the voices of a part, in order."""
    voices = HELD_OUT_VOICES if part == "voice" else TRAINED_VOICES
    deliveries = [draw_delivery(voices, rng) for _ in sentences]
    spoken: list[Utterance] = []
    with ThreadPoolExecutor(SPEAKERS) as pool:
        for samples in pool.map(speak, sentences, deliveries):
            index = len(spoken)
            spoken.append(Utterance(sentences[index], deliveries[index], samples))
            if progress is not None:
                progress(len(spoken), len(sentences))
    return spoken
