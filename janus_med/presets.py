"""The sizes the model comes in, and the unmodified Hugging Face configuration of each.

``nano`` is for tests, ``tiny`` is bundled, ``base`` is about 120 M parameters; ``pro-1b`` and ``pro-7b`` have
the shapes of DeepSeek's Janus-Pro (https://huggingface.co/deepseek-ai/Janus-Pro-1B, configuration and tensor
list).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import JanusConfig, JanusForConditionalGeneration

GENERATION_ONLY = ("vqmodel", "generation_embeddings", "generation_aligner", "generation_head")
"""Modules of `JanusModel` that draw images; text never touches them."""


@dataclass(frozen=True)
class Preset:
    """Shapes of one model; widths in channels, sizes in pixels.

    Attributes
    ----------
    vocab_size
        Of a preset with its own tokenizer: the upper limit given to its training.
    query_heads, embedding_width, lora_rank
        Of our adapters, which are no part of the Hugging Face checkpoint.
    """

    name: str
    image_size: int
    vision_width: int
    vision_layers: int
    vision_heads: int
    vision_mlp_ratio: float
    text_width: int
    text_mlp_width: int
    text_layers: int
    text_heads: int
    vocab_size: int
    vq_channels: int = 32
    vq_latent: int = 32
    vq_multiplier: tuple[int, ...] = (1, 1, 1, 1, 1)
    vq_blocks: int = 1
    vq_codes: int = 64
    max_positions: int = 1024
    image_token_id: int | None = None
    patch_size: int = 16
    query_heads: int = 4
    embedding_width: int = 128
    lora_rank: int = 8

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image_size // self.patch_size

    @property
    def image_tokens(self) -> int:
        """Tokens an image occupies in the prompt."""
        return self.grid**2


_PRO_1B = Preset(
    name="pro-1b",
    image_size=384,
    vision_width=1024,
    vision_layers=24,
    vision_heads=16,
    vision_mlp_ratio=4.0,
    text_width=2048,
    text_mlp_width=5632,
    text_layers=24,
    text_heads=16,
    vocab_size=102_400,
    vq_channels=128,
    vq_latent=256,
    vq_multiplier=(1, 1, 2, 2, 4),
    vq_blocks=2,
    vq_codes=16_384,
    max_positions=16_384,
    image_token_id=100_581,
    query_heads=16,
    embedding_width=512,
    lora_rank=64,
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("nano", 64, 32, 2, 2, 2.0, 48, 96, 2, 2, 512, embedding_width=16, lora_rank=4, query_heads=2),
        Preset("tiny", 224, 256, 6, 4, 4.0, 192, 512, 4, 4, 1024),
        Preset("base", 384, 576, 12, 9, 4.0, 640, 1_728, 12, 10, 8_192, embedding_width=256, lora_rank=16),
        _PRO_1B,
        replace(
            _PRO_1B, name="pro-7b", text_width=4096, text_mlp_width=11_008, text_layers=30, text_heads=32
        ),
    )
}


def find_preset(name: str) -> Preset:
    """Return the preset of that name; ValueError names the known ones."""
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]


def build_config(preset: Preset, tokens: dict[str, int] | None = None) -> JanusConfig:
    """Build the Hugging Face configuration of a preset.

    Parameters
    ----------
    preset
        The shapes.
    tokens
        ``vocab_size``, ``bos``, ``eos``, ``pad`` and ``image`` ids of the preset's own tokenizer; None for a
        preset that keeps DeepSeek's vocabulary.

    Returns
    -------
    JanusConfig
        Embeddings untied: Janus-Pro's are two tensors, while the class default ties them.
    """
    from transformers import JanusConfig, JanusVisionConfig, JanusVQVAEConfig, LlamaConfig

    ids = tokens or {"vocab_size": preset.vocab_size, "image": preset.image_token_id or 3}
    vision = JanusVisionConfig(
        hidden_size=preset.vision_width,
        num_hidden_layers=preset.vision_layers,
        num_attention_heads=preset.vision_heads,
        image_size=preset.image_size,
        patch_size=preset.patch_size,
        mlp_ratio=preset.vision_mlp_ratio,
        projection_dim=preset.text_width,
        num_image_tokens=preset.image_tokens,
    )
    drawing = JanusVQVAEConfig(
        embed_dim=8,
        num_embeddings=preset.vq_codes,
        latent_channels=preset.vq_latent,
        base_channels=preset.vq_channels,
        channel_multiplier=list(preset.vq_multiplier),
        num_res_blocks=preset.vq_blocks,
        projection_dim=preset.text_width,
        image_token_embed_dim=preset.text_width,
    )
    text = LlamaConfig(
        vocab_size=ids["vocab_size"],
        hidden_size=preset.text_width,
        intermediate_size=preset.text_mlp_width,
        num_hidden_layers=preset.text_layers,
        num_attention_heads=preset.text_heads,
        num_key_value_heads=preset.text_heads,
        max_position_embeddings=preset.max_positions,
        tie_word_embeddings=False,
        **_special_ids(ids),
    )
    return JanusConfig(
        text_config=text,
        vision_config=vision,
        vq_config=drawing,
        image_token_id=ids["image"],
        tie_word_embeddings=False,
    )


def _special_ids(ids: dict[str, int]) -> dict[str, Any]:
    return {f"{name}_token_id": ids[name] for name in ("bos", "eos", "pad") if name in ids}


def build_janus(
    preset: Preset, tokens: dict[str, int] | None = None, *, meta: bool = False
) -> JanusForConditionalGeneration:
    """Create an unmodified Hugging Face Janus with random weights.

    Parameters
    ----------
    preset, tokens
        As for `build_config`.
    meta
        Shapes only, on the meta device: a 7 B model costs no memory.
    """
    import torch
    from transformers import JanusForConditionalGeneration

    config = build_config(preset, tokens)
    with torch.device("meta" if meta else "cpu"):
        return JanusForConditionalGeneration(config)


def drop_image_generation(janus: JanusForConditionalGeneration) -> None:
    """Free the modules that draw images; the checkpoint on disk keeps them and stays loadable by anyone."""
    from torch import nn

    for name in GENERATION_ONLY:
        setattr(janus.model, name, nn.Identity())
