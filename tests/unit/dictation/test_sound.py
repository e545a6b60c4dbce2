"""Recordings that are refused, by the same limits as the speech plug-in (slow: it loads PyTorch)."""

from __future__ import annotations

import numpy as np
import pytest

from app.domain import dictation_sound
from app.domain.dictation_sound import RATE, fault_of


def tone(seconds: float, level: float = 0.1) -> bytes:
    at = np.arange(round(seconds * RATE)) / RATE
    return (level * 32767 * np.sin(2 * np.pi * 200 * at)).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("samples", "rate", "fault"),
    [
        (tone(1), 44_100, "44100 samples a second: record at 16000"),
        (tone(1)[:-1], RATE, "half a sample"),
        (b"", RATE, "too short for a word"),
        (tone(0.2), RATE, "too short for a word"),
        (tone(20.1), RATE, "dictate at most 20 s"),
        (bytes(2 * RATE), RATE, "silence"),
        (tone(1, 0.001), RATE, "silence"),
        (b"\xff\x3f" * RATE, RATE, "silence"),
        (b"\xff\x7f\x00\x80" * RATE, RATE, "clipped"),
    ],
)
def test_what_cannot_be_listened_to_is_refused_with_its_reason(samples: bytes, rate: int, fault: str) -> None:
    assert fault in fault_of(samples, rate)


@pytest.mark.parametrize("seconds", [0.3, 20.0])
def test_what_can_be_listened_to_has_no_fault(seconds: float) -> None:
    assert fault_of(tone(seconds), RATE) == ""


@pytest.mark.slow
def test_limits_are_those_of_the_speech_plug_in() -> None:
    from janus_med.modalities import speech_quality

    for name in ("RATE", "SHORTEST", "LONGEST", "QUIETEST", "FULL_SCALE", "MOST_CLIPPED"):
        assert getattr(dictation_sound, name) == getattr(speech_quality, name)
    for samples in (tone(0.2), tone(1), tone(20.1), bytes(2 * RATE), b"\xff\x7f\x00\x80" * RATE):
        values = (np.frombuffer(samples, "<i2") / 2**15).astype(np.float32)
        assert fault_of(samples, RATE) == speech_quality.find_fault(values, RATE)
