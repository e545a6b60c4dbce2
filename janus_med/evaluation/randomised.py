"""Weight randomisation: does a map change when what was learnt is destroyed?"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.bootstrap import Estimate, estimate_mean
from janus_med.evaluation.measure import ask
from janus_med.evaluation.metrics import rank_correlation
from janus_med.evaluation.places import placed_in
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from janus_med.evaluation.measure import Exam
    from janus_med.model import MedicalJanus

RANDOM_PAIRS = "random pairs of films"


def examine_randomised(exam: Exam) -> dict[str, Estimate]:
    """Return the correlation with the trained maps after each step of the cascade, then of random pairs.

    A random pair is the maps of one finding on a film that shows it and on another film; the last entry.
    """
    said = exam.trained
    placed = [(film, index) for index in range(len(FINDINGS)) for film in placed_in(said, index)[0].tolist()]
    rng = exam.rng("randomised")
    chosen = [placed[i] for i in rng.permutation(len(placed))[: exam.effort.maps]]
    films, findings = np.array([film for film, _ in chosen]), np.array([index for _, index in chosen])
    trained = said.maps[films, findings]
    weights = exam.weights([said.films.persons[film] for film in films])
    greys = [said.films.samples[film].grey for film in films]
    rows = np.arange(len(films))
    found = {
        step: estimate_mean(_similar(trained, ask(model, greys).maps[rows, findings]), weights)
        for step, model in shuffle_cascade(exam.model, exam.seed)
    }
    others = (films + 1 + rng.integers(0, len(said.films) - 1, len(films))) % len(said.films)
    return found | {RANDOM_PAIRS: estimate_mean(_similar(trained, said.maps[others, findings]), weights)}


def _similar(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([rank_correlation(one, other) for one, other in zip(first, second, strict=True)])


def shuffle_cascade(model: MedicalJanus, seed: int) -> Iterator[tuple[str, MedicalJanus]]:
    """Yield a copy of the model after each step of the cascade, from the finding queries to the embedding.

    The same copy is shuffled further at each step. Shuffling keeps the distribution of every tensor.
    """
    shuffled = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    vision = shuffled.janus.model.vision_model
    steps: list[tuple[str, nn.Module]] = [("finding queries", shuffled.attention)]
    layers = list(enumerate(vision.encoder.layers, start=1))
    steps += [(f"encoder layer {number}", layer) for number, layer in reversed(layers)]
    steps += [("patch embedding, all weights", vision)]
    for name, module in steps:
        shuffle_weights(module, generator)
        yield name, shuffled


@torch.no_grad()
def shuffle_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Permute the entries of every tensor of a module."""
    for parameter in module.parameters():
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
