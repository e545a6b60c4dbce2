"""The base model of a folder without what reports do not need: nothing that draws images is ever allocated.

A text never touches the VQ model, the generation head, its aligner and its embeddings (114 M parameters of
Janus-Pro-1B, 173 M of 7B). The class is Hugging Face's own, built on the meta device; the tensors come
straight from the safetensors files, whose pages the system maps as they are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from janus_med.compress_int8 import restore_floats
from janus_med.errors import ModelUnavailable
from janus_med.presets import GENERATION_ONLY, build_config, drop_image_generation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor
    from transformers import JanusConfig, JanusForConditionalGeneration

    from janus_med.presets import Preset

MOST_NAMES = 6


def load_base(
    files: Iterable[Path], config: JanusConfig, dtype: torch.dtype | None = None
) -> JanusForConditionalGeneration:
    """Load an unmodified Hugging Face Janus for reports, in evaluation mode on the CPU.

    Parameters
    ----------
    files
        The safetensors files that hold the checkpoint together.
    config
        As parsed from the same folder; untied here when the checkpoint holds both ends.
    dtype
        None keeps a bfloat16 checkpoint in bfloat16 and makes anything else float32.

    Raises
    ------
    ModelUnavailable
        When a file cannot be read, or names or shapes of tensors differ from the configuration.
    """
    janus = build_empty(config)
    stored = restore_floats(read_tensors(files), str(config.name_or_path or "the weights"))
    if config.tie_word_embeddings and "lm_head.weight" not in stored:
        stored["lm_head.weight"] = stored["model.language_model.embed_tokens.weight"]
    config.tie_word_embeddings = False
    check_tensors(stored, janus.state_dict())
    chosen = dtype or kept_dtype(stored.values())
    janus.load_state_dict({name: tensor.to(chosen) for name, tensor in stored.items()}, assign=True)
    janus.config.dtype = chosen
    return restore_buffers(janus)


def build_empty(config: JanusConfig) -> JanusForConditionalGeneration:
    """Create the model on the meta device, already without the modules that draw images."""
    from transformers import JanusForConditionalGeneration

    with torch.device("meta"):
        janus = JanusForConditionalGeneration(config)
    drop_image_generation(janus)
    return janus


def restore_buffers(janus: JanusForConditionalGeneration) -> JanusForConditionalGeneration:
    """Compute the two buffers that no checkpoint stores: patch positions and rotary frequencies.

    Raises
    ------
    ModelUnavailable
        When something is still without data; a version of transformers with a new buffer.
    """
    embeddings, language = janus.model.vision_model.embeddings, janus.model.language_model
    embeddings.position_ids = torch.arange(embeddings.num_positions).expand(1, -1)
    language.rotary_emb = type(language.rotary_emb)(config=language.config)
    named = [*janus.named_parameters(), *janus.named_buffers()]
    if empty := [name for name, tensor in named if tensor.is_meta]:
        raise ModelUnavailable(f"no data for {_list(empty)}: this version of transformers is not supported")
    return janus.eval()


def read_tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """Return the tensors of safetensors files, memory-mapped, without those that only draw images."""
    from safetensors import SafetensorError, safe_open

    skipped = tuple(f"model.{name}." for name in GENERATION_ONLY)
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 - not a dict
                    if not name.startswith(skipped):
                        tensors[name] = opened.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise ModelUnavailable(f"{file}: cannot be read as safetensors: {error}") from error
    return tensors


def kept_dtype(tensors: Iterable[Tensor]) -> torch.dtype:
    """Return bfloat16 when every tensor has it, else float32."""
    return torch.bfloat16 if {tensor.dtype for tensor in tensors} == {torch.bfloat16} else torch.float32


def check_tensors(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Compare names and shapes; ModelUnavailable lists what differs."""
    problems = []
    if missing := sorted(expected.keys() - stored.keys()):
        problems.append(f"{len(missing)} missing: {_list(missing)}")
    if unknown := sorted(stored.keys() - expected.keys()):
        problems.append(f"{len(unknown)} unknown: {_list(unknown)}")
    shapes = [
        f"{name} {tuple(stored[name].shape)}, not {tuple(expected[name].shape)}"
        for name in sorted(stored.keys() & expected.keys())
        if stored[name].shape != expected[name].shape
    ]
    if shapes:
        problems.append(f"{len(shapes)} of another shape: {_list(shapes)}")
    if problems:
        raise ModelUnavailable(f"tensors do not fit the configuration: {'; '.join(problems)}")


def _list(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def build_random_base(
    preset: Preset, tokens: dict[str, int], *, seed: int, dtype: torch.dtype = torch.bfloat16
) -> JanusForConditionalGeneration:
    """Create the base of a preset with random weights in their final type, without a float32 copy.

    Parameters
    ----------
    preset, tokens
        As for `janus_med.presets.build_config`.
    seed
        Of the weights: normal with a deviation of 0.02; norms 1, biases 0.
    dtype
        Of all weights.

    Notes
    -----
    For measurements of speed and memory at full size; the text of such a model means nothing.
    """
    janus = build_empty(build_config(preset, tokens)).to(dtype).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in janus.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.02, generator=generator)
            else:
                parameter.fill_(float("norm" in name and name.endswith("weight")))
    janus.config.dtype = dtype
    return restore_buffers(janus)
