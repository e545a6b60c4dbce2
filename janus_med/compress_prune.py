"""Structured pruning of both towers: whole MLP channels and whole heads go, the same number in every layer.

Because the layers stay alike, the result is described by the ordinary configuration of Janus and loaded by
the unmodified class. The heads of the vision tower stay: its class ties their number to its width.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import JanusConfig

    from janus_med.compress_importance import Importance

CHANNEL_STEP = 8
"""Kept channels are a multiple of this: what kernels like."""

VISION, TEXT = "model.vision_model.encoder.layers", "model.language_model.layers"


@dataclass(frozen=True, eq=False)
class PrunePlan:
    """What is kept, ascending indices a layer."""

    vision_channels: tuple[Tensor, ...]
    text_channels: tuple[Tensor, ...]
    text_heads: tuple[Tensor, ...]
    head_width: int

    def head_channels(self, layer: int) -> Tensor:
        """Return the channels of the kept heads of a layer."""
        offsets = torch.arange(self.head_width)
        return (self.text_heads[layer][:, None] * self.head_width + offsets).flatten()


def plan_pruning(config: JanusConfig, importance: Importance, share: float) -> PrunePlan:
    """Choose what is kept so that each tower's layers lose a share of their weights.

    Parameters
    ----------
    config
        Of the model to prune.
    importance
        Of its structures; the least important go.
    share
        In (0, 1): of the weights in the layers of either tower.

    Raises
    ------
    ValueError
        When the share leaves no channel, or the language model shares keys between heads.
    """
    text, vision = config.text_config, config.vision_config
    if text.num_key_value_heads != text.num_attention_heads:
        raise ValueError("heads that share keys are not pruned")
    heads = _fitting_heads(text.hidden_size, text.num_attention_heads, share)
    attention = 4 * text.hidden_size * text.head_dim  # weights a head
    whole = attention * text.num_attention_heads + 3 * text.hidden_size * text.intermediate_size
    text_channels = _fit(whole * (1 - share) - attention * heads, 3 * text.hidden_size)
    inner = int(vision.hidden_size * vision.mlp_ratio)
    whole = 4 * vision.hidden_size**2 + 2 * vision.hidden_size * inner
    vision_channels = _fit(whole * (1 - share) - 4 * vision.hidden_size**2, 2 * vision.hidden_size)
    return PrunePlan(
        tuple(_best(scores, vision_channels) for scores in importance.vision_channels),
        tuple(_best(scores, text_channels) for scores in importance.text_channels),
        tuple(_best(scores, heads) for scores in importance.text_heads),
        text.head_dim,
    )


def _fitting_heads(width: int, heads: int, share: float) -> int:
    """Return the fewest heads that keep the share and divide the width, as the class demands."""
    return next(count for count in range(1, heads + 1) if count >= heads * (1 - share) and not width % count)


def _fit(budget: float, weights_each: int) -> int:
    count = int(budget / weights_each + 1e-6) // CHANNEL_STEP * CHANNEL_STEP  # a share is no exact binary
    if count < CHANNEL_STEP:
        raise ValueError("the share to prune leaves no channel; choose a smaller one")
    return count


def _best(scores: Tensor, count: int) -> Tensor:
    return scores.topk(min(count, len(scores))).indices.sort().values


def prune_config(config: JanusConfig, plan: PrunePlan) -> JanusConfig:
    """Return the configuration of the pruned model, of the same class."""
    pruned = copy.deepcopy(config)
    width, channels = config.vision_config.hidden_size, len(plan.vision_channels[0])
    ratio = channels / width
    # the class truncates width * ratio
    pruned.vision_config.mlp_ratio = ratio if int(width * ratio) == channels else (channels + 0.5) / width
    pruned.text_config.intermediate_size = len(plan.text_channels[0])
    pruned.text_config.num_attention_heads = len(plan.text_heads[0])
    pruned.text_config.num_key_value_heads = len(plan.text_heads[0])
    return pruned


def prune_base(tensors: dict[str, Tensor], plan: PrunePlan) -> dict[str, Tensor]:
    """Return the base tensors of the pruned model."""
    cuts: dict[str, tuple[int, Tensor]] = {}
    for layer, kept in enumerate(plan.vision_channels):
        mlp = f"{VISION}.{layer}.mlp"
        cuts |= {f"{mlp}.fc1.weight": (0, kept), f"{mlp}.fc1.bias": (0, kept), f"{mlp}.fc2.weight": (1, kept)}
    for layer, kept in enumerate(plan.text_channels):
        mlp, attention = f"{TEXT}.{layer}.mlp", f"{TEXT}.{layer}.self_attn"
        cuts |= {f"{mlp}.{name}_proj.{kind}": (0, kept) for name in ("gate", "up") for kind in _KINDS}
        heads = plan.head_channels(layer)
        cuts |= {f"{attention}.{name}_proj.{kind}": (0, heads) for name in "qkv" for kind in _KINDS}
        cuts |= {f"{mlp}.down_proj.weight": (1, kept), f"{attention}.o_proj.weight": (1, heads)}
    return _cut(tensors, cuts)


def prune_adapters(tensors: dict[str, Tensor], plan: PrunePlan) -> dict[str, Tensor]:
    """Return the adapter tensors that fit the pruned model: LoRA of the heads that are gone goes too."""
    cuts: dict[str, tuple[int, Tensor]] = {}
    for layer in range(len(plan.text_heads)):
        attention, heads = f"lora.layers.{layer}.self_attn", plan.head_channels(layer)
        cuts |= {f"{attention}.{name}_proj.lora_B.default.weight": (0, heads) for name in "qv"}
        cuts |= {f"{attention}.o_proj.lora_A.default.weight": (1, heads)}
    return _cut(tensors, cuts)


_KINDS = ("weight", "bias")


def _cut(tensors: dict[str, Tensor], cuts: dict[str, tuple[int, Tensor]]) -> dict[str, Tensor]:
    return {
        name: tensor.index_select(*cuts[name]).contiguous() if name in cuts else tensor
        for name, tensor in tensors.items()
    }
