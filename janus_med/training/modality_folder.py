"""From a model folder to one with a fitted plug-in: the base files are copied, the adapters written anew."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import torch

from janus_med.checkpoint import (
    ADAPTERS,
    DIGESTED,
    MANIFEST,
    bundled_folder,
    digest_file,
    load_model,
    verify_folder,
)
from janus_med.modalities.registry import PREFIX, default_registry, find_learned
from janus_med.training.modality_stage import fit_modality

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from janus_med.modalities.registry import ModalityRegistry
    from janus_med.training.modality_stage import FitPlan

CARD = "MODEL_CARD.md"


def fit_folder(
    name: str, source: Path | None, out: Path, plan: FitPlan, registry: ModalityRegistry | None = None
) -> str:
    """Fit a plug-in to a model folder and write the result.

    Parameters
    ----------
    name
        Of a registered plug-in with parameters.
    source
        Model folder; None for the bundled one.
    out
        Where to write; made.
    plan
        How long.
    registry
        None for the plug-ins of the package.

    Returns
    -------
    str
        One line for the person who asked.

    Raises
    ------
    ModelUnavailable
        When the source folder is not sound.
    ValueError
        When ``out`` exists, or the plug-in is unknown or has no virtual patients.
    """
    if out.exists():
        raise ValueError(f"{out} exists: choose another folder")
    chosen = registry or default_registry()
    modality = find_learned(chosen, name)
    folder = source or bundled_folder()
    manifest = verify_folder(folder)
    model, _ = load_model(folder, manifest, chosen)
    record = fit_modality(model, modality, plan)
    _write_folder(folder, out, name, model.modalities[name])
    tail = sum(record.losses[-20:]) / len(record.losses[-20:])
    return (
        f"{name} fitted on {plan.studies} virtual patients in {record.seconds:.1f} s, loss "
        f"{record.losses[0]:.3f} to {tail:.3f}; everything else unchanged (SHA-256 "
        f"{record.frozen_sha256[:16]}); model written to {out}"
    )


def _write_folder(source: Path, out: Path, name: str, adapter: nn.Module) -> None:
    from safetensors.torch import load_file, save_file

    out.mkdir(parents=True)
    for file in (*DIGESTED, CARD):
        if (source / file).is_file():
            shutil.copyfile(source / file, out / file)
    kept = {
        key: value
        for key, value in load_file(source / ADAPTERS).items()
        if not key.startswith(f"{PREFIX}{name}.")
    }
    fitted = {f"{PREFIX}{name}.{key}": _shrink(value) for key, value in adapter.state_dict().items()}
    save_file(kept | fitted, out / ADAPTERS)
    content = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    content["id"] = f"{content['id']}+{name}"
    content["files"] = {
        file: {"sha256": digest_file(out / file), "bytes": (out / file).stat().st_size} for file in DIGESTED
    }
    (out / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if (out / CARD).is_file():
        with (out / CARD).open("a", encoding="utf-8") as card:
            card.write(
                f"\n## Plug-in {name}\n\nFitted on virtual patients alone; never tested on a real study.\n"
            )


def _shrink(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().half().contiguous() if tensor.is_floating_point() else tensor.detach().contiguous()
