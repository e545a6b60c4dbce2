"""Checkpoints of a running training: safetensors and JSON, replaced atomically, never a pickle."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.model import MedicalJanus

TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass(frozen=True)
class Position:
    """Where a run stands: ``step`` steps of ``stage`` are done; ``losses`` holds the mean of each finished
    stage's end, ``evidence`` what `weigh_evidence` added at the end.
    """

    preset: str
    seed: int
    stage: str
    step: int
    seconds: float
    losses: dict[str, float]
    generation: bool
    evidence: dict[str, float] = field(default_factory=dict)


def save_progress(
    folder: Path,
    position: Position,
    model: MedicalJanus,
    modules: dict[str, nn.Module | nn.Parameter],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write a checkpoint beside the old one and swap them."""
    tensors = {f"janus.{name}": value for name, value in model.janus.state_dict().items()}
    tensors |= {f"adapter.{name}": value for name, value in model.adapter_state().items()}
    tensors |= {f"stage.{name}": value for name, value in stage_state(modules).items()}
    write_checkpoint(folder, tensors | optimiser_state(optimiser), asdict(position))


def write_checkpoint(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write tensors and state beside an older checkpoint and take its place."""
    fresh, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, fresh / TENSORS)
    (fresh / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def read_position(folder: Path) -> Position | None:
    """Return where the run in ``folder`` stands, None when there is none."""
    state = read_state(folder)
    return None if state is None else Position(**state)


def read_state(folder: Path) -> dict[str, Any] | None:
    """Return the state of a checkpoint, None when there is none (a swap cut short is undone)."""
    old = folder.with_name(f"{folder.name}.old")
    if not folder.exists() and old.exists():
        os.replace(old, folder)
    if not (folder / STATE).exists():
        return None
    state: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    return state


def load_model(folder: Path, model: MedicalJanus) -> dict[str, Tensor]:
    """Load base and adapters; return the tensors that belong to the stage and its optimiser."""
    tensors = load_file(folder / TENSORS)
    _copy({name: tensors.pop(f"janus.{name}") for name in model.janus.state_dict()}, model.janus.state_dict())
    adapters = [name for name in tensors if name.startswith("adapter.")]
    model.load_adapter_state({name.removeprefix("adapter."): tensors.pop(name) for name in adapters})
    return tensors


def load_stage(
    tensors: dict[str, Tensor], modules: dict[str, nn.Module | nn.Parameter], optimiser: torch.optim.Optimizer
) -> None:
    """Load what a stage trains beside the model, and its optimiser."""
    own = stage_state(modules)
    _copy({name: tensors[f"stage.{name}"] for name in own}, own)
    state = optimiser.state_dict()
    state["state"] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = value.clone()
    optimiser.load_state_dict(state)


def stage_state(modules: dict[str, nn.Module | nn.Parameter]) -> dict[str, Tensor]:
    """Return the tensors of a stage's modules by name."""
    state: dict[str, Tensor] = {}
    for name, module in modules.items():
        if isinstance(module, nn.Parameter):
            state[name] = module
        else:
            state |= {f"{name}.{inner}": value for inner, value in module.state_dict().items()}
    return state


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the tensors of an optimiser by name, as `load_stage` takes them."""
    return {
        f"optimiser.{index}.{key}": value
        for index, entry in optimiser.state_dict()["state"].items()
        for key, value in entry.items()
    }


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])
