"""Folders in the Hugging Face format that know nothing of us, such as ``deepseek-community/Janus-Pro-1B``.

They are used as they are: no byte of theirs is changed, their digests are recorded, a pickle is never opened.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from janus_med.errors import ModelUnavailable
from janus_med.folder_safety import refuse_code

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transformers import JanusConfig, PreTrainedTokenizerFast

WEIGHTS, INDEX, CONFIG, TOKENIZER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "tokenizer.json",
)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; ModelUnavailable when there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{path.parent}: {path.name} is missing") from error
    except ValueError as error:
        raise ModelUnavailable(f"{path}: not JSON") from error
    if not isinstance(content, dict):
        raise ModelUnavailable(f"{path}: not a JSON object")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json`` and refuse one that asks a loader to run code."""
    content = read_json(folder / CONFIG)
    refuse_code(content, folder, CONFIG)
    return content


def find_weights(folder: Path) -> tuple[str, ...]:
    """Return the names of the safetensors files of a checkpoint, one or several with an index.

    Raises
    ------
    ModelUnavailable
        When there is none, the index names a file that is not there or lies elsewhere, or all there is are
        pickles.
    """
    if (folder / WEIGHTS).is_file():
        return (WEIGHTS,)
    if (folder / INDEX).is_file():
        return _read_index(folder)
    if any(folder.glob("*.bin")):
        raise ModelUnavailable(
            f"{folder}: the weights are pickles (.bin), which are never opened here; get the safetensors"
            " files, or convert the original folder: janus-med model convert FOLDER NEW_FOLDER"
        )
    raise ModelUnavailable(f"{folder}: neither {WEIGHTS} nor {INDEX}")


def _read_index(folder: Path) -> tuple[str, ...]:
    shards = read_json(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelUnavailable(f"{folder}: {INDEX} has no weight_map")
    names = tuple(sorted({str(name) for name in shards.values()}))
    for name in names:
        if not is_plain_name(name) or not name.endswith(".safetensors"):
            raise ModelUnavailable(
                f"{folder}: {INDEX} names {name!r}, which is no safetensors file of the folder"
            )
        if not (folder / name).is_file():
            raise ModelUnavailable(f"{folder}: {name}, named in {INDEX}, is missing")
    return names


def is_plain_name(name: str) -> bool:
    """Whether a name stays inside its folder."""
    return name not in {"", ".", ".."} and "/" not in name and "\\" not in name


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_together(digests: Mapping[str, str]) -> str:
    """Return the digest of one file, or one SHA-256 over the names and digests of several, by name."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def check_tokenizer(tokenizer: PreTrainedTokenizerFast, config: JanusConfig, folder: Path) -> None:
    """Check that tokenizer and configuration of one folder speak of the same tokens.

    Raises
    ------
    ModelUnavailable
        When the tokenizer is larger than the vocabulary, or the image token has two ids.
    """
    from janus_med.tokenizer import IMAGE

    vocabulary = int(config.text_config.vocab_size)
    if len(tokenizer) > vocabulary:
        raise ModelUnavailable(
            f"{folder}: {TOKENIZER} has {len(tokenizer)} tokens, the model a vocabulary of {vocabulary}"
        )
    own = int(tokenizer.convert_tokens_to_ids(IMAGE))
    if own != config.image_token_id:
        raise ModelUnavailable(
            f"{folder}: {IMAGE} is {own} in {TOKENIZER},"
            f" but image_token_id is {config.image_token_id} in {CONFIG}"
        )
