"""Self-supervised start of an encoder: hide three quarters of the patches and predict them (He et al., CVPR
2022).

Only visible patches go through the encoder, so a step costs a quarter. The patch projection starts from the
principal components of real patches, the positions from sines: both are what training would find first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from janus_med.presets import Preset

VISIBLE_SHARE = 0.25


def sine_positions(grid: int, width: int) -> Tensor:
    """Return (grid * grid, width) two-dimensional sine and cosine positions."""
    frequencies = 1.0 / 100 ** (torch.arange(width // 4) / (width // 4))
    angles = torch.arange(grid)[:, None] * frequencies  # (g, w/4)
    axis = torch.cat([angles.sin(), angles.cos()], dim=1)  # (g, w/2)
    rows, columns = axis.repeat_interleave(grid, 0), axis.repeat(grid, 1)
    return torch.cat([rows, columns], dim=1)


@torch.no_grad()
def start_embeddings(vision: Any, pixels: Tensor) -> None:
    """Set positions to sines and the patch projection to whitened principal components.

    Parameters
    ----------
    vision
        A `JanusVisionModel` with random weights.
    pixels
        (M, 3, S, S) real images.
    """
    embeddings = vision.embeddings
    width, _, patch, _ = embeddings.patch_embedding.weight.shape
    grid = pixels.shape[-1] // patch
    embeddings.position_embedding.weight.copy_(0.3 * sine_positions(grid, width))
    patches = to_patches(pixels[:, :1], patch).reshape(-1, patch * patch)
    centred = patches - patches.mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    kept = min(width, patch * patch)
    scale = (values[-kept:] + 0.02 * values.mean()).rsqrt()
    filters = (vectors[:, -kept:] * scale).T.flip(0).reshape(kept, 1, patch, patch) * 0.5
    embeddings.patch_embedding.weight[:kept] = filters.repeat(1, 3, 1, 1) / 3
    embeddings.patch_embedding.bias.zero_()


def to_patches(images: Tensor, patch: int) -> Tensor:
    """Cut (B, 1, S, S) into (B, N, patch * patch)."""
    return nn.functional.unfold(images, patch, stride=patch).transpose(1, 2)


class PatchPredictor(nn.Module):
    """A light decoder that predicts hidden patches; used in warm-up and thrown away."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        width = max(32, preset.vision_width // 2)
        self.patch = preset.patch_size
        self.enter = nn.Linear(preset.vision_width, width)
        self.hidden = nn.Parameter(torch.zeros(width))
        self.positions = nn.Parameter(sine_positions(preset.grid, width))
        self.layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.leave = nn.Linear(width, preset.patch_size**2)

    def loss(self, vision: Any, pixels: Tensor, order: Tensor) -> Tensor:
        """Return the mean squared error on hidden patches, each normalised by itself.

        Parameters
        ----------
        vision
            The encoder.
        pixels
            (B, 3, S, S).
        order
            (B, N) a random order of the patches; the first quarter is visible.
        """
        embedded = vision.embeddings(pixels)  # (B, N, D)
        visible = order[:, : max(1, int(VISIBLE_SHARE * order.shape[1]))]
        chosen = torch.gather(embedded, 1, visible[..., None].expand(-1, -1, embedded.shape[-1]))
        encoded = vision.post_layernorm(vision.encoder(inputs_embeds=chosen).last_hidden_state)
        entered = self.enter(encoded)
        full = self.hidden.expand(*order.shape, -1).scatter(1, visible[..., None].expand_as(entered), entered)
        predicted = self.leave(self.layer(full + self.positions))
        target = to_patches(pixels[:, :1], self.patch)
        target = (target - target.mean(-1, keepdim=True)) / (target.std(-1, keepdim=True) + 0.05)
        hidden = torch.ones_like(order, dtype=torch.bool).scatter(1, visible, False)
        return (predicted - target)[hidden].square().mean()
