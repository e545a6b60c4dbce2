"""Model folders: safetensors whose SHA-256 is checked before they are opened, plain configuration, no code.

A folder holds ``model.safetensors`` and ``config.json`` (an unmodified Hugging Face Janus that
`from_pretrained` opens), ``adapters.safetensors`` (ours), ``tokenizer.json``, ``manifest.json`` (preset and
digests) and ``MODEL_CARD.md``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from janus_med.adapters.generation import base_tensors
from janus_med.errors import ModelUnavailable
from janus_med.modalities.registry import attach_modalities
from janus_med.model import MedicalJanus
from janus_med.presets import PRESETS, drop_image_generation, find_preset
from janus_med.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import JanusForConditionalGeneration, PreTrainedTokenizerFast

    from janus_med.modalities.registry import ModalityRegistry

WEIGHTS, ADAPTERS, CONFIG, TOKENIZER, MANIFEST = (
    "model.safetensors",
    "adapters.safetensors",
    "config.json",
    "tokenizer.json",
    "manifest.json",
)
DIGESTED = (WEIGHTS, ADAPTERS, CONFIG, TOKENIZER)
FORMAT = 1
REFUSED_KEYS = frozenset({"auto_map", "_attn_implementation_internal"})
"""Configuration keys that make a loader import code or call something by name."""


@dataclass(frozen=True)
class Manifest:
    """What a folder claims to hold; ``sha256`` by file name."""

    id: str
    preset: str
    sha256: dict[str, str]


def bundled_folder() -> Path:
    """Return the folder of the bundled weights inside the installed package."""
    return Path(__file__).parent / "weights" / "tiny"


def verify_folder(folder: Path) -> Manifest:
    """Check every digest of a model folder before anything in it is parsed as a model.

    Raises
    ------
    ModelUnavailable
        When folder, manifest or a file is missing, a digest differs, or the configuration asks for code.
    """
    manifest = _read_manifest(folder)
    for name in DIGESTED:
        expected = manifest.sha256.get(name)
        if expected is None or not (folder / name).is_file():
            raise ModelUnavailable(f"{folder}: {name} is missing from the folder or its manifest")
        if digest_file(folder / name) != expected:
            raise ModelUnavailable(
                f"{folder}: SHA-256 of {name} is not the one in the manifest: replace the file"
            )
    _refuse_code(json.loads((folder / CONFIG).read_text(encoding="utf-8")), folder)
    return manifest


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelUnavailable(f"{folder}: no {MANIFEST}; point JANUS_MED_MODEL at a model folder")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name): str(entry["sha256"]) for name, entry in content["files"].items()}
        manifest = Manifest(str(content["id"]), str(content["preset"]), files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{path}: not a manifest ({type(error).__name__})") from error
    if content.get("format") != FORMAT or manifest.preset not in PRESETS:
        raise ModelUnavailable(f"{path}: format or preset unknown to this version")
    return manifest


def _refuse_code(config: Any, folder: Path) -> None:
    if isinstance(config, dict):
        if refused := REFUSED_KEYS & config.keys():
            raise ModelUnavailable(f"{folder}: {CONFIG} contains {sorted(refused)[0]}, which could run code")
        for value in config.values():
            _refuse_code(value, folder)
    elif isinstance(config, list):
        for value in config:
            _refuse_code(value, folder)


def load_model(
    folder: Path, manifest: Manifest, registry: ModalityRegistry | None = None
) -> tuple[MedicalJanus, PreTrainedTokenizerFast]:
    """Load a verified folder in float32 on the CPU, all of it frozen.

    Parameters
    ----------
    folder
        The model folder.
    manifest
        What `verify_folder` returned for it.
    registry
        Modality plug-ins the folder may hold tensors of; None for those of the package.

    Raises
    ------
    ModelUnavailable
        When the tensors do not fit the preset, or belong to no registered plug-in.
    """
    from safetensors.torch import load_file

    janus = load_base(folder)
    model = MedicalJanus(janus, find_preset(manifest.preset))
    model.add_generation()
    try:
        state = load_file(folder / ADAPTERS)
        attach_modalities(model, state, registry)
        model.load_adapter_state(state)
    except (ValueError, RuntimeError) as error:
        raise ModelUnavailable(
            f"{folder}: {ADAPTERS} does not fit preset {manifest.preset}: {error}"
        ) from error
    drop_image_generation(janus)
    model.requires_grad_(False)
    return model.eval(), load_tokenizer(folder / TOKENIZER)


def load_base(folder: Path) -> JanusForConditionalGeneration:
    """Load the plain Hugging Face model of a folder: local files, safetensors, no remote code, float32."""
    from transformers import JanusForConditionalGeneration
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # a worker's log is no terminal
    try:
        janus = JanusForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(f"{folder}: {WEIGHTS} cannot be loaded: {error}") from error
    return janus.eval()


def save_model(
    folder: Path, model: MedicalJanus, tokenizer: PreTrainedTokenizerFast, model_id: str
) -> Manifest:
    """Write a model folder; weights as float16, calibration as float32.

    Parameters
    ----------
    folder
        Made when missing; files of the same names are replaced.
    model
        With its generation adapter. Weights already rounded to float16 are stored exactly.
    tokenizer
        The preset's own.
    model_id
        Goes into the manifest and from there into every draft.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(_halved(base_tensors(model.janus)), folder / WEIGHTS, metadata={"format": "pt"})
    adapters = model.adapter_state()
    kept = {name: tensor for name, tensor in adapters.items() if name.startswith("calibration.")}
    shrunk = _halved({name: tensor for name, tensor in adapters.items() if name not in kept})
    save_file(shrunk | {name: tensor.contiguous() for name, tensor in kept.items()}, folder / ADAPTERS)
    _write_config(folder, model.janus)
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
    manifest = Manifest(model_id, model.preset.name, {name: digest_file(folder / name) for name in DIGESTED})
    files = {
        name: {"sha256": digest, "bytes": (folder / name).stat().st_size}
        for name, digest in manifest.sha256.items()
    }
    content = {"format": FORMAT, "id": model_id, "preset": model.preset.name, "files": files}
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return manifest


def _write_config(folder: Path, janus: JanusForConditionalGeneration) -> None:
    content = janus.config.to_diff_dict() | {
        "architectures": ["JanusForConditionalGeneration"],
        "dtype": "float16",
    }
    (folder / CONFIG).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: (tensor.detach().half() if tensor.is_floating_point() else tensor.detach())
        .cpu()
        .contiguous()
        .clone()
        for name, tensor in tensors.items()
    }


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
