"""What a model says of the evaluation's films, asked once and kept for every section."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.bootstrap import RESAMPLES, resample
from janus_med.evaluation.films import FilmSet, inserted_films, real_films
from janus_med.reading import FINDINGS
from janus_med.training.samples import generator, to_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from janus_med.engine import JanusMed
    from janus_med.evaluation.sections import Effort
    from janus_med.model import MedicalJanus
    from janus_med.training.attenuation import Brush
    from janus_med.training.data import ImageStore

STEP = 32


@dataclass(frozen=True, eq=False)
class Answers:
    """Probabilities (M, K) and maps (M, K, g, g), whose patches sum to 1, of M films."""

    probabilities: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True, eq=False)
class Said:
    """Answers beside the truth: labels (M, K), masks (M, K, g, g), and weights (R, M) of the resamples."""

    films: FilmSet
    probabilities: np.ndarray
    maps: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    weights: np.ndarray


@torch.no_grad()
def ask(model: MedicalJanus, films: Sequence[np.ndarray]) -> Answers:
    """Let a model judge (S, S) films in batches."""
    probabilities, maps = [], []
    grid = model.preset.grid
    for start in range(0, len(films), STEP):
        perception = model.perceive(to_pixels(np.stack(films[start : start + STEP])))
        probabilities.append(model.calibration.probabilities(perception.understanding.logits).numpy())
        maps.append(perception.cross.maps.view(-1, len(FINDINGS), grid, grid).numpy())
    return Answers(np.concatenate(probabilities).astype(np.float64), np.concatenate(maps))


@dataclass(frozen=True)
class Exam:
    """A loaded model, the films of a data folder, and what the sections share.

    Attributes
    ----------
    engine, tokenizer
        Of one model folder.
    store
        The films.
    data
        Folder with ``manifest.csv``.
    cache
        Folder for features that do not depend on the model.
    effort
        Counts.
    seed
        Of lesions and resamples.
    resamples
        R of the bootstrap.
    """

    engine: JanusMed
    tokenizer: PreTrainedTokenizerFast
    store: ImageStore
    data: Path
    cache: Path
    effort: Effort
    seed: int
    resamples: int = RESAMPLES

    @property
    def model(self) -> MedicalJanus:
        """The composed model, frozen."""
        return self.engine.model

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.model.preset.grid

    def rng(self, name: str) -> np.random.Generator:
        """Random numbers of one section."""
        return generator(self.seed, name, 0)

    def weights(self, persons: Sequence[str]) -> np.ndarray:
        """Resamples (R, M) of images by person."""
        return resample(persons, self.rng("resample"), self.resamples)

    def confront(self, films: FilmSet) -> Said:
        """Ask about films whose truth is known."""
        answers = ask(self.model, [sample.grey for sample in films.samples])
        return Said(
            films,
            answers.probabilities,
            answers.maps,
            np.stack([sample.labels for sample in films.samples]),
            np.stack([sample.masks for sample in films.samples]),
            self.weights(films.persons),
        )

    @cached_property
    def real(self) -> Said:
        """The labelled validation films."""
        return self.confront(real_films(self.store, self.grid))

    @cached_property
    def trained(self) -> Said:
        """Validation films with lesions of the brushes the model was trained with."""
        return self._inserted("trained")

    @cached_property
    def unseen(self) -> Said:
        """Validation films with lesions of brushes never trained with."""
        return self._inserted("unseen")

    @property
    def brushes(self) -> dict[str, Said]:
        """Both, by the name of the brush."""
        return {"trained": self.trained, "unseen": self.unseen}

    def _inserted(self, brush: Brush) -> Said:
        return self.confront(inserted_films(self.store, self.grid, brush, self.effort.inserted, self.seed))
