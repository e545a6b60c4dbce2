"""Begin a run with eyes that another run has trained: encoder, attention and understanding are taken over.

The texts may have changed since, and with them the tokenizer and the shape of the language model: what reads
the image does not depend on them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from janus_med.errors import Fatal
from janus_med.training.progress import TENSORS, Position, read_position
from janus_med.training.recipe import STAGES

if TYPE_CHECKING:
    from pathlib import Path

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
    _copy(bench, run)
    return replace(
        position, seed=bench.seed, stage=STAGES[STAGES.index("perception") + 1], step=0, generation=False
    )


@torch.no_grad()
def _copy(bench: Bench, run: Path) -> None:
    tensors = load_file(run / "checkpoint" / TENSORS)
    own = {f"janus.{name}": value for name, value in bench.model.janus.state_dict().items()}
    own |= {f"adapter.{name}": value for name, value in bench.model.adapter_state().items()}
    for name, tensor in own.items():
        if name.startswith(TAKEN) and name in tensors:  # what is new since then keeps its start
            tensor.copy_(tensors[name])
