"""How long and how fast each stage of a preset's training goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

STAGES = (
    "warm_up",
    "perception",
    "understanding",
    "language",
    "scope",
    "text_queries",
    "generation",
    "calibration",
)
"""In order. ``warm_up`` and ``perception`` are stage 0 of the design and train the encoder of a preset that
starts from random weights; from ``understanding`` on the encoder is frozen, from ``generation`` on the
language model too.
"""


@dataclass(frozen=True)
class StageRecipe:
    """Steps, samples a step, peak learning rate (warm-up over a tenth of the steps, then a cosine)."""

    steps: int
    batch: int
    rate: float


@dataclass(frozen=True)
class Recipe:
    """One `StageRecipe` a stage, and how many samples the frozen stages draw and encode once.

    ``workers`` processes draw the batches of the perception stage ahead.
    """

    stages: dict[str, StageRecipe]
    pool: int
    calibration_samples: int
    workers: int = 0

    def with_steps(self, steps: int) -> Recipe:
        """Return the recipe with this many steps in every stage that has any, and no more samples than those
        can use.
        """
        stages = {
            name: replace(stage, steps=steps if stage.steps else 0) for name, stage in self.stages.items()
        }
        enough = 64 * max(1, steps)
        return replace(
            self,
            stages=stages,
            pool=min(self.pool, enough),
            calibration_samples=min(self.calibration_samples, enough),
        )

    def with_pace(self, pace: float) -> Recipe:
        """Return the recipe with the peak rate of the perception stage times ``pace``."""
        perception = self.stages["perception"]
        return replace(
            self, stages=self.stages | {"perception": replace(perception, rate=pace * perception.rate)}
        )

    def with_epochs(self, epochs: float, images: int) -> Recipe:
        """Return the recipe with ``epochs`` passes over ``images`` radiographs in the two encoder stages."""
        stages = dict(self.stages)
        for name in ("warm_up", "perception"):
            stages[name] = replace(stages[name], steps=max(1, round(epochs * images / stages[name].batch)))
        return replace(self, stages=stages)


_TINY = Recipe(
    stages={
        "warm_up": StageRecipe(150, 64, 1e-3),
        "perception": StageRecipe(2400, 32, 1e-3),
        "understanding": StageRecipe(250, 48, 4e-4),
        "language": StageRecipe(1300, 16, 2e-3),
        "scope": StageRecipe(300, 64, 1.5e-3),
        "text_queries": StageRecipe(800, 64, 1e-3),
        "generation": StageRecipe(2000, 8, 1.5e-3),
        "calibration": StageRecipe(0, 32, 0.0),
    },
    pool=2400,
    calibration_samples=960,
    workers=1,
)
_NANO = Recipe(
    stages={
        "warm_up": StageRecipe(20, 16, 1e-3),
        "perception": StageRecipe(60, 16, 1e-3),
        "understanding": StageRecipe(40, 16, 1e-3),
        "language": StageRecipe(60, 16, 3e-3),
        "scope": StageRecipe(40, 16, 2e-3),
        "text_queries": StageRecipe(40, 16, 2e-3),
        "generation": StageRecipe(40, 8, 2e-3),
        "calibration": StageRecipe(0, 16, 0.0),
    },
    pool=64,
    calibration_samples=64,
)
RECIPES: dict[str, Recipe] = {"nano": _NANO, "tiny": _TINY, "base": _TINY}
