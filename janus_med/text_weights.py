"""The language model of a Janus as plain tensors, the generation adapter merged into a copy.

Merging adds the LoRA product to a copy of each projection, so decoding does one product where peft does
three; the tensors of the base and of the adapter stay what they are, in memory and on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import JanusForConditionalGeneration

STATIC_ROPE = frozenset({"default", "linear", "llama3", "yarn"})
"""Rotary embeddings whose frequencies do not depend on the length of the text."""

Affine = tuple[Tensor, Tensor | None]
"""Weight (out, in) and bias (out,) of a linear map."""


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One decoder layer; ``mix`` gives queries, keys and values in one product."""

    norm_before: Tensor
    mix: Affine
    out: Affine
    norm_after: Tensor
    gate: Affine
    up: Affine
    down: Affine


@dataclass(frozen=True, eq=False)
class TextWeights:
    """A Llama decoder, merged.

    Attributes
    ----------
    cos, sin
        (P, d) rotary table; the first half of ``sin`` is negated, so that a rotation is
        ``x * cos + roll(x, d / 2) * sin``.
    """

    layers: tuple[LayerWeights, ...]
    norm: Tensor
    cos: Tensor
    sin: Tensor
    heads: int
    key_heads: int
    epsilon: float
    scaling: float
    activate: Callable[[Tensor], Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights and of the activations."""
        return self.norm.dtype

    def numel(self) -> int:
        """Return how many weights the layers have; each is read once a token."""
        return sum(
            weight.numel()
            for layer in self.layers
            for weight, _ in (layer.mix, layer.out, layer.gate, layer.up, layer.down)
        )


@torch.no_grad()
def merge_text_weights(janus: JanusForConditionalGeneration, dtype: torch.dtype) -> TextWeights:
    """Read the language model out of a Janus, its active LoRA added in.

    Parameters
    ----------
    janus
        The base, with or without a generation adapter; it is not changed.
    dtype
        Of the copy. A projection that needs no change and has this type already is shared, not copied.

    Raises
    ------
    ValueError
        When the rotary embedding depends on the length of the text, which a table cannot hold.
    """
    model = janus.model.language_model
    config = janus.config.text_config
    kind = config.rope_parameters["rope_type"]
    if kind not in STATIC_ROPE:
        raise ValueError(f"rotary embedding {kind!r} depends on the length; known: {sorted(STATIC_ROPE)}")
    cos, sin = _rotary_table(model, config.max_position_embeddings, dtype)
    return TextWeights(
        layers=tuple(_merge_layer(layer, dtype) for layer in model.layers),
        norm=model.norm.weight.to(dtype),
        cos=cos,
        sin=sin,
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        epsilon=config.rms_norm_eps,
        scaling=model.layers[0].self_attn.scaling,
        activate=ACT2FN[config.hidden_act],
    )


def _merge_layer(layer: nn.Module, dtype: torch.dtype) -> LayerWeights:
    attention, mlp = layer.get_submodule("self_attn"), layer.get_submodule("mlp")
    parts = [_merged(attention.get_submodule(name), dtype) for name in ("q_proj", "k_proj", "v_proj")]
    return LayerWeights(
        norm_before=layer.get_parameter("input_layernorm.weight").to(dtype),
        mix=_stacked(parts),
        out=_merged(attention.get_submodule("o_proj"), dtype),
        norm_after=layer.get_parameter("post_attention_layernorm.weight").to(dtype),
        gate=_merged(mlp.get_submodule("gate_proj"), dtype),
        up=_merged(mlp.get_submodule("up_proj"), dtype),
        down=_merged(mlp.get_submodule("down_proj"), dtype),
    )


def _merged(linear: Any, dtype: torch.dtype) -> Affine:
    """Return weight and bias of a linear layer; a LoRA layer of peft gives base plus product."""
    base = linear.get_base_layer() if hasattr(linear, "get_base_layer") else linear
    weight = base.weight
    for name in getattr(linear, "active_adapters", ()):
        weight = weight + linear.get_delta_weight(name).to(weight.dtype)
    bias = base.bias
    return weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype)


def _stacked(parts: list[Affine]) -> Affine:
    weights, biases = [weight for weight, _ in parts], [bias for _, bias in parts if bias is not None]
    return torch.cat(weights), torch.cat(biases) if biases else None


def _rotary_table(model: Any, positions: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    device = model.get_parameter("norm.weight").device
    probe = torch.zeros(1, dtype=dtype, device=device)
    cos, sin = model.rotary_emb(probe, torch.arange(positions, device=device)[None])
    sin = sin[0].clone()
    sin[:, : sin.shape[1] // 2] *= -1
    return cos[0], sin
