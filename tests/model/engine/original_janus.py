"""DeepSeek's original Janus restated in plain torch: its tensors by rule, and its forward.

Independent of transformers and of the converter: nothing here is shared with what it is compared with.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional

from janus_med.presets import Preset

Shape = tuple[int, ...]
Tensors = dict[str, Tensor]
CODE_WIDTH = 8


def _linear(name: str, into: int, out: int) -> dict[str, Shape]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name: str, width: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _conv(name: str, into: int, out: int, side: int) -> dict[str, Shape]:
    return {f"{name}.weight": (out, into, side, side), f"{name}.bias": (out,)}


def original_shapes(p: Preset, vocabulary: int) -> dict[str, Shape]:
    """Every tensor of an original checkpoint of the preset's size."""
    width, inner, text = p.vision_width, int(p.vision_width * p.vision_mlp_ratio), p.text_width
    tower = "vision_model.vision_tower"
    shapes = _conv(f"{tower}.patch_embed.proj", 3, width, p.patch_size)
    shapes[f"{tower}.pos_embed"] = (1, p.image_tokens, width)
    for i in range(p.vision_layers):
        block = f"{tower}.blocks.{i}"
        shapes |= _norm(f"{block}.norm1", width) | _norm(f"{block}.norm2", width)
        shapes |= _linear(f"{block}.attn.qkv", width, 3 * width) | _linear(f"{block}.attn.proj", width, width)
        shapes |= _linear(f"{block}.mlp.fc1", width, inner) | _linear(f"{block}.mlp.fc2", inner, width)
    shapes |= _norm(f"{tower}.norm", width)
    pool = f"{tower}.attn_pool"
    shapes[f"{pool}.latent"] = (1, 1, width)
    shapes |= _linear(f"{pool}.q", width, width) | _linear(f"{pool}.kv", width, 2 * width)
    shapes |= _linear(f"{pool}.proj", width, width) | _norm(f"{pool}.norm", width)
    shapes |= _linear(f"{pool}.mlp.fc1", width, inner) | _linear(f"{pool}.mlp.fc2", inner, width)
    shapes |= _linear("aligner.layers.0", width, text) | _linear("aligner.layers.2", text, text)
    shapes |= _linear("gen_aligner.layers.0", CODE_WIDTH, text) | _linear("gen_aligner.layers.2", text, text)
    shapes |= _linear("gen_head.output_mlp_projector", text, text)
    shapes |= _linear("gen_head.vision_head", text, p.vq_codes)
    shapes["gen_embed.weight"] = (p.vq_codes, CODE_WIDTH)
    return shapes | _language_shapes(p, vocabulary) | _drawing_shapes(p)


def _language_shapes(p: Preset, vocabulary: int) -> dict[str, Shape]:
    text, inner = p.text_width, p.text_mlp_width
    shapes: dict[str, Shape] = {
        "language_model.model.embed_tokens.weight": (vocabulary, text),
        "language_model.model.norm.weight": (text,),
        "language_model.lm_head.weight": (vocabulary, text),
    }
    for i in range(p.text_layers):
        layer = f"language_model.model.layers.{i}"
        shapes |= {f"{layer}.self_attn.{part}_proj.weight": (text, text) for part in "qkvo"}
        shapes |= {f"{layer}.mlp.{part}_proj.weight": (inner, text) for part in ("gate", "up")}
        shapes[f"{layer}.mlp.down_proj.weight"] = (text, inner)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{layer}.{norm}.weight"] = (text,)
    return shapes


def _residual(name: str, into: int, out: int) -> dict[str, Shape]:
    shapes = _norm(f"{name}.norm1", into) | _conv(f"{name}.conv1", into, out, 3)
    shapes |= _norm(f"{name}.norm2", out) | _conv(f"{name}.conv2", out, out, 3)
    return shapes | (_conv(f"{name}.nin_shortcut", into, out, 1) if into != out else {})


def _look(name: str, width: int) -> dict[str, Shape]:
    shapes = _norm(f"{name}.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        shapes |= _conv(f"{name}.{part}", width, width, 1)
    return shapes


def _middle(name: str, width: int) -> dict[str, Shape]:
    return (
        _residual(f"{name}.mid.0", width, width)
        | _look(f"{name}.mid.1", width)
        | _residual(f"{name}.mid.2", width, width)
    )


def _drawing_shapes(p: Preset) -> dict[str, Shape]:
    vq, base, last = "gen_vision_model", p.vq_channels, len(p.vq_multiplier) - 1
    deepest = base * p.vq_multiplier[-1]
    shapes = _conv(f"{vq}.encoder.conv_in", 3, base, 3)
    width = base
    for level, factor in enumerate(p.vq_multiplier):
        block = f"{vq}.encoder.conv_blocks.{level}"
        for i in range(p.vq_blocks):
            shapes |= _residual(f"{block}.res.{i}", width, base * factor)
            width = base * factor
            shapes |= _look(f"{block}.attn.{i}", width) if level == last else {}
        shapes |= _conv(f"{block}.downsample.conv", width, width, 3) if level != last else {}
    shapes |= _middle(f"{vq}.encoder", deepest) | _norm(f"{vq}.encoder.norm_out", deepest)
    shapes |= _conv(f"{vq}.encoder.conv_out", deepest, p.vq_latent, 3)
    shapes |= _conv(f"{vq}.decoder.conv_in", p.vq_latent, deepest, 3) | _middle(f"{vq}.decoder", deepest)
    width = deepest
    for index, factor in enumerate(reversed(p.vq_multiplier)):
        block = f"{vq}.decoder.conv_blocks.{index}"
        for i in range(p.vq_blocks + 1):
            shapes |= _residual(f"{block}.res.{i}", width, base * factor)
            width = base * factor
            shapes |= _look(f"{block}.attn.{i}", width) if index == 0 else {}
        shapes |= _conv(f"{block}.upsample.conv", width, width, 3) if index != last else {}
    shapes |= _norm(f"{vq}.decoder.norm_out", width) | _conv(f"{vq}.decoder.conv_out", width, 3, 3)
    shapes[f"{vq}.quantize.embedding.weight"] = (p.vq_codes, CODE_WIDTH)
    shapes[f"{vq}.quantize.codebook_used"] = (65_536,)
    shapes |= _conv(f"{vq}.quant_conv", p.vq_latent, CODE_WIDTH, 1)
    return shapes | _conv(f"{vq}.post_quant_conv", CODE_WIDTH, p.vq_latent, 1)


def random_tensors(shapes: dict[str, Shape], seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
    """Weights that keep a signal alive: matrices of a deviation of 1 over the root of their input."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            tensors[name] = (0.05 * values + float("norm" in name and name.endswith("weight"))).to(dtype)
        else:
            tensors[name] = (values / (values[0].numel() ** 0.5)).to(dtype)
    return tensors


SPECIAL = (
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<begin_of_image>",
    "<image_placeholder>",
    "<patch_placeholder>",
    "<|ref|>",
    "<|User|>",
    "<|Assistant|>",
    "<end_of_image>",
)


def look_alike_tokenizer(image_token_id: int | None = None) -> Tokenizer:
    """A byte-level tokenizer built as DeepSeek's: ordinary pieces first, special tokens behind them, no BOS.

    With ``image_token_id`` the ordinary pieces are filled up until the image token has this id.
    """
    inner = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.train_from_iterator(["The lungs are clear. No new pneumothorax. FINDINGS: IMPRESSION:"], trainer)
    if image_token_id is not None:
        inner = _filled(inner, image_token_id - SPECIAL.index("<image_placeholder>"))
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return inner


def _filled(inner: Tokenizer, size: int) -> Tokenizer:
    content = json.loads(inner.to_str())
    pieces = content["model"]["vocab"]
    pieces |= {f"{index}~": index for index in range(len(pieces), size)}
    return Tokenizer.from_str(json.dumps(content))


def write_original_folder(folder: Path, p: Preset, tensors: Tensors, tokenizer: Tokenizer) -> Path:
    """An original folder around tensors; the weights as ``pytorch_model.bin``."""
    folder.mkdir(parents=True)
    content = {
        "architectures": ["MultiModalityCausalLM"],
        "model_type": "multi_modality",
        "aligner_config": {
            "cls": "MlpProjector",
            "params": {"depth": 2, "input_dim": p.vision_width, "projector_type": "mlp_gelu"},
        },
        "vision_config": {
            "cls": "CLIPVisionTower",
            "params": {"image_size": p.image_size, "heads": p.vision_heads, "select_layer": -1},
        },
        "language_config": {
            "hidden_size": p.text_width,
            "intermediate_size": p.text_mlp_width,
            "num_hidden_layers": p.text_layers,
            "num_attention_heads": p.text_heads,
            "num_key_value_heads": p.text_heads,
            "max_position_embeddings": p.max_positions,
            "model_type": "llama",
            "torch_dtype": "bfloat16",
            "vocab_size": tensors["language_model.lm_head.weight"].shape[0],
        },
    }
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder


def see(w: Tensors, p: Preset, pixels: Tensor) -> Tensor:
    """SigLIP tower and aligner: (B, 3, S, S) -> (B, N, text width)."""
    tower = "vision_model.vision_tower"
    x = functional.conv2d(pixels, *_pair(w, f"{tower}.patch_embed.proj"), stride=p.patch_size)
    x = x.flatten(2).transpose(1, 2) + w[f"{tower}.pos_embed"]  # (B, N, D)
    for i in range(p.vision_layers):
        block = f"{tower}.blocks.{i}"
        x = x + _mix(w, f"{block}.attn", _normed(w, f"{block}.norm1", x), p.vision_heads)
        inner = functional.gelu(
            functional.linear(_normed(w, f"{block}.norm2", x), *_pair(w, f"{block}.mlp.fc1"))
        )
        x = x + functional.linear(inner, *_pair(w, f"{block}.mlp.fc2"))
    return project(w, "aligner", _normed(w, f"{tower}.norm", x))


def project(w: Tensors, name: str, x: Tensor) -> Tensor:
    """Linear, GELU, linear."""
    x = functional.gelu(functional.linear(x, *_pair(w, f"{name}.layers.0")))
    return functional.linear(x, *_pair(w, f"{name}.layers.2"))


def _pair(w: Tensors, name: str) -> tuple[Tensor, Tensor]:
    return w[f"{name}.weight"], w[f"{name}.bias"]


def _normed(w: Tensors, name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], *_pair(w, name), eps=1e-6)


def _mix(w: Tensors, name: str, x: Tensor, heads: int) -> Tensor:
    batch, count, width = x.shape
    qkv = functional.linear(x, *_pair(w, f"{name}.qkv"))
    q, k, v = qkv.reshape(batch, count, 3, heads, width // heads).permute(2, 0, 3, 1, 4)  # (B, H, N, d)
    mixed = functional.scaled_dot_product_attention(q, k, v)
    return functional.linear(mixed.transpose(1, 2).reshape(batch, count, width), *_pair(w, f"{name}.proj"))


def speak(w: Tensors, p: Preset, x: Tensor) -> Tensor:
    """Llama without its head: (B, T, text width) embeddings -> hidden states after the last norm."""
    turn = _rotary(x.shape[1], p.text_width // p.text_heads)
    for i in range(p.text_layers):
        layer = f"language_model.model.layers.{i}"
        x = x + _attend(
            w, f"{layer}.self_attn", _scaled(w, f"{layer}.input_layernorm", x), p.text_heads, turn
        )
        y = _scaled(w, f"{layer}.post_attention_layernorm", x)
        gate = functional.silu(functional.linear(y, w[f"{layer}.mlp.gate_proj.weight"]))
        y = gate * functional.linear(y, w[f"{layer}.mlp.up_proj.weight"])
        x = x + functional.linear(y, w[f"{layer}.mlp.down_proj.weight"])
    return _scaled(w, "language_model.model.norm", x)


def _scaled(w: Tensors, name: str, x: Tensor) -> Tensor:
    return w[f"{name}.weight"] * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def _rotary(count: int, width: int) -> tuple[Tensor, Tensor]:
    frequencies = 1.0 / 10_000 ** (torch.arange(0, width, 2).float() / width)
    angles = torch.arange(count).float()[:, None] * frequencies  # (T, d/2)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * turn[0] + torch.cat([-second, first], dim=-1) * turn[1]


def _attend(w: Tensors, name: str, x: Tensor, heads: int, turn: tuple[Tensor, Tensor]) -> Tensor:
    batch, count, width = x.shape
    q, k, v = (
        functional.linear(x, w[f"{name}.{part}_proj.weight"]).view(batch, count, heads, -1).transpose(1, 2)
        for part in "qkv"
    )
    mixed = functional.scaled_dot_product_attention(_turned(q, turn), _turned(k, turn), v, is_causal=True)
    return functional.linear(mixed.transpose(1, 2).reshape(batch, count, width), w[f"{name}.o_proj.weight"])


def answer(w: Tensors, p: Preset, ids: Tensor, pixels: Tensor, image_id: int) -> Tensor:
    """Logits (B, T, V) of prompts with one image each."""
    x = w["language_model.model.embed_tokens.weight"][ids].clone()
    x[ids == image_id] = see(w, p, pixels).flatten(0, 1)
    return functional.linear(speak(w, p, x), w["language_model.lm_head.weight"])


def choose_codes(w: Tensors, x: Tensor) -> Tensor:
    """Generation head: (B, T, text width) -> logits over the codebook."""
    x = functional.gelu(functional.linear(x, *_pair(w, "gen_head.output_mlp_projector")))
    return functional.linear(x, *_pair(w, "gen_head.vision_head"))


def embed_codes(w: Tensors, codes: Tensor) -> Tensor:
    """Codes (B, N) -> what the language model reads of them."""
    return project(w, "gen_aligner", w["gen_embed.weight"][codes])


def draw(w: Tensors, p: Preset, codes: Tensor) -> Tensor:
    """VQ decoder: codes (B, N) -> pixels (B, 3, S, S)."""
    vq = "gen_vision_model"
    book = functional.normalize(w[f"{vq}.quantize.embedding.weight"], dim=-1)
    z = book[codes].view(len(codes), p.grid, p.grid, -1).permute(0, 3, 1, 2).contiguous()
    z = functional.conv2d(z, *_pair(w, f"{vq}.post_quant_conv"))
    x = functional.conv2d(z, *_pair(w, f"{vq}.decoder.conv_in"), padding=1)
    x = _res(w, f"{vq}.decoder.mid.0", x)
    x = _res(w, f"{vq}.decoder.mid.2", _gaze(w, f"{vq}.decoder.mid.1", x))
    last = len(p.vq_multiplier) - 1
    for level in range(last + 1):
        block = f"{vq}.decoder.conv_blocks.{level}"
        for i in range(p.vq_blocks + 1):
            x = _res(w, f"{block}.res.{i}", x)
            x = _gaze(w, f"{block}.attn.{i}", x) if level == 0 else x
        if level != last:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = functional.conv2d(x, *_pair(w, f"{block}.upsample.conv"), padding=1)
    return functional.conv2d(
        _swish(_grouped(w, f"{vq}.decoder.norm_out", x)), *_pair(w, f"{vq}.decoder.conv_out"), padding=1
    )


def _grouped(w: Tensors, name: str, x: Tensor) -> Tensor:
    return functional.group_norm(x, 32, *_pair(w, name), eps=1e-6)


def _swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def _res(w: Tensors, name: str, x: Tensor) -> Tensor:
    y = functional.conv2d(_swish(_grouped(w, f"{name}.norm1", x)), *_pair(w, f"{name}.conv1"), padding=1)
    y = functional.conv2d(_swish(_grouped(w, f"{name}.norm2", y)), *_pair(w, f"{name}.conv2"), padding=1)
    if f"{name}.nin_shortcut.weight" in w:
        x = functional.conv2d(x, *_pair(w, f"{name}.nin_shortcut"))
    return x + y


def _gaze(w: Tensors, name: str, x: Tensor) -> Tensor:
    normed = _grouped(w, f"{name}.norm", x)
    q, k, v = (functional.conv2d(normed, *_pair(w, f"{name}.{part}")).flatten(2) for part in "qkv")
    shares = torch.softmax(q.transpose(1, 2) @ k * q.shape[1] ** -0.5, dim=2)  # (B, N, N)
    mixed = (v @ shares.transpose(1, 2)).view_as(x)
    return x + functional.conv2d(mixed, *_pair(w, f"{name}.proj_out"))
