"""Frames of a multi-frame object: what is only visible over time.

Attention goes over time at each place and over places in each frame, in turn (divided space-time attention,
Bertasius et al., ICML 2021), on what moves: the deviation of a token from its mean over time, and its step
since the frame before. A sequence that stands still is the same to it, whatever it shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from janus_med.modalities.reading_images import encode_study
from janus_med.modalities.registry import find_adapter
from janus_med.reading import MOTIONS

if TYPE_CHECKING:
    from janus_med.model import MedicalJanus, Perception
    from janus_med.presets import Preset

RARE_START = -4.0


class MotionReader(nn.Module):
    """Divided space-time attention over motion tokens, one logit a motion.

    Parameters
    ----------
    width
        D of the vision encoder.
    heads
        Of the attentions.
    count
        N patches of an image.
    """

    def __init__(self, width: int, heads: int, count: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(2 * width, width)
        self.places = nn.Parameter(0.2 * torch.randn(count, width))
        self.over_time = self._layer(width, heads)
        self.over_space = self._layer(width, heads)
        self.leave = nn.Linear(2 * width, 2 * width)
        self.judge = nn.Linear(2 * width, len(MOTIONS))
        with torch.no_grad():
            self.judge.weight.zero_()
            self.judge.bias.fill_(RARE_START)

    @staticmethod
    def _layer(width: int, heads: int) -> nn.TransformerEncoderLayer:
        return nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, J) logits of (B, T, N, D) tokens in order of time."""
        batch, frames, count, _ = tokens.shape
        seen = self.norm(tokens)
        step = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, 1:] - seen[:, :-1]], dim=1)
        moving = self.enter(torch.cat([seen - seen.mean(dim=1, keepdim=True), step], dim=-1))
        moving = moving + self.places + _sine_times(frames, moving.shape[-1]).to(moving)[:, None]
        timed = self.over_time(moving.transpose(1, 2).flatten(0, 1))  # (B N, T, D)
        spread = timed.unflatten(0, (batch, count)).transpose(1, 2).flatten(0, 1)  # (B T, N, D)
        spread = self.over_space(spread).unflatten(0, (batch, frames))
        pooled = torch.cat([spread.mean(dim=(1, 2)), spread.amax(dim=(1, 2))], dim=-1)  # (B, 2 D)
        logits: Tensor = self.judge(nn.functional.gelu(self.leave(pooled)))
        return logits


def _sine_times(frames: int, width: int) -> Tensor:
    """Return (T, D) sine and cosine positions in time."""
    frequencies = 1.0 / 100 ** (torch.arange(width // 2) / (width // 2))
    angles = torch.arange(frames)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


@dataclass(frozen=True)
class Cine:
    """T frames in order of time.

    The findings are exactly those of the middle frame read as a film, fitted or not; before it is fitted no
    motion is likely.
    """

    name: str = "cine"

    def build_adapter(self, preset: Preset) -> MotionReader:
        """Make the reader of a preset."""
        return MotionReader(preset.vision_width, preset.query_heads, preset.image_tokens)

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (T, 3, S, S) pixels; ValueError for a single frame."""
        if pixel_values.shape[0] < 2:
            raise ValueError("a sequence has at least two frames")
        return self.fuse(model, encode_study(model.encoder, pixel_values, pixel_values.shape[0] // 2))

    def fuse(self, model: MedicalJanus, tokens: Tensor) -> Perception:
        """Read (B, T, N, D) tokens."""
        adapter = find_adapter(model, self.name)
        film = model.understand(tokens[:, tokens.shape[1] // 2])
        return replace(film, motion=adapter(tokens))
