"""Weight files of a conversion: pickles are opened with ``weights_only``, safetensors are written."""

from __future__ import annotations

import json
import pickle
import zipfile
from typing import TYPE_CHECKING

import torch

from janus_med.errors import ModelUnavailable
from janus_med.plain_folder import INDEX, WEIGHTS, find_weights, is_plain_name, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

PICKLE, PICKLE_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SHARD_BYTES = 5_000_000_000


def source_files(folder: Path) -> tuple[Path, ...]:
    """Return the weight files of a folder, safetensors before pickles.

    Raises
    ------
    ModelUnavailable
        When there is none, or an index names a file that is missing or lies elsewhere.
    """
    if (folder / WEIGHTS).is_file() or (folder / INDEX).is_file():
        return tuple(folder / name for name in find_weights(folder))
    if (folder / PICKLE).is_file():
        return (folder / PICKLE,)
    if not (folder / PICKLE_INDEX).is_file():
        raise ModelUnavailable(f"{folder}: neither {WEIGHTS} nor {PICKLE}, nor an index of either")
    shards = read_json(folder / PICKLE_INDEX).get("weight_map")
    names = sorted(set(map(str, shards.values()))) if isinstance(shards, dict) else []
    for name in names:
        if not is_plain_name(name) or not (folder / name).is_file():
            raise ModelUnavailable(f"{folder}: {name}, named in {PICKLE_INDEX}, is missing")
    return tuple(folder / name for name in names)


def read_original(files: Iterable[Path]) -> dict[str, Tensor]:
    """Return all tensors of the files by name, memory-mapped where the format allows.

    Raises
    ------
    ModelUnavailable
        When a file cannot be read, holds anything but tensors, or repeats a name.
    """
    stored: dict[str, Tensor] = {}
    for file in files:
        tensors = _read_safetensors(file) if file.suffix == ".safetensors" else _read_pickle(file)
        if repeated := stored.keys() & tensors.keys():
            raise ModelUnavailable(f"{file}: {sorted(repeated)[0]} is in another file too")
        stored |= tensors
    return stored


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(f"{file}: cannot be read as safetensors: {error}") from error
    return tensors


def _read_pickle(file: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise ModelUnavailable(f"{file}: refused, it holds more than tensors") from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise ModelUnavailable(f"{file}: cannot be read: {error}") from error
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise ModelUnavailable(f"{file}: not a table of tensors by name")
    return {str(name): tensor.detach() for name, tensor in content.items()}


def write_shards(folder: Path, tensors: Mapping[str, Tensor], most: int = SHARD_BYTES) -> None:
    """Write one safetensors file, or several of at most ``most`` bytes with Hugging Face's index.

    Parameters
    ----------
    folder
        Exists.
    tensors
        By name.
    most
        A tensor larger than this has a file of its own.
    """
    from safetensors.torch import save_file

    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.nbytes > most:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor.contiguous()
        filled += tensor.nbytes
    names = [WEIGHTS] if len(shards) == 1 else _shard_names(len(shards))
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, folder / name, metadata={"format": "pt"})
    if len(shards) > 1:
        where = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        total = sum(tensor.nbytes for tensor in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": where}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _shard_names(count: int) -> list[str]:
    return [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
