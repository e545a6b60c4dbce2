"""Begin a run with eyes that were trained before: encoder, attention and understanding are taken over, from
another run or from a model folder.

The texts may have changed since, and with them the tokenizer and the shape of the language model: what reads
the image does not depend on them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from janus_med.checkpoint import load_model, verify_folder
from janus_med.errors import Fatal, ModelUnavailable
from janus_med.training.progress import TENSORS, Position, read_position
from janus_med.training.recipe import STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from janus_med.model import MedicalJanus
    from janus_med.training.stages import Bench

TAKEN = ("janus.model.vision_model.", "adapter.attention.", "adapter.understanding.")


def inherit_perception(bench: Bench, run: Path) -> Position:
    """Copy what reads the image from another run into the model of ``bench``.

    Parameters
    ----------
    bench
        The new run, of the same preset.
    run
        Folder of the other run; its perception stage must be complete.

    Returns
    -------
    Position
        The new run stands before the stage after perception.

    Raises
    ------
    Fatal
        If there is no such run, it is of another preset, or it has not finished the stage.
    """
    position = read_position(run / "checkpoint")
    if position is None:
        raise Fatal(f"{run}: no checkpoint of a run")
    if position.preset != bench.model.preset.name:
        raise Fatal(f"{run}: a run of preset {position.preset}, not {bench.model.preset.name}")
    finished = position.stage == "perception" and position.step >= bench.recipe.stages["perception"].steps
    if not finished and STAGES.index(position.stage) <= STAGES.index("perception"):
        raise Fatal(f"{run}: its perception stage is not finished (step {position.step})")
    _copy(bench, load_file(run / "checkpoint" / TENSORS))
    return replace(
        position, seed=bench.seed, stage=STAGES[STAGES.index("perception") + 1], step=0, generation=False
    )


def start_perception(bench: Bench, folder: Path) -> Position:
    """Copy what reads the image from a model folder into the model of ``bench``, to train it further.

    Parameters
    ----------
    bench
        The new run, of the same preset.
    folder
        A fitted model folder.

    Returns
    -------
    Position
        The new run stands before the perception stage; the warm-up of a random encoder is left out.

    Raises
    ------
    Fatal
        If the folder holds no model, another preset, or adapters that were never fitted.
    """
    preset = bench.model.preset.name
    try:
        manifest = verify_folder(folder)
        if manifest.preset != preset or not manifest.fitted:
            state = "fitted" if manifest.fitted else "not fitted"
            raise Fatal(f"{folder}: a model of preset {manifest.preset}, {state}; wanted {preset}, fitted")
        model, _ = load_model(folder, manifest)
    except ModelUnavailable as error:
        raise Fatal(str(error)) from error
    _copy(bench, _named(model))
    return Position(preset, bench.seed, "perception", 0, 0.0, {}, False)


@torch.no_grad()
def _copy(bench: Bench, tensors: dict[str, Tensor]) -> None:
    for name, tensor in _named(bench.model).items():
        if name.startswith(TAKEN) and name in tensors:  # what is new since then keeps its start
            tensor.copy_(tensors[name])


def _named(model: MedicalJanus) -> dict[str, Tensor]:
    tensors = {f"janus.{name}": value for name, value in model.janus.state_dict().items()}
    return tensors | {f"adapter.{name}": value for name, value in model.adapter_state().items()}
