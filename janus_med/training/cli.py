"""The commands of ``janus-med model``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from janus_med.compress_cli import bench, compress
from janus_med.folder_commands import adopt, convert

if TYPE_CHECKING:
    from janus_med.training.stages import Bench

model_app = typer.Typer(no_args_is_help=True, help="Look at, train and evaluate the model.")
model_app.command()(compress)
model_app.command()(bench)

Data = Annotated[Path, typer.Option(help="Folder with manifest.csv and the images it names.")]
ModelFolder = Annotated[
    Path | None, typer.Option("--model", help="Model folder; the bundled one by default.")
]
REPORT_STEPS = 20


model_app.command()(convert)
model_app.command()(adopt)


@model_app.command()
def info(model: ModelFolder = None) -> None:
    """Verify a model folder and print its identity, digests and sizes as JSON."""
    import json

    from janus_med.checkpoint import bundled_folder, verify_folder
    from janus_med.errors import ModelUnavailable
    from janus_med.preprocessing import preprocessing_sha256
    from janus_med.presets import find_preset

    folder = model or bundled_folder()
    try:
        manifest = verify_folder(folder)
    except ModelUnavailable as error:
        raise _failure(str(error)) from error
    preset = find_preset(manifest.preset)
    content = {
        "id": manifest.id,
        "preset": manifest.preset,
        "folder": str(folder),
        "fitted": manifest.fitted,
        "weights_sha256": manifest.weights_sha256,
        "image_size": preset.image_size,
        "image_tokens": preset.image_tokens,
        "preprocessing_sha256": preprocessing_sha256(),
        "files": {
            name: {"sha256": digest, "bytes": path.stat().st_size}
            for name, digest in manifest.sha256.items()
            if (path := manifest.locate(folder, name)).is_file()
        },
    }
    typer.echo(json.dumps(content, indent=2))


@model_app.command()
def train(  # noqa: PLR0913, PLR0917 - typer makes options of them
    preset: Annotated[str, typer.Option(help="nano, tiny or base.")] = "tiny",
    data: Data = Path("../shared/data"),
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV of a hospital's own films and reports: fit the adapters of --base to them."),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="Model folder whose adapters are fitted; none of its bytes changes.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Checkpoints, cache and the finished model folder.")] = Path(
        ".runs/train"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stands.")] = False,
    perception_of: Annotated[
        Path | None,
        typer.Option(help="Take what reads the image from the run in this folder, and train the rest."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Take what reads the image from this model folder, and train it further at half the rate."
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop with a checkpoint after so many minutes.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the images in the encoder stages.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of every stage, for a trial run.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = 0,
    threads: Annotated[
        int, typer.Option(help="CPU threads; a run repeats exactly with the same number.")
    ] = 2,
) -> None:
    """Train a preset from random weights: stages 0 to 3, checkpoints, then a model folder in OUT/model. With
    --manifest and --base fit a hospital's own adapters instead.
    """
    import torch

    from janus_med.errors import Fatal
    from janus_med.training.assemble import new_bench
    from janus_med.training.export import export_run
    from janus_med.training.fit_hospital import Wishes, fit_hospital
    from janus_med.training.recipe import RECIPES
    from janus_med.training.run import Limits, TimeIsUp, TrainingRun

    torch.set_num_threads(threads)
    if manifest is not None or base is not None:
        wishes = Wishes(manifest, base, out, seed, steps, minutes, resume)
        try:
            typer.echo(fit_hospital(wishes, _show_loading, _show_step))
        except Fatal as error:
            raise _failure(str(error)) from error
        return
    if preset not in RECIPES:
        raise _failure(f"no training recipe for preset {preset!r}; known: {', '.join(RECIPES)}")
    if (out / "checkpoint").exists() and not resume:
        raise _failure(f"{out} holds a run: add --resume to continue it, or choose another folder")
    try:
        bench = new_bench(preset, data, out, RECIPES[preset], seed, _show_loading)
        bench = _shorten(bench, steps, epochs, 0.5 if start_from else 1.0)
        run = TrainingRun(bench, out, _show_step, Limits(minutes))
        if resume and (position := run.resume()) is not None:
            typer.echo(f"resumed at stage {position.stage}, step {position.step}")
        elif perception_of is not None:
            run.start_from(perception_of)
        elif start_from is not None:
            run.start_from_model(start_from)
        position = run.go()
    except TimeIsUp:
        typer.echo(
            f"time limit reached; continue with: janus-med model train --preset {preset} --out {out} --resume"
        )
        return
    except Fatal as error:
        raise _failure(str(error)) from error
    typer.echo(f"model written to {export_run(bench, position, out / 'model')}")


@model_app.command()
def evaluate(  # noqa: PLR0917 - typer makes options of them
    model: ModelFolder = None,
    data: Data = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Cache of preprocessed images, and evaluation.json.")] = Path(
        ".runs/evaluate"
    ),
    samples: Annotated[int | None, typer.Option(help="Films with inserted lesions per brush.")] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write the short figures into the MODEL_CARD.md of the model.")
    ] = False,
    doc: Annotated[
        Path | None, typer.Option(help="Write the document there, as docs/model_evaluation.md.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few films of each kind: tests the evaluation, not the model.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides the inserted lesions and the bootstrap.")] = 0,
) -> None:
    """Measure a model on the validation persons of a data folder; print and keep every figure with its
    interval, its baselines and its bar.
    """
    from datetime import UTC, datetime

    from janus_med.errors import Fatal
    from janus_med.evaluation.report import Request, evaluate_folder

    request = Request(model, data, out, samples, seed, card, doc, quick)
    try:
        text = evaluate_folder(request, datetime.now(UTC), _show_loading)
    except Fatal as error:
        raise _failure(str(error)) from error
    typer.echo(text)


@model_app.command()
def fit_modality(
    name: Annotated[str, typer.Argument(help="multiview, prior, volume, cine or tiled.")],
    out: Annotated[Path, typer.Option(help="New model folder; must not exist.")],
    model: ModelFolder = None,
    studies: Annotated[int, typer.Option(help="Virtual patients to learn from.")] = 768,
    steps: Annotated[int, typer.Option(help="Steps of the fit.")] = 400,
    seed: Annotated[int, typer.Option(help="Decides patients, start and order.")] = 0,
) -> None:
    """Fit one modality plug-in on virtual patients and write a model folder with it; the base stays as it
    is, byte for byte.
    """
    from janus_med.errors import Fatal
    from janus_med.training.modality_folder import fit_folder
    from janus_med.training.modality_stage import FitPlan

    plan = FitPlan(studies=studies, steps=steps, seed=seed)
    try:
        typer.echo(fit_folder(name, model, out, plan))
    except (Fatal, ValueError) as error:
        raise _failure(str(error)) from error


@model_app.command("fit-speech")
def fit_speech(
    out: Annotated[Path, typer.Option(help="Checkpoint, and the finished speech encoder.")],
    steps: Annotated[int | None, typer.Option(help="Steps of training, for a trial run.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
) -> None:
    """Train the speech encoder on indications that espeak-ng speaks; an interrupted run is continued."""
    from janus_med.errors import Fatal
    from janus_med.training.speech_commands import fit_reader
    from janus_med.training.speech_stage import SpeechRecipe

    recipe = SpeechRecipe() if steps is None else SpeechRecipe(steps=steps)
    try:
        fit_reader(out, recipe, seed, threads, _show_loading, _show_step)
    except Fatal as error:
        raise _failure(str(error)) from error
    typer.echo(f"speech encoder written to {out}")


@model_app.command()
def transcribe(
    recording: Annotated[Path, typer.Argument(help="WAV file: 16 kHz, 16 bits, one channel.")],
    model: Annotated[Path, typer.Option(help="Folder that fit-speech wrote.")],
) -> None:
    """Print the words of a dictated indication, or the reason why there are none (exit code 2).

    For speech of espeak-ng in a closed vocabulary; not a speech recogniser for hospitals.
    """
    from janus_med.errors import JanusMedError
    from janus_med.training.speech_commands import describe_transcript, transcribe_file

    try:
        transcript = transcribe_file(recording, model)
    except JanusMedError as error:
        raise _failure(str(error)) from error
    typer.echo(describe_transcript(transcript), err=bool(transcript.reason))
    if transcript.reason:
        raise typer.Exit(2)


def _shorten(bench: Bench, steps: int | None, epochs: float | None, pace: float) -> Bench:
    from dataclasses import replace

    recipe = bench.recipe
    if epochs is not None:
        images = len(bench.store.indices(lambda case: case.part == "train"))
        recipe = recipe.with_epochs(epochs, images)
    if steps is not None:
        recipe = recipe.with_steps(steps)
    return replace(bench, recipe=recipe.with_pace(pace))


def _show_loading(done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        typer.echo(f"loading images {done}/{total}")


def _show_step(stage: str, step: int, steps: int, loss: float) -> None:
    line = f"{stage:<14} {step:>5}/{steps} {100 * step // steps:>3} %  loss {loss:.4f}"
    if sys.stdout.isatty():
        typer.echo(f"\r{line}", nl=step == steps)
    elif step % REPORT_STEPS == 0 or step == steps:
        typer.echo(line)
    sys.stdout.flush()


def _failure(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
