"""DeepSeek's original layout of Janus: which of its tensors is which of Hugging Face's.

The names are those of the modules in https://github.com/deepseek-ai/Janus (``modeling_vlm``,
``siglip_vit``, ``vq_model``, ``projector``) and of `transformers.JanusForConditionalGeneration`. Two things
have no counterpart: the attention pool of SigLIP, which Janus never calls, and a usage count of the codebook.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from janus_med.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

LEFT_OUT = {"attn_pool": 13, "codebook_used": 1}
"""What has no counterpart, and of how many tensors it consists in every checkpoint."""

MOST_NAMES = 20

_TOWER, _DRAW = r"vision_model\.vision_tower\.", r"gen_vision_model\."
_KIND = r"(weight|bias)"
_LAYER, _PAINT = "model.vision_model.encoder.layers", "model.vqmodel"
_RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (_TOWER + r"attn_pool\..+", ()),
    (_TOWER + r"pos_embed", ("model.vision_model.embeddings.position_embedding.weight",)),
    (_TOWER + rf"patch_embed\.proj\.{_KIND}", (r"model.vision_model.embeddings.patch_embedding.\1",)),
    (_TOWER + rf"norm\.{_KIND}", (r"model.vision_model.post_layernorm.\1",)),
    (_TOWER + rf"blocks\.(\d+)\.norm([12])\.{_KIND}", (rf"{_LAYER}.\1.layer_norm\2.\3",)),
    (
        _TOWER + rf"blocks\.(\d+)\.attn\.qkv\.{_KIND}",
        tuple(rf"{_LAYER}.\1.self_attn.{part}_proj.\2" for part in "qkv"),
    ),
    (_TOWER + rf"blocks\.(\d+)\.attn\.proj\.{_KIND}", (rf"{_LAYER}.\1.self_attn.projection_layer.\2",)),
    (_TOWER + rf"blocks\.(\d+)\.mlp\.(fc[12])\.{_KIND}", (rf"{_LAYER}.\1.mlp.\2.\3",)),
    (rf"aligner\.layers\.0\.{_KIND}", (r"model.aligner.fc1.\1",)),
    (rf"aligner\.layers\.2\.{_KIND}", (r"model.aligner.hidden_layers.0.\1",)),
    (rf"gen_aligner\.layers\.0\.{_KIND}", (r"model.generation_aligner.fc1.\1",)),
    (rf"gen_aligner\.layers\.2\.{_KIND}", (r"model.generation_aligner.hidden_layers.0.\1",)),
    (rf"gen_head\.output_mlp_projector\.{_KIND}", (r"model.generation_head.proj_out.\1",)),
    (rf"gen_head\.vision_head\.{_KIND}", (r"model.generation_head.vision_head.\1",)),
    (r"gen_embed\.weight", ("model.generation_embeddings.weight",)),
    (_DRAW + r"quantize\.codebook_used", ()),
    (_DRAW + r"quantize\.embedding\.weight", (f"{_PAINT}.quantize.embedding.weight",)),
    (_DRAW + rf"(quant_conv|post_quant_conv)\.{_KIND}", (rf"{_PAINT}.\1.\2",)),
    (_DRAW + rf"(encoder|decoder)\.(conv_in|norm_out|conv_out)\.{_KIND}", (rf"{_PAINT}.\1.\2.\3",)),
    (_DRAW + r"(encoder|decoder)\.mid\.0\.(.+)", (rf"{_PAINT}.\1.mid.block_1.\2",)),
    (_DRAW + r"(encoder|decoder)\.mid\.1\.(.+)", (rf"{_PAINT}.\1.mid.attn_1.\2",)),
    (_DRAW + r"(encoder|decoder)\.mid\.2\.(.+)", (rf"{_PAINT}.\1.mid.block_2.\2",)),
    (_DRAW + r"encoder\.conv_blocks\.(\d+)\.res\.(.+)", (rf"{_PAINT}.encoder.down.\1.block.\2",)),
    (_DRAW + r"encoder\.conv_blocks\.(\d+)\.(attn|downsample)\.(.+)", (rf"{_PAINT}.encoder.down.\1.\2.\3",)),
    (_DRAW + r"decoder\.conv_blocks\.(\d+)\.res\.(.+)", (rf"{_PAINT}.decoder.up.\1.block.\2",)),
    (_DRAW + r"decoder\.conv_blocks\.(\d+)\.(attn|upsample)\.(.+)", (rf"{_PAINT}.decoder.up.\1.\2.\3",)),
    (r"language_model\.model\.(.+)", (r"model.language_model.\1",)),
    (r"language_model\.lm_head\.weight", ("lm_head.weight",)),
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Where each tensor of the target comes from.

    Attributes
    ----------
    parts
        By source name: the targets it is cut into along its first axis, in order.
    left_out
        Source names without counterpart.
    """

    parts: dict[str, tuple[str, ...]]
    left_out: tuple[str, ...]


def target_names(source: str) -> tuple[str, ...] | None:
    """Return the Hugging Face names of an original tensor: one, three (q, k, v) or none; None if unknown."""
    for pattern, targets in _RULES:
        if found := re.fullmatch(pattern, source):
            return tuple(found.expand(target) for target in targets)
    return None


def target_shapes(source: str, shape: Shape) -> dict[str, Shape]:
    """Return the Hugging Face names and shapes that a known original tensor becomes."""
    names = target_names(source) or ()
    if source.endswith("pos_embed"):
        shape = shape[1:]  # (1, N, D) -> (N, D)
    return {name: (shape[0] // len(names), *shape[1:]) for name in names}


def plan_conversion(sources: Mapping[str, Shape], targets: Mapping[str, Shape]) -> Plan:
    """Account for every tensor of both sides.

    Parameters
    ----------
    sources
        Names and shapes of an original checkpoint.
    targets
        Names and shapes of the Hugging Face model it shall become.

    Raises
    ------
    ModelUnavailable
        When a source is unknown or not used, a target stays empty or is filled twice, a shape differs, or
        what is left out is not exactly the attention pool and the usage count. Lists the names.
    """
    known = {source: names for source in sources if (names := target_names(source)) is not None}
    left_out = tuple(sorted(source for source, names in known.items() if not names))
    made = {name: one for source in known for name, one in target_shapes(source, sources[source]).items()}
    times = Counter(name for names in known.values() for name in names)
    problems = {
        "unknown in the source": sources.keys() - known.keys(),
        "without place in the target": made.keys() - targets.keys(),
        "missing in the source": targets.keys() - made.keys(),
        "filled twice": {name for name, count in times.items() if count > 1},
        "of another shape": {
            f"{name} {made[name]}, not {targets[name]}"
            for name in made.keys() & targets.keys()
            if made[name] != targets[name]
        },
    }
    for part, count in LEFT_OUT.items():
        found = {name for name in left_out if part in name}
        if len(found) != count:
            problems[f"left out as {part}: {count} expected, {len(found)} found"] = found or {"none"}
    if any(problems.values()):
        raise ModelUnavailable(f"the checkpoint is not Janus' original layout: {_describe(problems)}")
    return Plan({source: names for source, names in known.items() if names}, left_out)


def _describe(problems: Mapping[str, set[str]]) -> str:
    return "; ".join(f"{kind}: {_list(names)}" for kind, names in problems.items() if names)


def _list(names: set[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(sorted(names)[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
