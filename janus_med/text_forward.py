"""One pass of the merged language model over new tokens, against the static cache.

The arithmetic is that of Hugging Face's Llama (``models/llama/modeling_llama.py``); only what text decoding
needs is computed: the last layer and the vocabulary see the last token alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention

if TYPE_CHECKING:
    from janus_med.text_cache import TextCache
    from janus_med.text_weights import LayerWeights, TextWeights


@dataclass(frozen=True, eq=False)
class Place:
    """Where new tokens stand.

    Attributes
    ----------
    slots
        (Q,) int64 columns of the cache that they fill.
    positions
        (B, Q) int64 of the rotary embedding, padding not counted.
    extent
        How many slots are read.
    mask
        (B, 1, Q, extent) bool of what each token sees; None when it sees all of it, or all before it.
    """

    slots: Tensor
    positions: Tensor
    extent: int
    mask: Tensor | None


def run_layers(weights: TextWeights, cache: TextCache, hidden: Tensor, place: Place) -> Tensor:
    """Return the (B, D) normed state of the last of (B, Q, D) new tokens; the cache takes keys and values."""
    cos = weights.cos[place.positions].unsqueeze(1)  # (B, 1, Q, d)
    sin = weights.sin[place.positions].unsqueeze(1)
    last = len(weights.layers) - 1
    for index, layer in enumerate(weights.layers):
        mixed = linear(_normed(weights, hidden, layer.norm_before), *layer.mix)
        queries = _store(weights, cache, index, mixed, (cos, sin), place.slots)
        mask = place.mask
        if index == last:
            hidden, queries = hidden[:, -1:], queries[:, :, -1:]
            mask = None if mask is None else mask[:, :, -1:]
        read = _attend(weights, cache, index, queries, (mask, place.extent))
        hidden = hidden + linear(read, *layer.out)
        hidden = hidden + _feed(weights, layer, _normed(weights, hidden, layer.norm_after))
    return _normed(weights, hidden[:, -1], weights.norm)


def _normed(weights: TextWeights, hidden: Tensor, scale: Tensor) -> Tensor:
    return rms_norm(hidden, (hidden.shape[-1],), scale, weights.epsilon)


def _store(
    weights: TextWeights,
    cache: TextCache,
    index: int,
    mixed: Tensor,
    turn: tuple[Tensor, Tensor],
    slots: Tensor,
) -> Tensor:
    """Rotate queries and keys, write keys, values and the newest query, return (B, H, Q, d) queries."""
    heads, key_heads = weights.heads, weights.key_heads
    rows, count, _ = mixed.shape
    parts = mixed.view(rows, count, heads + 2 * key_heads, -1).transpose(1, 2)  # (B, H + 2 Hk, Q, d)
    turned = parts[:, : heads + key_heads]
    turned = torch.addcmul(turned * turn[0], turned.roll(turned.shape[-1] // 2, -1), turn[1])
    cache.keys[index].index_copy_(2, slots, turned[:, heads:])
    cache.values[index].index_copy_(2, slots, parts[:, heads + key_heads :])
    cache.queries[index].index_copy_(2, slots[-1:], turned[:, :heads, -1:])
    return turned[:, :heads]


def _attend(
    weights: TextWeights, cache: TextCache, index: int, queries: Tensor, view: tuple[Tensor | None, int]
) -> Tensor:
    """Return (B, Q, H * d) of what the queries read."""
    mask, extent = view
    read = scaled_dot_product_attention(
        queries,
        cache.keys[index][:, :, :extent],
        cache.values[index][:, :, :extent],
        attn_mask=mask,
        is_causal=mask is None and queries.shape[2] > 1,
        scale=weights.scaling,
        enable_gqa=weights.heads != weights.key_heads,
    )
    return read.transpose(1, 2).flatten(2)


def _feed(weights: TextWeights, layer: LayerWeights, hidden: Tensor) -> Tensor:
    return linear(weights.activate(linear(hidden, *layer.gate)) * linear(hidden, *layer.up), *layer.down)
