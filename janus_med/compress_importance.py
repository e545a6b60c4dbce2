"""Which channels and heads matter: how much each adds to its layer's output on films and reports.

A hidden channel adds ``a_j * w_j`` to the output of its layer, ``w_j`` its column of the outgoing matrix, so
it is ranked by ``mean |a_j| * |w_j|``; a head by the same of its channels together. This is the criterion of
Wanda (Sun et al., ICLR 2024, equation 1), summed over a structure instead of taken for each weight. A layer
as a whole is ranked by how far it turns its input: the mean of one minus the cosine (block influence of
ShortGPT, Men et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from janus_med.training.texts import grammar_turns, make_batch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedTokenizerFast

    from janus_med.model import MedicalJanus

REPORTS = 8
"""Reports of the grammar that are read with each batch of films."""


@dataclass(frozen=True, eq=False)
class Importance:
    """Scores a layer: vision MLP channels (M,), language MLP channels (M,), language heads (H,); and of the
    layers of either tower themselves (L,).
    """

    vision_channels: tuple[Tensor, ...]
    text_channels: tuple[Tensor, ...]
    text_heads: tuple[Tensor, ...]
    vision_layers: Tensor
    text_layers: Tensor


@torch.no_grad()
def measure_importance(
    model: MedicalJanus, tokenizer: PreTrainedTokenizerFast, pixels: Iterable[Tensor], seed: int
) -> Importance:
    """Rank the structures of both towers.

    Parameters
    ----------
    model, tokenizer
        Of one folder, frozen.
    pixels
        Batches (B, 3, S, S) of films.
    seed
        Decides the reports.
    """
    blocks = model.janus.model.vision_model.encoder.layers
    vision = [block.mlp.fc2 for block in blocks]
    layers = model.janus.model.language_model.layers
    downs, outs = [layer.mlp.down_proj for layer in layers], [layer.self_attn.o_proj for layer in layers]
    watches = [_Watch(linear) for linear in (*vision, *downs, *outs)]
    turns = [_Turn(layer) for layer in (*blocks, *layers)]
    rng = Random(seed)  # noqa: S311 - wording, not secrets
    for batch in pixels:
        cross = model.perceive(batch).cross
        image = model.image_embeddings(cross)["image"]
        texts = make_batch(tokenizer, grammar_turns(rng, REPORTS), model.preset.image_tokens)
        rows = torch.arange(REPORTS) % len(batch)
        image.pooler_output = image.pooler_output[rows]
        model.janus(input_ids=texts.ids, attention_mask=texts.mask, mm_encoder_outputs={"image": image})
    heads = model.janus.config.text_config.num_attention_heads
    scores = [watch.close() for watch in watches]
    turned = torch.tensor([turn.close() for turn in turns])
    ends = len(vision), len(vision) + len(downs)
    return Importance(
        tuple(scores[: ends[0]]),
        tuple(scores[ends[0] : ends[1]]),
        tuple(score.square().view(heads, -1).sum(dim=1).sqrt() for score in scores[ends[1] :]),
        turned[: len(blocks)],
        turned[len(blocks) :],
    )


class _Watch:
    """Sums |input| of one linear layer while the model runs."""

    def __init__(self, linear: Any) -> None:
        base = linear.get_base_layer() if hasattr(linear, "get_base_layer") else linear
        self._columns = base.weight.norm(dim=0)  # (in,)
        self._sum = torch.zeros_like(self._columns)
        self._count = 0
        self._handle = linear.register_forward_pre_hook(self._add)

    def _add(self, _module: Any, inputs: tuple[Tensor, ...]) -> None:
        flat = inputs[0].flatten(0, -2)
        self._sum += flat.abs().sum(dim=0)
        self._count += len(flat)

    def close(self) -> Tensor:
        """Stop watching, return the (in,) scores."""
        self._handle.remove()
        return self._sum / max(1, self._count) * self._columns


class _Turn:
    """Averages how far one layer turns its input while the model runs."""

    def __init__(self, layer: Any) -> None:
        self._sum, self._count = 0.0, 0
        self._handle = layer.register_forward_hook(self._add)

    def _add(self, _module: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
        after = output[0] if isinstance(output, tuple) else output
        turned = 1 - torch.cosine_similarity(inputs[0], after, dim=-1)
        self._sum += float(turned.sum())
        self._count += turned.numel()

    def close(self) -> float:
        """Stop watching, return the mean."""
        self._handle.remove()
        return self._sum / max(1, self._count)
