"""Read a WAV file of 16-bit PCM, one channel."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np

from janus_med.errors import UnreadableInput
from janus_med.modalities.speech_quality import LONGEST

if TYPE_CHECKING:
    from pathlib import Path


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    """Return (n,) float32 samples in [-1, 1] and their rate.

    No more than a second past the longest dictation is read, which is enough to refuse the file.

    Raises
    ------
    UnreadableInput
        If it is no WAV file, or has several channels or another sample format.
    """
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            content = file.readframes(int((LONGEST + 1) * rate))
    except (OSError, EOFError, wave.Error) as error:
        raise UnreadableInput(path.name, f"not a readable WAV file ({error})") from error
    if channels != 1 or width != 2:
        raise UnreadableInput(
            path.name, f"{channels} channels of {8 * width} bits: record one channel of 16 bits"
        )
    return np.frombuffer(content[: len(content) // 2 * 2], "<i2").astype(np.float32) / 32_768, rate
