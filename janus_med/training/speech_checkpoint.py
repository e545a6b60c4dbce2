"""Checkpoints of a running training of the speech encoder: safetensors and JSON, replaced in one move."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from janus_med.errors import Fatal
from janus_med.training.progress import load_stage

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from janus_med.modalities.speech_encoder import SpeechEncoder
    from janus_med.training.speech_stage import SpeechRecipe

TENSORS, STATE = "tensors.safetensors", "state.json"


def save_speech(
    folder: Path,
    encoder: SpeechEncoder,
    optimiser: torch.optim.Optimizer,
    recipe: SpeechRecipe,
    seed: int,
    step: int,
) -> None:
    """Write weights, optimiser and position beside an older checkpoint and take its place."""
    tensors = {f"stage.speech.{name}": value for name, value in encoder.state_dict().items()}
    tensors |= {
        f"optimiser.{index}.{key}": value
        for index, entry in optimiser.state_dict()["state"].items()
        for key, value in entry.items()
    }
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, fresh / TENSORS)
    state = _identity(recipe, seed) | {"step": step}
    (fresh / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def restore_speech(
    folder: Path,
    encoder: SpeechEncoder,
    optimiser: torch.optim.Optimizer,
    recipe: SpeechRecipe,
    seed: int,
) -> int:
    """Load a checkpoint if there is one and return the number of steps it has behind it, else 0.

    Raises
    ------
    Fatal
        If it was written with another seed or recipe.
    """
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and old.exists():
        os.replace(old, folder)
    if not (folder / STATE).exists():
        return 0
    state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    step = int(state.pop("step"))
    if state != _identity(recipe, seed):
        raise Fatal(f"{folder} is a checkpoint of another seed or recipe: choose another folder")
    load_stage(load_file(folder / TENSORS), {"speech": encoder}, optimiser)
    return step


def _identity(recipe: SpeechRecipe, seed: int) -> dict[str, Any]:
    return {"seed": seed, "recipe": asdict(recipe)}
