"""The static key-value cache of text decoding: allocated once, written in place, never grown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from janus_med.text_weights import TextWeights


@dataclass(frozen=True, eq=False)
class TextCache:
    """Keys and values of B rows in S slots, padded on the left.

    Attributes
    ----------
    keys, values
        (L, B, Hk, S, d); a slot is a column of all rows.
    queries
        (L, B, H, S, d) the newest query of each step, from which attention is computed after decoding.
    seen
        (B, 1, 1, S) bool, which slots a new token may look at: written, and not padding.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor
    seen: Tensor

    def clear(self) -> None:
        """Forget every slot; stale numbers behind the mask stay finite."""
        self.seen.fill_(False)


def make_cache(weights: TextWeights, rows: int, slots: int) -> TextCache:
    """Allocate a cleared cache.

    Parameters
    ----------
    weights
        Whose layers, heads, type and device it has.
    rows, slots
        B and S.
    """
    width, device, dtype = weights.cos.shape[1], weights.norm.device, weights.dtype
    layers = len(weights.layers)

    def zeros(heads: int) -> Tensor:
        return torch.zeros(layers, rows, heads, slots, width, dtype=dtype, device=device)

    seen = torch.zeros(rows, 1, 1, slots, dtype=torch.bool, device=device)
    return TextCache(zeros(weights.key_heads), zeros(weights.key_heads), zeros(weights.heads), seen)
