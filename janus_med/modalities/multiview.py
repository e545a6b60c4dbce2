"""Frontal and lateral film of one study: what only the lateral shows reaches the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from janus_med.modalities.reading_images import ImageChoice, ImageReader, encode_study
from janus_med.modalities.registry import find_adapter
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from janus_med.model import MedicalJanus, Perception
    from janus_med.presets import Preset


class ViewFusion(nn.Module):
    """View embeddings, a reader, attention over the views, and a gate that starts at 0.

    Parameters
    ----------
    width
        D of the vision encoder.
    heads
        Of the reader.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.views = nn.Parameter(0.02 * torch.randn(2, width))  # frontal, any other
        self.reader = ImageReader(width, len(FINDINGS), heads)
        self.choice = ImageChoice(width, len(FINDINGS))
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, K) to be added to the frontal logits and (B, K, M) shares of (B, M, N, D) tokens."""
        kind = self.views[(torch.arange(tokens.shape[1]) > 0).long().to(tokens.device)]  # (M, D)
        logits, shares = self.choice(self.reader(tokens + kind[:, None]))
        return torch.tanh(self.gate) * logits, shares


@dataclass(frozen=True)
class MultiView:
    """A frontal film first, then one or more lateral ones.

    A study of the frontal film alone gets exactly the frontal answer, and so does every study before the
    plug-in is fitted. Maps and text tokens are those of the frontal film; ``shares`` says which view decided.
    """

    name: str = "multiview"

    def build_adapter(self, preset: Preset) -> ViewFusion:
        """Make the fusion of a preset."""
        return ViewFusion(preset.vision_width, preset.query_heads)

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (M, 3, S, S) pixels, the frontal film first."""
        return self.fuse(model, encode_study(model.encoder, pixel_values))

    def fuse(self, model: MedicalJanus, tokens: Tensor) -> Perception:
        """Read (B, M, N, D) tokens."""
        adapter = find_adapter(model, self.name)
        frontal = model.understand(tokens[:, 0])
        if tokens.shape[1] == 1:
            return frontal
        added, shares = adapter(tokens)
        logits = frontal.understanding.logits + added
        return replace(frontal, understanding=replace(frontal.understanding, logits=logits), shares=shares)
