"""From a finished run to a model folder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from janus_med.checkpoint import save_model

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.training.progress import Position
    from janus_med.training.stages import Bench


def export_run(bench: Bench, position: Position, folder: Path) -> Path:
    """Write the model folder of a finished run, and beside the folder what the training took.

    Parameters
    ----------
    bench
        The run, calibrated.
    position
        Its last position.
    folder
        Where to write.
    """
    preset = bench.model.preset.name
    save_model(folder, bench.model, bench.tokenizer, f"janus-med-{preset}-{bench.seed}")
    stages = {name: asdict(stage) for name, stage in bench.recipe.stages.items()}
    parts = Counter(case.part for case in bench.store.cases)
    content = {"position": asdict(position), "stages": stages, "pool": bench.recipe.pool, "films": parts}
    folder.with_name("training.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return folder
