"""The manifest of a model folder: its files, their SHA-256, and whether its adapters are fitted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from janus_med.errors import ModelUnavailable
from janus_med.folder_safety import require_safe_folder
from janus_med.plain_folder import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    digest_file,
    digest_together,
    find_weights,
    is_plain_name,
    read_config,
    read_json,
)
from janus_med.presets import PRESETS
from janus_med.recognition import parse_config, recognise_preset

if TYPE_CHECKING:
    from pathlib import Path

ADAPTERS, MANIFEST = "adapters.safetensors", "manifest.json"
DIGESTED = (WEIGHTS, ADAPTERS, CONFIG, TOKENIZER)
"""The files of a folder whose base is one file in the same folder."""

FORMAT = 1
INT8_FORMAT = 2
"""Of a folder whose weights are int8: a reader that knows format 1 alone must not take them for floats."""

UNFITTED_SEED = 0
"""Of the adapters that a plain folder is read with."""


@dataclass(frozen=True)
class Manifest:
    """What a folder claims to hold.

    Attributes
    ----------
    sha256
        By file name: adapters, configuration, tokenizer and every weight file of the base.
    base
        Where configuration, tokenizer and base weights lie, relative to the folder or absolute.
    fitted
        False while the adapters have learnt nothing: every finding is deferred.
    """

    id: str
    preset: str
    sha256: dict[str, str]
    base: str = "."
    fitted: bool = True

    @property
    def weights(self) -> tuple[str, ...]:
        """The weight files of the base, in the order of their names."""
        return tuple(sorted(name for name in self.sha256 if _is_weights(name)))

    @property
    def weights_sha256(self) -> str:
        """One digest of the base: that of its file, or of its files together."""
        return digest_together({name: self.sha256[name] for name in self.weights})

    def locate(self, folder: Path, name: str) -> Path:
        """Return where a file of the manifest of ``folder`` lies."""
        return folder / name if name == ADAPTERS else folder / self.base / name


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors") and name != ADAPTERS


def verify_folder(folder: Path) -> Manifest:
    """Check every digest of a model folder before anything in it is parsed as a model.

    A plain Hugging Face folder has no digests to compare with: they are taken, and the manifest returned says
    that its adapters are unfitted. A folder with our adapters is never read without its manifest.

    Raises
    ------
    ModelUnavailable
        When folder, manifest or a file is missing, a digest differs, the folder holds code, asks for code or
        has a link that leads out of it, or the shapes fit no preset.
    """
    require_safe_folder(folder)
    if not (folder / MANIFEST).is_file() and (folder / CONFIG).is_file() and not (folder / ADAPTERS).exists():
        return describe_plain_folder(folder)
    manifest = _read_manifest(folder)
    require_safe_folder(folder / manifest.base)
    for name in dict.fromkeys((*(manifest.weights or (WEIGHTS,)), ADAPTERS, CONFIG, TOKENIZER)):
        expected, path = manifest.sha256.get(name), manifest.locate(folder, name)
        if expected is None or not path.is_file():
            raise ModelUnavailable(f"{folder}: {name} is missing from the folder or its manifest")
        if digest_file(path) != expected:
            raise ModelUnavailable(
                f"{path.parent}: SHA-256 of {name} is not the one in the manifest: replace the file"
            )
    read_config(folder / manifest.base)
    return manifest


def describe_plain_folder(folder: Path) -> Manifest:
    """Recognise a plain Hugging Face folder and take the digests of its files.

    Raises
    ------
    ModelUnavailable
        When it is of the original layout, holds pickles alone, is not complete, or fits no preset.
    """
    preset = recognise_preset(parse_config(read_config(folder), str(folder)), str(folder))
    names = (*find_weights(folder), CONFIG, TOKENIZER)
    if not (folder / TOKENIZER).is_file():
        raise ModelUnavailable(f"{folder}: {TOKENIZER} is missing")
    digests = {name: digest_file(folder / name) for name in names}
    recipe = f"unfitted adapters of {preset.name}, seed {UNFITTED_SEED}"
    digests[ADAPTERS] = hashlib.sha256(recipe.encode()).hexdigest()  # they are made, not read
    return Manifest(f"{folder.resolve().name}-unfitted", preset.name, digests, fitted=False)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelUnavailable(f"{folder}: no {MANIFEST}; point JANUS_MED_MODEL at a model folder")
    try:
        content = read_json(path)
        files = {str(name): str(entry["sha256"]) for name, entry in content["files"].items()}
        base, fitted = str(content.get("base", ".")), bool(content.get("fitted", True))
        manifest = Manifest(str(content["id"]), str(content["preset"]), files, base, fitted)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{path}: not a manifest ({type(error).__name__})") from error
    if content.get("format") not in (FORMAT, INT8_FORMAT) or manifest.preset not in PRESETS:
        raise ModelUnavailable(f"{path}: format or preset unknown to this version")
    if not all(is_plain_name(name) for name in files):
        raise ModelUnavailable(f"{path}: names a file outside the folder")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into ``folder``; the files it names are already there."""
    files = {
        name: {"sha256": digest, "bytes": manifest.locate(folder, name).stat().st_size}
        for name, digest in manifest.sha256.items()
    }
    content = {"format": FORMAT, "id": manifest.id, "preset": manifest.preset, "files": files}
    if manifest.base != ".":
        content["base"] = manifest.base
    if not manifest.fitted:
        content["fitted"] = False
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
