"""Checkpoints of a running training of the speech encoder: safetensors and JSON, replaced in one move."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from janus_med.errors import Fatal
from janus_med.training.progress import (
    TENSORS,
    load_stage,
    optimiser_state,
    read_state,
    stage_state,
    write_checkpoint,
)

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from janus_med.modalities.speech_encoder import SpeechEncoder
    from janus_med.training.speech_stage import SpeechRecipe


def save_speech(
    folder: Path,
    encoder: SpeechEncoder,
    optimiser: torch.optim.Optimizer,
    recipe: SpeechRecipe,
    seed: int,
    step: int,
) -> None:
    """Write weights, optimiser and position beside an older checkpoint and take its place."""
    tensors = {f"stage.{name}": value for name, value in stage_state({"speech": encoder}).items()}
    state = _identity(recipe, seed) | {"step": step}
    write_checkpoint(folder, tensors | optimiser_state(optimiser), state)


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
    state = read_state(folder)
    if state is None:
        return 0
    step = int(state.pop("step"))
    if state != _identity(recipe, seed):
        raise Fatal(f"{folder} is a checkpoint of another seed or recipe: choose another folder")
    load_stage(load_file(folder / TENSORS), {"speech": encoder}, optimiser)
    return step


def _identity(recipe: SpeechRecipe, seed: int) -> dict[str, Any]:
    return {"seed": seed, "recipe": asdict(recipe)}
