"""A training run: the stages in order, deterministic by seed, stoppable at any checkpoint and resumed where
it stood.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from janus_med.adapters.generation import base_tensors
from janus_med.encoders import digest_tensors
from janus_med.errors import Fatal
from janus_med.training.calibrate import calibrate, round_weights
from janus_med.training.inherit import inherit_perception, start_perception
from janus_med.training.progress import Position, load_model, load_stage, read_position, save_progress
from janus_med.training.recipe import STAGES
from janus_med.training.scope_stage import ScopeStage
from janus_med.training.stages import (
    Bench,
    GenerationStage,
    LanguageStage,
    PerceptionStage,
    Stage,
    UnderstandingStage,
    WarmUp,
)
from janus_med.training.text_query_stage import TextQueryStage
from janus_med.training.weigh_evidence import weigh_evidence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAINED_BASE: dict[str, tuple[str, ...]] = {
    "warm_up": ("model.vision_model.",),
    "perception": ("model.vision_model.",),
    "language": ("model.language_model.", "lm_head."),
}
"""What a stage trains of the base; every other base tensor, in any stage, must keep its bytes."""

CHECKPOINT_STEPS = 50
CLIP = 1.0
STEPS_A_SEED = 1_000_003
READING_STAGES = frozenset({"perception", "understanding"})
"""Stages that train the heads which read the image: only there does dropout act."""
MAKERS: dict[str, Callable[[Bench], Stage]] = {
    "warm_up": WarmUp,
    "perception": PerceptionStage,
    "understanding": UnderstandingStage,
    "language": LanguageStage,
    "scope": ScopeStage,
    "text_queries": TextQueryStage,
    "generation": GenerationStage,
}


class Watcher(Protocol):
    """Is told how a run goes."""

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        """Be told after every step."""
        ...


@dataclass(frozen=True)
class Limits:
    """Stop, with a checkpoint, after this many minutes; None never."""

    minutes: float | None = None


class TimeIsUp(Exception):
    """The time limit was reached; the checkpoint is written."""


class TrainingRun:
    """One run in one folder.

    Parameters
    ----------
    bench
        Model, tokenizer, images, recipe, seed.
    folder
        Where the checkpoint lives.
    watcher
        Told after every step.
    limits
        When to stop early.
    makers
        Makes each stage.
    """

    def __init__(
        self,
        bench: Bench,
        folder: Path,
        watcher: Watcher,
        limits: Limits,
        makers: dict[str, Callable[[Bench], Stage]] | None = None,
    ) -> None:
        self._bench = bench
        self._makers = makers or MAKERS
        self._checkpoint = folder / "checkpoint"
        self._watch = watcher
        self._limits = limits
        self._start = time.monotonic()
        self._position = Position(bench.model.preset.name, bench.seed, STAGES[0], 0, 0.0, {}, False)
        self._restored: dict[str, torch.Tensor] = {}

    def resume(self) -> Position | None:
        """Take up the run of the folder; None when there is nothing to take up."""
        position = read_position(self._checkpoint)
        if position is None:
            return None
        if (position.preset, position.seed) != (self._position.preset, self._position.seed):
            raise Fatal(f"checkpoint is of preset {position.preset}, seed {position.seed}: not this run")
        if position.generation:
            self._bench.model.janus.requires_grad_(False)
            self._bench.model.add_generation()
        self._restored = load_model(self._checkpoint, self._bench.model)
        self._position = position
        return position

    def start_from(self, run: Path) -> Position:
        """Take encoder, attention and understanding from another run; go on behind its perception stage."""
        self._position = inherit_perception(self._bench, run)
        return self._position

    def start_from_model(self, folder: Path) -> Position:
        """Take encoder, attention and understanding from a model folder and train them further."""
        self._position = start_perception(self._bench, folder)
        return self._position

    def go(self) -> Position:
        """Run all stages to the end, calibration included.

        Raises
        ------
        TimeIsUp
            When the time limit was reached first.
        Fatal
            When a frozen weight changed.
        """
        for name in STAGES[STAGES.index(self._position.stage) : -1]:
            if self._bench.recipe.stages[name].steps:
                self._run_stage(name)
            following = STAGES[STAGES.index(name) + 1]
            self._position = replace(self._position, stage=following, step=0)
        self._bench.model.eval()
        self.finish()
        return self._moved(0)

    def finish(self) -> None:
        """Weigh the evidence, round the weights to what is stored, then calibrate."""
        self._position = replace(self._position, evidence=weigh_evidence(self._bench))
        round_weights(self._bench.model)
        calibrate(self._bench)

    def _run_stage(self, name: str) -> None:
        stage = self._makers[name](self._bench)
        frozen = self._frozen(name)
        modules = stage.modules()
        optimiser = _optimiser(modules)
        if self._position.step:
            load_stage(self._restored, modules, optimiser)
        elif isinstance(stage, WarmUp):
            stage.start()
        self._restored = {}
        self._bench.model.train(name in READING_STAGES)
        self._step_through(stage, modules, optimiser)
        if self._frozen(name) != frozen:
            raise Fatal(f"a frozen weight changed in stage {name}")

    def _step_through(
        self, stage: Stage, modules: dict[str, nn.Module | nn.Parameter], optimiser: torch.optim.Optimizer
    ) -> None:
        plan = self._bench.recipe.stages[stage.name]
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        mean = float("nan")
        for step in range(self._position.step, plan.steps):
            for group in optimiser.param_groups:
                group["lr"] = rate_at(step, plan.steps, plan.rate)
            optimiser.zero_grad()
            torch.manual_seed(self._bench.seed * STEPS_A_SEED + step)  # dropout repeats when a run is resumed
            loss = stage.loss(step)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            optimiser.step()
            value = float(loss.detach())
            mean = value if math.isnan(mean) else 0.95 * mean + 0.05 * value
            self._position = self._moved(step + 1, {stage.name: mean})
            self._watch(stage.name, step + 1, plan.steps, mean)
            if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == plan.steps or self._time_is_up():
                save_progress(self._checkpoint, self._position, self._bench.model, modules, optimiser)
            if self._time_is_up():
                raise TimeIsUp

    def _moved(self, step: int, losses: dict[str, float] | None = None) -> Position:
        now = time.monotonic()
        seconds, self._start = self._position.seconds + now - self._start, now
        return replace(
            self._position,
            step=step,
            seconds=seconds,
            losses=self._position.losses | (losses or {}),
            generation=self._bench.model.generation is not None,
        )

    def _time_is_up(self) -> bool:
        minutes = self._limits.minutes
        return minutes is not None and self._position.seconds > 60 * minutes

    def _frozen(self, name: str) -> str:
        trained = TRAINED_BASE.get(name, ())
        base = base_tensors(self._bench.model.janus)
        return digest_tensors({key: base[key] for key in base if not key.startswith(trained)})


def _optimiser(modules: dict[str, nn.Module | nn.Parameter]) -> torch.optim.AdamW:
    parameters: list[nn.Parameter] = []
    for module in modules.values():
        parameters += [module] if isinstance(module, nn.Parameter) else list(module.parameters())
    return torch.optim.AdamW(parameters, betas=(0.9, 0.95), weight_decay=0.02)


def rate_at(step: int, steps: int, peak: float) -> float:
    """Return the learning rate: linear warm-up over a tenth, then a cosine down to a twentieth."""
    rise = max(1, steps // 10)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))))
