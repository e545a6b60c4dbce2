"""The front end of the speech plug-in: 16 kHz samples become a log-mel spectrogram, in plain torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

RATE = 16_000
WINDOW, HOP, TRANSFORM = 400, 160, 512
"""Samples of a window (25 ms), between windows (10 ms), and of the Fourier transform."""

BANDS = 64
LOWEST, HIGHEST = 60.0, 7_600.0
FLOOR = 1e-6
"""Added to the power of a band before the logarithm; about the power of 16-bit rounding."""

DEPTH = 10.0
"""Nepers of power, 43 dB, that an utterance keeps below its loudest band."""


class LogMel(nn.Module):
    """A log-mel spectrogram of `BANDS` bands, a frame each 10 ms, nothing padded.

    Notes
    -----
    The scale of mel is O'Shaughnessy's, 2595 log10(1 + f / 700), the bands are triangles of height 1 on
    it. The window is a periodic Hann window. Frame t begins at sample 160 t, so that sound that starts 160 k
    samples later moves by exactly k frames.
    """

    window: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("bands", mel_bands(), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return (T, 64) float32 natural logarithms of band powers.

        Parameters
        ----------
        samples
            (n,) float32 in [-1, 1] at 16 kHz; T is 1 + (n - 400) // 160.

        Raises
        ------
        ValueError
            If there are fewer than 400 samples.
        """
        if samples.ndim != 1 or samples.shape[0] < WINDOW:
            raise ValueError(f"(n,) samples with n >= {WINDOW} expected, got {tuple(samples.shape)}")
        frames = samples.unfold(0, WINDOW, HOP) * self.window  # (T, 400)
        power = torch.fft.rfft(frames, TRANSFORM).abs().square()  # (T, 257)
        return (power @ self.bands + FLOOR).log()


def normalise(log_mel: Tensor) -> Tensor:
    """Take the mean of each band and the spread of the whole from a (T, 64) utterance.

    A gain adds the same number to every band and a microphone a number to each, so neither is left. What is
    more than `DEPTH` below the loudest is raised to it, so that digital silence sounds like a quiet room.
    """
    log_mel = log_mel.clamp_min(float(log_mel.max()) - DEPTH)
    centred = log_mel - log_mel.mean(dim=0)
    return centred / centred.std(correction=0).clamp_min(1e-3)


def mel_bands() -> Tensor:
    """Return the (257, 64) float32 triangles that sum power bins into bands."""
    edges = mel_to_hertz(torch.linspace(hertz_to_mel(LOWEST), hertz_to_mel(HIGHEST), BANDS + 2))
    bins = torch.linspace(0, RATE / 2, TRANSFORM // 2 + 1)[:, None]  # (257, 1)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp_min(0)


def hertz_to_mel(frequency: float) -> float:
    """Return O'Shaughnessy's mel of a frequency in hertz."""
    return 2595 * math.log10(1 + frequency / 700)


def mel_to_hertz(mel: Tensor) -> Tensor:
    """Return frequencies in hertz, the inverse of `hertz_to_mel`."""
    return 700 * (10 ** (mel / 2595) - 1)
