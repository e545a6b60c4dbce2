"""Recordings that are refused before a recogniser listens to them.

The limits are those of the speech plug-in (`janus_med.modalities.speech_quality`); a test compares the two.
"""

from __future__ import annotations

RATE = 16_000
"""Samples a second."""

SHORTEST, LONGEST = 0.3, 20.0
"""Seconds."""

QUIETEST = -50.0
"""Level of the loudest 0.1 s in dB of full scale; less is silence."""

FULL_SCALE, MOST_CLIPPED = 0.999, 0.002
"""A sample at least this large touches the limit; more than this share of them is clipping."""

BYTES_PER_SAMPLE = 2


def fault_of(samples: bytes, rate: int) -> str:
    """Say why a recording cannot be listened to, and what to do; empty when it can.

    Parameters
    ----------
    samples
        16-bit integers, little endian, one channel.
    rate
        Samples a second.
    """
    if rate != RATE:
        return f"{rate} samples a second: record at {RATE}"
    if len(samples) % BYTES_PER_SAMPLE:
        return "half a sample: record again"
    seconds = len(samples) / BYTES_PER_SAMPLE / RATE
    if seconds > LONGEST:
        return f"{seconds:.1f} s long: dictate at most {LONGEST:.0f} s"
    if seconds < SHORTEST:
        return f"{seconds:.2f} s long: too short for a word"
    return _fault_of_level(samples)


def _fault_of_level(samples: bytes) -> str:
    import numpy as np

    values = np.frombuffer(samples, "<i2").astype(np.float64) / 2**15
    piece = RATE // 10
    centred = values - values.mean()
    pieces = centred[: len(centred) // piece * piece].reshape(-1, piece)
    if 10 * float(np.log10((pieces**2).mean(axis=1).max() + 1e-20)) < QUIETEST:
        return "silence: check the microphone"
    if float(np.mean(np.abs(values) >= FULL_SCALE)) > MOST_CLIPPED:
        return "clipped: lower the gain of the microphone and dictate again"
    return ""
