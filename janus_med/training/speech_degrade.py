"""What happens to speech on its way: another vocal tract, a room, noise, a gain; each by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.modalities.speech_mel import RATE
from janus_med.training.speech_corpus import resample

if TYPE_CHECKING:
    from numpy.random import Generator

STRETCHES = range(18, 23)
"""Twentieths of the rate of playing."""

GAIN = (-20.0, 6.0)
NOISE = (8.0, 40.0)
"""Ranges of training: gain in dB, signal-to-noise ratio in dB."""

SLOPES = (0.0, 1.0)
"""Exponent of 1/f of the power of noise, from white to pink."""

REVERBERATION = (0.1, 0.5)
"""Seconds until a room has lost 60 dB."""

SILENCE = 0.25
"""Seconds of pause, at most, before and behind; altogether a multiple of an eighth of a second is made."""


def degrade(samples: np.ndarray, rng: Generator) -> np.ndarray:
    """Change clean (n,) samples as training does: pauses, stretch, often a room, mostly noise, a gain."""
    heard = add_pauses(samples, rng)
    heard = resample(heard, 20, int(rng.choice(STRETCHES)))
    if rng.random() < 0.4:
        heard = add_room(heard, rng)
    if rng.random() < 0.8:
        heard = add_noise(heard, rng.uniform(*NOISE), rng)
    return change_gain(heard, rng.uniform(*GAIN))


def add_pauses(samples: np.ndarray, rng: Generator) -> np.ndarray:
    """Put silence before and behind; lengths of round numbers keep the transforms fast."""
    before, behind = (int(rng.uniform(0, SILENCE) * RATE) for _ in range(2))
    return np.pad(samples, (before, behind + -(len(samples) + before + behind) % (RATE // 8)))


def add_noise(samples: np.ndarray, ratio: float, rng: Generator) -> np.ndarray:
    """Add noise between white and pink at a signal-to-noise ratio in dB over the whole utterance."""
    noise = make_noise(len(samples), rng.uniform(*SLOPES), rng)
    power = float(np.mean(samples.astype(np.float64) ** 2))
    return samples + noise * np.float32(np.sqrt(power / 10 ** (ratio / 10)))


def make_noise(count: int, slope: float, rng: Generator) -> np.ndarray:
    """Return (count,) float32 noise of power 1 whose spectrum falls as 1 / f ** slope."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequencies = np.maximum(np.arange(len(spectrum)), 1 + 50 * count / RATE)
    noise = np.fft.irfft(spectrum / frequencies ** (slope / 2), count)
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)


def add_room(samples: np.ndarray, rng: Generator) -> np.ndarray:
    """Let the sound decay as in a room: direct sound and an exponentially falling noise behind it."""
    seconds = rng.uniform(*REVERBERATION)
    times = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(len(times)) * np.exp(-6.9 * times / seconds)
    tail *= rng.uniform(0.2, 0.8) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    length = len(samples) + 4000 * -(-len(tail) // 4000)
    spectrum = np.fft.rfft(samples, length) * np.fft.rfft(tail, length)
    return np.fft.irfft(spectrum, length)[: len(samples)].astype(np.float32)


def change_gain(samples: np.ndarray, decibels: float) -> np.ndarray:
    """Amplify; a gain that would clip ends at a peak of 0.95."""
    louder = samples * np.float32(10 ** (decibels / 20))
    peak = float(np.abs(louder).max(initial=0.0))
    return louder if peak <= 0.95 else louder * np.float32(0.95 / peak)
