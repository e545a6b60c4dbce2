"""A film and its quarters at twice the resolution: what is too small for the whole film is seen."""

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

IMAGES = 5
"""The whole film, then its quarters: upper left of the image, upper right, lower left, lower right."""


def cut_tiles(film: Tensor) -> Tensor:
    """Cut a film into what the plug-in reads.

    Parameters
    ----------
    film
        (1, 3, 2 S, 2 S) float32 in [-1, 1], preprocessed for twice the side of the model's square.

    Returns
    -------
    Tensor
        (5, 3, S, S): the film averaged over 2 x 2 pixels, then its quarters as they are.

    Raises
    ------
    ValueError
        If it is not one square of even side.
    """
    count, channels, rows, columns = film.shape
    if (count, channels) != (1, 3) or rows != columns or rows % 2:
        raise ValueError(f"pixels of shape (1, 3, 2 S, 2 S) expected, {tuple(film.shape)} given")
    side = rows // 2
    quarters = [film[..., row : row + side, col : col + side] for row in (0, side) for col in (0, side)]
    return torch.cat([nn.functional.avg_pool2d(film, 2), *quarters])


class TileFusion(nn.Module):
    """Place embeddings, a reader, attention over film and quarters, and a gate that starts at 0.

    Parameters
    ----------
    width
        D of the vision encoder.
    heads
        Of the reader.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.places = nn.Parameter(0.02 * torch.randn(IMAGES, width))
        self.reader = ImageReader(width, len(FINDINGS), heads)
        self.choice = ImageChoice(width, len(FINDINGS))
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, K) to be added to the film's logits and (B, K, 5) shares of (B, 5, N, D) tokens."""
        logits, shares = self.choice(self.reader(tokens + self.places[:, None]))
        return torch.tanh(self.gate) * logits, shares


@dataclass(frozen=True)
class Tiled:
    """The images of `cut_tiles`.

    Before the plug-in is fitted the answer is exactly that of the whole film. Maps and text tokens are always
    those of the whole film; ``shares`` says in which quarter a finding was seen.
    """

    name: str = "tiled"

    def build_adapter(self, preset: Preset) -> TileFusion:
        """Make the fusion of a preset."""
        return TileFusion(preset.vision_width, preset.query_heads)

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (5, 3, S, S) pixels."""
        if len(pixel_values) != IMAGES:
            raise ValueError(f"a film and its four quarters expected, {len(pixel_values)} images given")
        return self.fuse(model, encode_study(model.encoder, pixel_values))

    def fuse(self, model: MedicalJanus, tokens: Tensor) -> Perception:
        """Read (B, 5, N, D) tokens."""
        whole = model.understand(tokens[:, 0])
        added, shares = find_adapter(model, self.name)(tokens)
        logits = whole.understanding.logits + added
        return replace(whole, understanding=replace(whole.understanding, logits=logits), shares=shares)
