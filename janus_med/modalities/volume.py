"""A stack of slices through the frozen 2-D encoder: attention over the slices says whether, and in which
one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from janus_med.modalities.reading_images import (
    ImageChoice,
    ImageReader,
    ImageReading,
    encode_study,
    pick_images,
)
from janus_med.modalities.registry import find_adapter
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from janus_med.model import MedicalJanus, Perception
    from janus_med.presets import Preset


class SliceFusion(nn.Module):
    """A reader of single slices with a look at their neighbours, and attention over the slices.

    A vessel continues in the next slice, a nodule does not: each patch is read together with what changes to
    the patch above and below it.

    Parameters
    ----------
    width
        D of the vision encoder.
    heads
        Of the reader.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.mix = nn.Linear(3 * width, width)
        self.reader = ImageReader(width, len(FINDINGS), heads)
        self.choice = ImageChoice(width, len(FINDINGS))
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, ImageReading]:
        """Return (B, K) logits, (B, K, M) shares and the reading of (B, M, N, D) tokens."""
        above = torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)
        below = torch.cat([tokens[:, 1:], tokens[:, -1:]], dim=1)
        mixed = self.mix(torch.cat([tokens, tokens - above, tokens - below], dim=-1))
        reading = self.reader(tokens + nn.functional.gelu(mixed))
        logits, shares = self.choice(reading)
        return logits, shares, reading


@dataclass(frozen=True)
class Volume:
    """M slices in order.

    There is no frontal film whose answer could be kept: unfitted, the logits are exactly the mean of what the
    film's heads say of the slices, which means nothing. Fitted, map and evidence of a finding are those of
    the slice that speaks for it most; tokens and embedding are of the slice that speaks for the likeliest
    finding.
    """

    name: str = "volume"

    def build_adapter(self, preset: Preset) -> SliceFusion:
        """Make the fusion of a preset."""
        return SliceFusion(preset.vision_width, preset.query_heads)

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (M, 3, S, S) pixels."""
        return self.fuse(model, encode_study(model.encoder, pixel_values))

    def fuse(self, model: MedicalJanus, tokens: Tensor) -> Perception:
        """Read (B, M, N, D) tokens."""
        adapter = find_adapter(model, self.name)
        own, shares, reading = adapter(tokens)
        key = self._choose_key(own, shares)  # (B,)
        chosen = model.understand(tokens[torch.arange(len(key)), key])
        every = self._read_slices(model, tokens)  # (B, M, K)
        weight = torch.tanh(adapter.get_parameter("gate"))
        logits = (1 - weight) * every.mean(dim=1) + weight * own
        cross = replace(
            chosen.cross,
            outputs=pick_images(reading.outputs, shares),
            evidence=pick_images(reading.evidence, shares),
            attention=pick_images(reading.attention, shares),
        )
        understanding = replace(chosen.understanding, logits=logits)
        return replace(chosen, cross=cross, understanding=understanding, shares=shares)

    @staticmethod
    @torch.no_grad()
    def _read_slices(model: MedicalJanus, tokens: Tensor) -> Tensor:
        logits = model.understand(tokens.flatten(0, 1)).understanding.logits
        return logits.unflatten(0, tokens.shape[:2])

    @staticmethod
    def _choose_key(logits: Tensor, shares: Tensor) -> Tensor:
        likeliest = logits[:, 1:].argmax(dim=-1) + 1  # No Finding has no slice
        return shares[torch.arange(len(likeliest)), likeliest].argmax(dim=-1)
