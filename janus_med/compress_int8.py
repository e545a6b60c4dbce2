"""Weight-only int8 at rest: one scale for each output channel, symmetric, checked by type.

``w = scale * q`` with ``scale = max |w| / 127`` over a row (Jacob et al., CVPR 2018, section 2.1, with zero
point 0). The file holds the integers; a loaded model computes in floating point. Keeping int8 in memory was
measured and left out: torch's int8 product is sooner for one token and forty times later for a prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from janus_med.errors import ModelUnavailable

if TYPE_CHECKING:
    from pathlib import Path

SCALE = ".int8_scale"
"""Ending of the name of the scales that belong to a tensor."""

METADATA = {"format": "pt", "quantisation": "int8 per output channel"}
LARGEST = 127


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight to int8.

    Parameters
    ----------
    weight
        (out, ...) floating point.

    Returns
    -------
    tuple of Tensor
        (out, ...) int8 in [-127, 127], and (out,) float32 scales; a row of zeros has scale 1.
    """
    rows = weight.detach().float().flatten(1)
    scale = rows.abs().amax(dim=1) / LARGEST
    scale = torch.where(scale > 0, scale, 1.0)
    rounded = (rows / scale[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8)
    return rounded.view(weight.shape), scale


def dequantise(rounded: Tensor, scale: Tensor) -> Tensor:
    """Return the float32 weight of int8 values and their scales."""
    return (rounded.float().flatten(1) * scale[:, None]).view(rounded.shape)


def save_int8(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors, every weight with an output and an input axis as int8, the rest as it is.

    Raises
    ------
    ModelUnavailable
        When the written file does not hold int8 where it must: a silent float is no compression.
    """
    from safetensors.torch import save_file

    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if is_quantised(tensor):
            stored[name], stored[name + SCALE] = quantise(tensor)
        else:
            stored[name] = tensor.contiguous()
    save_file(stored, path, metadata=METADATA)
    _check_types(path, {name for name, tensor in tensors.items() if is_quantised(tensor)})


def is_quantised(tensor: Tensor) -> bool:
    """Whether a tensor is stored as int8: matrices, embeddings and convolutions are, norms and biases not."""
    return tensor.is_floating_point() and tensor.dim() >= 2


def _check_types(path: Path, expected: set[str]) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    if wrong := sorted(name for name in expected if stored.get(name) != "I8"):
        raise ModelUnavailable(f"{path}: {wrong[0]} is {stored.get(wrong[0])}, not int8")


def holds_int8(path: Path) -> bool:
    """Whether a weights file was written by `save_int8`."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get("quantisation") == METADATA["quantisation"]


def restore_floats(stored: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return what a file of `save_int8` holds as float32; tensors without any int8 as they are.

    Raises
    ------
    ModelUnavailable
        When a scale is missing or belongs to a tensor that is not int8.
    """
    if not any(name.endswith(SCALE) or tensor.dtype == torch.int8 for name, tensor in stored.items()):
        return stored
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        if (scale is not None) != (tensor.dtype == torch.int8):
            raise ModelUnavailable(f"{where}: {name} is {tensor.dtype} and its scale does not fit that")
        tensors[name] = tensor.float() if scale is None else dequantise(tensor, scale)
    return tensors
