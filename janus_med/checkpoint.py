"""Model folders: safetensors whose SHA-256 is checked before they are opened, plain configuration, no code.

A folder of ours holds ``model.safetensors`` and ``config.json`` (an unmodified Hugging Face Janus that
`from_pretrained` opens), ``adapters.safetensors`` (ours), ``tokenizer.json``, ``manifest.json`` (preset and
digests) and ``MODEL_CARD.md``. The base may lie in a folder of its own, in one or several files, which the
manifest names. A plain Hugging Face folder without anything of ours is read with unfitted adapters: every
finding is deferred.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from janus_med.adapters.generation import base_tensors
from janus_med.base_model import load_base
from janus_med.calibration import EVEN
from janus_med.errors import ModelUnavailable
from janus_med.manifest import (
    ADAPTERS,
    DIGESTED,
    FORMAT,
    INT8_FORMAT,
    MANIFEST,
    UNFITTED_SEED,
    Manifest,
    describe_plain_folder,
    verify_folder,
    write_manifest,
)
from janus_med.modalities.registry import attach_modalities
from janus_med.model import MedicalJanus
from janus_med.plain_folder import CONFIG, TOKENIZER, WEIGHTS, check_tokenizer, digest_file, read_config
from janus_med.preprocessing import preprocessing_sha256
from janus_med.presets import find_preset
from janus_med.reading import ModelInfo
from janus_med.recognition import parse_config
from janus_med.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import JanusForConditionalGeneration, PreTrainedTokenizerFast

    from janus_med.modalities.registry import ModalityRegistry

__all__ = [
    "ADAPTERS",
    "CONFIG",
    "DIGESTED",
    "FORMAT",
    "INT8_FORMAT",
    "MANIFEST",
    "TOKENIZER",
    "WEIGHTS",
    "Manifest",
    "adopt_folder",
    "bundled_folder",
    "describe_model",
    "digest_file",
    "load_model",
    "new_adapters",
    "save_adapters",
    "save_model",
    "verify_folder",
]


def bundled_folder() -> Path:
    """Return the folder of the bundled weights inside the installed package."""
    return Path(__file__).parent / "weights" / "tiny"


def describe_model(manifest: Manifest, image_size: int) -> ModelInfo:
    """Return identity and digests of a verified folder whose images have ``image_size`` pixels a side."""
    return ModelInfo(
        id=manifest.id,
        preset=manifest.preset,
        weights_sha256=manifest.weights_sha256,
        adapters_sha256=manifest.sha256[ADAPTERS],
        preprocessing_sha256=preprocessing_sha256(),
        image_size=image_size,
    )


def load_model(
    folder: Path, manifest: Manifest, registry: ModalityRegistry | None = None
) -> tuple[MedicalJanus, PreTrainedTokenizerFast]:
    """Load a verified folder on the CPU, all of it frozen.

    A bfloat16 base, such as Janus-Pro, stays bfloat16; any other becomes float32. The adapters that read
    images are float32 in both cases.

    Parameters
    ----------
    folder
        The model folder.
    manifest
        What `verify_folder` returned for it.
    registry
        The plug-ins whose tensors the adapters may hold; those of this package when None.

    Raises
    ------
    ModelUnavailable
        When the tensors do not fit the preset or belong to no registered plug-in, or the tokenizer does not
        fit the model.

    Warns
    -----
    UserWarning
        When the adapters are unfitted.
    """
    base = folder / manifest.base
    config = parse_config(read_config(base), str(base))
    tokenizer = load_tokenizer(base / TOKENIZER)
    check_tokenizer(tokenizer, config, base)
    janus = load_base([base / name for name in manifest.weights], config)
    model = new_adapters(janus, manifest.preset, UNFITTED_SEED)
    if (folder / ADAPTERS).is_file():
        _load_adapters(folder, model, registry)
    if not manifest.fitted:
        warnings.warn(
            f"{folder}: the adapters are not fitted; every finding is deferred to the reader", stacklevel=2
        )
    model.requires_grad_(False)
    return model.eval(), tokenizer


def _load_adapters(folder: Path, model: MedicalJanus, registry: ModalityRegistry | None) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(folder / ADAPTERS)
        state.setdefault("calibration.raise_above", torch.full_like(model.calibration.raise_above, EVEN))
        attach_modalities(model, state, registry)
        model.load_adapter_state(state)
    except (ValueError, RuntimeError, SafetensorError) as error:
        raise ModelUnavailable(
            f"{folder}: {ADAPTERS} does not fit preset {model.preset.name}: {error}"
        ) from error


def new_adapters(janus: JanusForConditionalGeneration, preset: str, seed: int) -> MedicalJanus:
    """Put unfitted adapters around a base: its text stays plain Janus', and every finding is deferred.

    The frontal check lets everything pass: it has learnt nothing that a refusal could rest on.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MedicalJanus(janus, find_preset(preset))
        model.add_generation()
    findings = len(model.calibration.slope)
    model.calibration.fit(torch.empty(0, findings), torch.empty(0, findings))
    model.calibration.frontal_threshold.fill_(-torch.inf)
    return model


def adopt_folder(base: Path, folder: Path, seed: int = UNFITTED_SEED) -> Manifest:
    """Write unfitted adapters and a manifest for a plain Hugging Face folder; the base keeps every byte.

    Parameters
    ----------
    base
        The plain folder.
    folder
        Where our two files go; may be ``base`` itself.
    seed
        Of the adapters.

    Raises
    ------
    ModelUnavailable
        When the base is not usable, or ``folder`` already holds adapters or a manifest.
    """
    if taken := [name for name in (ADAPTERS, MANIFEST) if (folder / name).exists()]:
        raise ModelUnavailable(f"{folder}: {taken[0]} is there already; choose another folder")
    described = describe_plain_folder(base)
    config = parse_config(read_config(base), str(base))
    check_tokenizer(load_tokenizer(base / TOKENIZER), config, base)
    janus = load_base([base / name for name in described.weights], config)
    model = new_adapters(janus, described.preset, seed)
    return save_adapters(folder, model, base, described, described.id, fitted=False)


def save_adapters(
    folder: Path, model: MedicalJanus, base: Path, described: Manifest, model_id: str, *, fitted: bool = True
) -> Manifest:
    """Write the adapters of a base that stays where it is, exactly as they are, and a manifest over both.

    Parameters
    ----------
    folder
        Made when missing.
    model
        Whose adapters are written.
    base, described
        The folder of the base, and what `verify_folder` or `describe_plain_folder` said of it.
    model_id
        Goes into every draft.
    fitted
        Whether the adapters have been trained and calibrated.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.adapter_state().items()
    }
    save_file(state, folder / ADAPTERS)
    digests = described.sha256 | {ADAPTERS: digest_file(folder / ADAPTERS)}
    place = os.path.relpath(base.resolve(), folder.resolve())
    manifest = Manifest(model_id, described.preset, digests, place, fitted)
    write_manifest(folder, manifest)
    return manifest


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
    write_manifest(folder, manifest)
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
