"""The commands ``janus-med model compress`` and ``janus-med model bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

ModelFolder = Annotated[
    Path | None, typer.Option("--model", help="Model folder; the bundled one by default.")
]
REPORT_STEPS = 20


def compress(  # noqa: PLR0917 - typer makes options of them
    out: Annotated[Path, typer.Option(help="The new folder.")],
    model: ModelFolder = None,
    int8: Annotated[bool, typer.Option("--int8", help="Store weights as int8.")] = False,
    prune: Annotated[float, typer.Option(help="Share of the layers' weights to remove, such as 0.3.")] = 0.0,
    vision_layers: Annotated[
        int | None, typer.Option(help="Layers of the vision tower that stay; all without it.")
    ] = None,
    text_layers: Annotated[
        int | None, typer.Option(help="Layers of the language model that stay; all without it.")
    ] = None,
    recover_steps: Annotated[
        int, typer.Option(help="Steps in which the pruned model learns from the whole one.")
    ] = 0,
    data: Annotated[
        Path, typer.Option(help="Folder with manifest.csv and films; read for pruning alone.")
    ] = Path("../shared/data"),
    seed: Annotated[int, typer.Option(help="Decides films and reports.")] = 0,
) -> None:
    """Write a compressed copy of a model folder and print its bytes as JSON."""
    from janus_med.checkpoint import bundled_folder
    from janus_med.compress import Compression, compress_folder
    from janus_med.errors import Fatal

    options = Compression(int8, prune, vision_layers, text_layers, recover_steps, seed=seed)
    try:
        report = compress_folder(model or bundled_folder(), out, options, data, _show)
    except Fatal as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(report, indent=2))


def bench(
    model: ModelFolder = None,
    rounds: Annotated[int, typer.Option(help="Rounds of each comparison.")] = 12,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Time decoding beside Hugging Face's generate, a batch, and the capture of attention; print JSON."""
    from janus_med.engine import JanusMed
    from janus_med.errors import ModelUnavailable
    from janus_med.speed import measure_batch, measure_capture, measure_decoding

    try:
        engine = JanusMed.load(model, device)
    except ModelUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    result = {
        "model": engine.info.id,
        "decoding": measure_decoding(engine, rounds),
        "batch": measure_batch(engine, max(2, rounds // 4)),
        "capture": measure_capture(engine, rounds),
    }
    typer.echo(json.dumps(result, indent=2))


def _show(step: int, steps: int, loss: float) -> None:
    if step % REPORT_STEPS == 0 or step == steps:
        typer.echo(f"recovery {step}/{steps}  loss {loss:.4f}", err=True)
