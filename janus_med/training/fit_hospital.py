"""A hospital fits its own adapters: films and reports in, adapters for a base that keeps every byte out."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from janus_med.checkpoint import bundled_folder, load_model, save_adapters, verify_folder
from janus_med.errors import Fatal, GeometryError, ModelUnavailable, UnreadableInput
from janus_med.training.calibrate import calibrate
from janus_med.training.data import ImageStore
from janus_med.training.hospital_data import read_hospital, with_written_reports
from janus_med.training.recipe import RECIPES
from janus_med.training.report_stage import ReportStage
from janus_med.training.run import MAKERS, Limits, TimeIsUp, TrainingRun
from janus_med.training.stages import Bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from janus_med.manifest import Manifest
    from janus_med.training.progress import Position
    from janus_med.training.recipe import Recipe
    from janus_med.training.run import Watcher


@dataclass(frozen=True)
class Wishes:
    """What a hospital asks for.

    Attributes
    ----------
    manifest, base
        Films and model folder; the bundled model when ``base`` is None.
    out
        For cache, checkpoint and ``model``.
    seed, steps, minutes, resume
        As for any training.
    """

    manifest: Path | None
    base: Path | None
    out: Path
    seed: int = 0
    steps: int | None = None
    minutes: float | None = None
    resume: bool = False


NOT_FITTED = ("warm_up", "perception", "language")
"""Stages that train a base: a hospital's base stays as it is."""


def hospital_recipe(*, fitted: bool) -> Recipe:
    """Return the steps of a fit; an adapter that was fitted before keeps its frontal check."""
    recipe = RECIPES["tiny"]
    stages = {
        name: replace(stage, steps=0) if name in NOT_FITTED or (fitted and name == "scope") else stage
        for name, stage in recipe.stages.items()
    }
    return replace(recipe, stages=stages, workers=0)


def hospital_bench(
    manifest: Path,
    base: Path,
    folder: Path,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Bench, Manifest]:
    """Open base and films.

    Parameters
    ----------
    manifest
        See `janus_med.training.hospital_data.read_hospital`.
    base
        Model folder: ours, or one that ``model adopt`` made of a Janus-Pro.
    folder
        Cache of the films.
    seed
        Decides every random choice.
    progress
        Called with (done, total) while films are read.

    Raises
    ------
    Fatal
        When base or manifest cannot be used; the message says what to do.
    """
    try:
        described = verify_folder(base)
        model, tokenizer = load_model(base, described)
    except ModelUnavailable as error:
        raise Fatal(str(error)) from error
    cases = with_written_reports(read_hospital(manifest))
    try:
        store = ImageStore(cases, model.preset.image_size, folder, progress)
    except (UnreadableInput, GeometryError, OSError) as error:
        raise Fatal(f"{manifest}: a film cannot be read: {error}") from error
    for adapter in (model.attention, model.understanding):
        adapter.requires_grad_(True)
    return Bench(model, tokenizer, store, hospital_recipe(fitted=described.fitted), seed), described


class HospitalRun(TrainingRun):
    """A `TrainingRun` that fits adapters alone: the base is neither trained nor rounded."""

    def __init__(self, bench: Bench, folder: Path, watcher: Watcher, limits: Limits) -> None:
        super().__init__(bench, folder, watcher, limits, MAKERS | {"generation": ReportStage})

    def finish(self) -> None:
        """Calibrate on persons that no stage has seen."""
        calibrate(self._bench)


def fit_hospital(wishes: Wishes, show_loading: Callable[[int, int], None], watcher: Watcher) -> str:
    """Fit, calibrate and write; return one line for the person who asked.

    Raises
    ------
    Fatal
        When base or manifest cannot be used, or ``out`` holds a run that is not to be continued.
    """
    if wishes.manifest is None or not wishes.manifest.is_file():
        raise Fatal(f"--manifest {wishes.manifest}: no such file; a base is fitted to the films it names")
    if (wishes.out / "checkpoint").exists() and not wishes.resume:
        raise Fatal(f"{wishes.out} holds a run: add --resume to continue it, or choose another folder")
    base = wishes.base or bundled_folder()
    bench, described = hospital_bench(wishes.manifest, base, wishes.out, wishes.seed, show_loading)
    if wishes.steps is not None:
        bench = replace(bench, recipe=bench.recipe.with_steps(wishes.steps))
    run = HospitalRun(bench, wishes.out, watcher, Limits(wishes.minutes))
    if wishes.resume:
        run.resume()
    try:
        position = run.go()
    except TimeIsUp:
        return "time limit reached; continue with the same command and --resume"
    written = export_adapters(bench, position, base, described, wishes.out / "model")
    return f"{written.id} written to {wishes.out / 'model'}; its base stays in {base}"


def export_adapters(
    bench: Bench, position: Position, base: Path, described: Manifest, folder: Path
) -> Manifest:
    """Write adapters and manifest beside the base, and what the fit took."""
    if base.resolve() == folder.resolve():
        raise Fatal(f"{folder}: is the base itself; choose another folder")
    model_id = f"{described.id}+hospital-{bench.seed}"
    written = save_adapters(folder, bench.model, (base / described.base).resolve(), described, model_id)
    parts = Counter(case.part for case in bench.store.cases)
    texts = sum(case.part == "train" and bool(case.report) for case in bench.store.cases)
    content = {"position": position.losses, "seconds": position.seconds, "films": parts, "reports": texts}
    folder.with_name("training.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return written
