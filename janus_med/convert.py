"""From DeepSeek's original layout (``model_type: multi_modality``) to a Hugging Face Janus folder.

Values and types of all tensors stay; the fused q, k, v of the vision tower are cut into three. No code of the
source is run; a ``.bin`` is opened with ``weights_only`` alone. Facts of the source layout:
https://github.com/deepseek-ai/Janus and the configuration of https://huggingface.co/deepseek-ai/Janus-Pro-1B.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from janus_med.convert_files import read_original, source_files, write_shards
from janus_med.errors import ModelUnavailable
from janus_med.original_layout import plan_conversion
from janus_med.plain_folder import CONFIG, TOKENIZER, check_tokenizer, digest_file, read_json
from janus_med.presets import build_config
from janus_med.processor import save_processor
from janus_med.recognition import recognise_preset
from janus_med.tokenizer import load_tokenizer, token_ids

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor
    from transformers import JanusConfig

    from janus_med.original_layout import Plan, Shape
    from janus_med.presets import Preset

RECORD = "conversion.json"
SIGLIP_LARGE_HEADS = 16
"""Of ``siglip_large_patch16_384``, the tower of Janus and Janus-Pro; no tensor shows it."""

_TOWER = "vision_model.vision_tower."


@dataclass(frozen=True)
class Conversion:
    """What a conversion did: preset, tensors read, tensors written, and how many were left out."""

    preset: str
    sources: int
    tensors: int
    left_out: int


def convert_folder(source: Path, out: Path) -> Conversion:
    """Convert an original folder; the result appears whole or not at all.

    Parameters
    ----------
    source
        With ``config.json``, ``tokenizer.json`` and the weights: ``model.safetensors`` or
        ``pytorch_model.bin``, one file or several with an index.
    out
        The new folder; ``conversion.json`` in it records the digests of the source files.

    Raises
    ------
    ModelUnavailable
        When ``out`` exists, the source is not of the original layout or of no known size, or a tensor is not
        accounted for.
    """
    if out.exists():
        raise ModelUnavailable(f"{out} exists; choose a new folder")
    described = _read_original_config(source)
    files = source_files(source)
    stored = read_original(files)
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    tokenizer = load_tokenizer(source / TOKENIZER)
    preset, config = _build_config(described, shapes, token_ids(tokenizer), source)
    check_tokenizer(tokenizer, config, source)
    plan = plan_conversion(shapes, _target_shapes(config))
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors = _apply(plan, stored)
    write_shards(partial, tensors)
    _write_config(partial, config, next(iter(tensors.values())))
    save_processor(partial, tokenizer, preset.image_size, preset.image_tokens)
    record = {
        "source": {path.name: digest_file(path) for path in (*files, source / CONFIG, source / TOKENIZER)},
        "preset": preset.name,
        "left_out": plan.left_out,
    }
    (partial / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.rename(out)
    return Conversion(preset.name, len(stored), len(tensors), len(plan.left_out))


def _read_original_config(source: Path) -> dict[str, Any]:
    content = read_json(source / CONFIG)
    if content.get("model_type") != "multi_modality":
        raise ModelUnavailable(
            f"{source}: model_type is {content.get('model_type')!r}, not 'multi_modality';"
            " a folder of type 'janus' needs no conversion"
        )
    vision, aligner = _parameters(content, "vision_config"), _parameters(content, "aligner_config")
    if vision.get("pixel_mean") is not None or vision.get("pixel_std") is not None:
        raise ModelUnavailable(
            f"{source}: the vision tower normalises pixels itself, which Hugging Face's does not"
        )
    if aligner.get("projector_type", "mlp_gelu") != "mlp_gelu":
        raise ModelUnavailable(f"{source}: the aligner is {aligner['projector_type']!r}, not 'mlp_gelu'")
    return content


def _parameters(content: Mapping[str, Any], part: str) -> dict[str, Any]:
    section = content.get(part, {})
    parameters = section.get("params", {}) if isinstance(section, dict) else {}
    return parameters if isinstance(parameters, dict) else {}


def _build_config(
    content: Mapping[str, Any], shapes: Mapping[str, Shape], ids: dict[str, int], source: Path
) -> tuple[Preset, JanusConfig]:
    from transformers import JanusConfig, LlamaConfig

    language = {
        name: value
        for name, value in dict(content.get("language_config", {})).items()
        if name not in {"model_type", "torch_dtype", "dtype", "architectures"} and not name.startswith("_")
    }
    try:
        text = LlamaConfig.from_dict(language)
        vision = _vision_shapes(shapes, _parameters(content, "vision_config"))
    except (KeyError, ValueError, TypeError) as error:
        raise ModelUnavailable(f"{source}: not Janus' original layout: {error}") from error
    seen = JanusConfig(text_config=text.to_dict(), vision_config=vision, vq_config={})
    preset = recognise_preset(seen, str(source))
    text.update({f"{name}_token_id": ids[name] for name in ("bos", "eos", "pad")})
    text.tie_word_embeddings = False
    config = build_config(preset, ids | {"vocab_size": text.vocab_size})
    config.text_config = text
    return preset, config


def _vision_shapes(shapes: Mapping[str, Shape], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Read the shapes of the vision tower off its tensors; the number of heads is not among them."""
    width, _, patch, _ = shapes[f"{_TOWER}patch_embed.proj.weight"]
    tokens = shapes[f"{_TOWER}pos_embed"][1]
    return {
        "hidden_size": width,
        "patch_size": patch,
        "image_size": math.isqrt(tokens) * patch,
        "num_hidden_layers": sum(
            name.startswith(f"{_TOWER}blocks.") and name.endswith(".norm1.weight") for name in shapes
        ),
        "num_attention_heads": int(parameters.get("heads", SIGLIP_LARGE_HEADS)),
        "mlp_ratio": shapes[f"{_TOWER}blocks.0.mlp.fc1.weight"][0] / width,
        "projection_dim": shapes["aligner.layers.0.weight"][0],
        "num_image_tokens": tokens,
    }


def _target_shapes(config: JanusConfig) -> dict[str, Shape]:
    import torch
    from transformers import JanusForConditionalGeneration

    with torch.device("meta"):
        janus = JanusForConditionalGeneration(config)
    return {name: tuple(tensor.shape) for name, tensor in janus.state_dict().items()}


def _apply(plan: Plan, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the target's tensors; what is not cut stays a view of the mapped file."""
    tensors: dict[str, Tensor] = {}
    for source, names in plan.parts.items():
        tensor = stored[source].squeeze(0) if source.endswith("pos_embed") else stored[source]
        parts = [part.clone() for part in tensor.chunk(len(names))] if len(names) > 1 else [tensor]
        tensors |= dict(zip(names, parts, strict=True))
    return tensors


def _write_config(folder: Path, config: JanusConfig, example: Tensor) -> None:
    content = config.to_diff_dict() | {
        "architectures": ["JanusForConditionalGeneration"],
        "dtype": str(example.dtype).removeprefix("torch."),
        "tie_word_embeddings": False,
    }
    (folder / CONFIG).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
