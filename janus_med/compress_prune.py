"""Structured pruning of both towers: whole MLP channels and whole heads go, the same number in every layer,
and whole layers where that is asked for.

Every token passes through every layer, and in a small model the passing costs more than the products: there
layers save time, channels mostly bytes.

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
    """What is kept, ascending indices; the tuples have one entry a kept layer."""

    vision_channels: tuple[Tensor, ...]
    text_channels: tuple[Tensor, ...]
    text_heads: tuple[Tensor, ...]
    head_width: int
    vision_layers: tuple[int, ...]
    text_layers: tuple[int, ...]

    def head_channels(self, layer: int) -> Tensor:
        """Return the channels of the kept heads of a kept layer."""
        offsets = torch.arange(self.head_width)
        return (self.text_heads[layer][:, None] * self.head_width + offsets).flatten()


def plan_pruning(
    config: JanusConfig,
    importance: Importance,
    share: float,
    vision_layers: int | None = None,
    text_layers: int | None = None,
) -> PrunePlan:
    """Choose what is kept so that each tower's layers lose a share of their weights.

    Parameters
    ----------
    config
        Of the model to prune.
    importance
        Of its structures; the least important go.
    share
        In (0, 1): of the weights in the layers of either tower.
    vision_layers, text_layers
        Layers of either tower that stay; None for all. Layers that go count for the share, and may be more
        than it.

    Raises
    ------
    ValueError
        When the share leaves no channel, the layers that stay are not between 1 and all, or the language
        model shares keys between heads.
    """
    text, vision = config.text_config, config.vision_config
    if text.num_key_value_heads != text.num_attention_heads:
        raise ValueError("heads that share keys are not pruned")
    blocks = _keep_layers("vision", importance.vision_layers, vision_layers)
    layers = _keep_layers("language", importance.text_layers, text_layers)
    rest = _rest(share, text.num_hidden_layers, len(layers))
    heads = _fitting_heads(text.hidden_size, text.num_attention_heads, rest)
    attention = 4 * text.hidden_size * text.head_dim  # weights a head
    whole = attention * text.num_attention_heads + 3 * text.hidden_size * text.intermediate_size
    text_channels = _fit(whole * (1 - rest) - attention * heads, 3 * text.hidden_size)
    inner = int(vision.hidden_size * vision.mlp_ratio)
    whole = 4 * vision.hidden_size**2 + 2 * vision.hidden_size * inner
    left = whole * (1 - _rest(share, vision.num_hidden_layers, len(blocks)))
    vision_channels = _fit(left - 4 * vision.hidden_size**2, 2 * vision.hidden_size)
    return PrunePlan(
        tuple(_best(importance.vision_channels[layer], vision_channels) for layer in blocks),
        tuple(_best(importance.text_channels[layer], text_channels) for layer in layers),
        tuple(_best(importance.text_heads[layer], heads) for layer in layers),
        text.head_dim,
        blocks,
        layers,
    )


def _rest(share: float, layers: int, kept: int) -> float:
    """Return the share that the kept layers still lose."""
    return max(0.0, 1 - (1 - share) * layers / kept)


def _keep_layers(tower: str, scores: Tensor, count: int | None) -> tuple[int, ...]:
    if count is not None and not 1 <= count <= len(scores):
        raise ValueError(f"{count} {tower} layers to keep; the model has {len(scores)}")
    return tuple(_best(scores, len(scores) if count is None else count).tolist())


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
    pruned.vision_config.num_hidden_layers = len(plan.vision_layers)
    pruned.text_config.num_hidden_layers = len(plan.text_layers)
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
    remaining = _renumber(_renumber(tensors, VISION, plan.vision_layers), TEXT, plan.text_layers)
    return _cut(remaining, cuts)


def prune_adapters(tensors: dict[str, Tensor], plan: PrunePlan) -> dict[str, Tensor]:
    """Return the adapter tensors that fit the pruned model: LoRA of the heads that are gone goes too."""
    cuts: dict[str, tuple[int, Tensor]] = {}
    for layer in range(len(plan.text_heads)):
        attention, heads = f"lora.layers.{layer}.self_attn", plan.head_channels(layer)
        cuts |= {f"{attention}.{name}_proj.lora_B.default.weight": (0, heads) for name in "qv"}
        cuts |= {f"{attention}.o_proj.lora_A.default.weight": (1, heads)}
    return _cut(_renumber(tensors, "lora.layers", plan.text_layers), cuts)


def _renumber(tensors: dict[str, Tensor], stem: str, kept: tuple[int, ...]) -> dict[str, Tensor]:
    """Leave out the layers below ``stem`` that are not kept, and count the others from 0."""
    numbers = {str(layer): str(number) for number, layer in enumerate(kept)}
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not name.startswith(f"{stem}."):
            named[name] = tensor
            continue
        layer, _, inner = name.removeprefix(f"{stem}.").partition(".")
        if layer in numbers:
            named[f"{stem}.{numbers[layer]}.{inner}"] = tensor
    return named


_KINDS = ("weight", "bias")


def _cut(tensors: dict[str, Tensor], cuts: dict[str, tuple[int, Tensor]]) -> dict[str, Tensor]:
    return {
        name: tensor.index_select(*cuts[name]).contiguous() if name in cuts else tensor
        for name, tensor in tensors.items()
    }
