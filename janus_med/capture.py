"""How much the text looks at the image: attention rows of the newest query, without eager attention.

`image_rows` computes them after decoding from the queries and keys that the cache holds anyway.
`capture_attention` does the same inside Hugging Face's own model, through its register of attention
functions, for anything that calls ``generate``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import JanusForConditionalGeneration

NAME = "sdpa_with_image_rows"


def image_rows(queries: Tensor, keys: Tensor, seen: Tensor, columns: Tensor, scaling: float) -> Tensor:
    """Return how much each of T newest queries looks at each image token.

    Parameters
    ----------
    queries
        (L, H, T, d), the last T of S positions.
    keys
        (L, Hk, S, d); Hk divides H.
    seen
        (S,) bool, False where a slot is padding.
    columns
        (N,) int64 slots of the image tokens.
    scaling
        Of the scores.

    Returns
    -------
    Tensor
        (T, N) float32, mean over layers and heads.
    """
    layers, _, count, width = queries.shape
    total = keys.shape[2]
    grouped = queries.reshape(layers, keys.shape[1], -1, count, width)  # (L, Hk, H / Hk, T, d)
    scores = (grouped @ keys.unsqueeze(2).transpose(-1, -2)).float() * scaling  # (L, Hk, H / Hk, T, S)
    order = torch.arange(total, device=keys.device)
    newest = order[total - count :, None]
    hidden = (order[None, :] > newest) | ~seen
    shares = scores.masked_fill(hidden, -torch.inf).softmax(-1)[..., columns]
    return shares.mean(dim=(0, 1, 2))


@dataclass(eq=False)
class Capture:
    """Rows collected inside a Hugging Face model.

    Attributes
    ----------
    columns
        (N,) int64 image columns of the prompt.
    rows
        Per call of a layer, (B, N) float32 of the newest query, mean over the heads.
    """

    columns: Tensor
    rows: list[Tensor] = field(default_factory=list)

    def steps(self, layers: int) -> Tensor:
        """Return (T, B, N), mean over the layers."""
        return torch.stack(self.rows).unflatten(0, (-1, layers)).mean(dim=1)


@contextmanager
def capture_attention(janus: JanusForConditionalGeneration, columns: Tensor) -> Iterator[Capture]:
    """Collect attention rows of the language model while the context is open.

    Parameters
    ----------
    janus
        The language model runs SDPA with capture inside the context, and what it ran before after it; the
        tokens are the same.
    columns
        (N,) int64 places of the image tokens in the prompt, the same for every row.
    """
    ALL_ATTENTION_FUNCTIONS.register(NAME, _attend_and_capture)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
    model = janus.model.language_model
    before = model.config._attn_implementation
    capture = Capture(columns)
    model.set_attn_implementation(NAME)
    for layer in model.layers:
        layer.self_attn.image_capture = capture
    try:
        yield capture
    finally:
        model.set_attn_implementation(before)
        for layer in model.layers:
            del layer.self_attn.image_capture


def _attend_and_capture(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    read, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
    scores = _newest_scores(query, key) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        row = attention_mask[:, :, -1:, : key.shape[2]]
        scores = scores.masked_fill(~row, -torch.inf) if row.dtype == torch.bool else scores + row
    module.image_capture.rows.append(scores.softmax(-1)[:, :, 0, module.image_capture.columns].mean(dim=1))
    return read, None


def _newest_scores(query: Tensor, key: Tensor) -> Tensor:
    """Return (B, H, 1, S) products of the last query with every key."""
    rows, heads, _, width = query.shape
    grouped = query[:, :, -1:].reshape(rows, key.shape[1], -1, width)  # (B, Hk, H / Hk, d)
    return (grouped @ key.transpose(-1, -2)).reshape(rows, heads, 1, -1).float()
