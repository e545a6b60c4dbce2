"""Recordings that are refused before anything listens to them."""

from __future__ import annotations

import numpy as np

from janus_med.modalities.speech_mel import RATE

SHORTEST, LONGEST = 0.3, 20.0
"""Seconds."""

QUIETEST = -50.0
"""Level of the loudest 0.1 s in dB of full scale; less is silence."""

FULL_SCALE, MOST_CLIPPED = 0.999, 0.002
"""A sample at least this large touches the limit; more than this share of them is clipping."""


def find_fault(samples: np.ndarray, rate: int) -> str:
    """Say why a recording cannot be listened to, and what to do; empty when it can.

    Parameters
    ----------
    samples
        (n,) floating point in [-1, 1].
    rate
        Samples a second.

    Raises
    ------
    ValueError
        If ``samples`` has another shape or no floating-point type.
    """
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"(n,) floating-point samples expected, got {samples.shape} {samples.dtype}")
    if rate != RATE:
        return f"{rate} samples a second: record at {RATE}"
    seconds = len(samples) / RATE
    if seconds > LONGEST:
        return f"{seconds:.1f} s long: dictate at most {LONGEST:.0f} s"
    if seconds < SHORTEST:
        return f"{seconds:.2f} s long: too short for a word"
    if not np.isfinite(samples).all():
        return "some samples are not numbers: record again"
    return _find_bad_level(samples)


def _find_bad_level(samples: np.ndarray) -> str:
    if _loudest(samples) < QUIETEST:
        return "silence: check the microphone"
    if float(np.mean(np.abs(samples) >= FULL_SCALE)) > MOST_CLIPPED:
        return "clipped: lower the gain of the microphone and dictate again"
    return ""


def _loudest(samples: np.ndarray) -> float:
    piece = RATE // 10
    centred = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    pieces = centred[: len(centred) // piece * piece].reshape(-1, piece)
    power = float((pieces**2).mean(axis=1).max())
    return 10 * float(np.log10(power + 1e-20))
