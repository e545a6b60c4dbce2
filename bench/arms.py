"""Arms of an ablation: trained by one schedule, compared seed by seed on the same draws of persons."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from janus_med.evaluation.bootstrap import Estimate, macro
from janus_med.evaluation.tables import markdown_table
from janus_med.training.run import CLIP, STEPS_A_SEED, rate_at

STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""97.5 % quantiles of Student's t for that many seeds."""

FEW = 5
"""Films with and without a finding that a figure needs."""

DRAWS_SEED = 0
"""Of the draws of persons, the same for every arm."""

Estimates = Mapping[str, Estimate]
"""The figures of one arm and one seed, by name; all from the same draws of persons."""


def fit(
    parameters: Sequence[nn.Parameter], loss_of: Callable[[int], Tensor], steps: int, rate: float, seed: int
) -> list[float]:
    """Train as `janus_med.training.run` does, without checkpoints; return the loss of every step."""
    optimiser = torch.optim.AdamW(parameters, betas=(0.9, 0.95), weight_decay=0.02)
    losses = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, steps, rate)
        optimiser.zero_grad()
        torch.manual_seed(seed * STEPS_A_SEED + step)  # the same dropout in every arm
        loss = loss_of(step)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def is_enough(truth: np.ndarray) -> bool:
    """Whether (M,) labels of 0, 1, NaN hold `FEW` of either."""
    return bool(min((truth == 1).sum(), (truth == 0).sum()) >= FEW)


def count(parameters: Sequence[nn.Parameter]) -> int:
    return sum(one.numel() for one in parameters)


@dataclass(frozen=True)
class Difference:
    """One figure of two arms: both means over the seeds, the differences by seed, and two 95 % intervals.

    ``persons`` draws the persons of the test films anew and averages the seeds within each draw: what other
    films would change. ``seeds`` is Student's interval of the differences of the seeds: what another run
    would.
    """

    first: float
    second: float
    by_seed: tuple[float, ...]
    mean: float
    persons: tuple[float, float]
    seeds: tuple[float, float]


def compare(first: Sequence[Estimates], second: Sequence[Estimates]) -> dict[str, Difference]:
    """Compare two arms, a mapping of figures a seed each."""
    return {name: _compare([one[name] for one in first], [one[name] for one in second]) for name in first[0]}


def _compare(first: list[Estimate], second: list[Estimate]) -> Difference:
    differences = [one - other for one, other in zip(first, second, strict=True)]
    by_seed, all_seeds = tuple(one.value for one in differences), macro(differences)
    figure = all_seeds.figure
    persons = figure.low, figure.high
    return Difference(
        macro(first).value, macro(second).value, by_seed, all_seeds.value, persons, spread(by_seed)
    )


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean; NaN for one seed or more than the table knows."""
    if len(values) not in STUDENT:
        return float("nan"), float("nan")
    mean = float(np.mean(values))
    half = STUDENT[len(values)] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half


def comparison_table(first: str, second: str, rows: Mapping[str, Difference]) -> str:
    """One row a figure, differences in points (hundredths)."""
    by_seed = f"{first} - {second}, points, by seed"
    head = ("", first, second, by_seed, "mean", "95 % over persons", "95 % over seeds")
    return markdown_table(head, ([name, *_cells(row)] for name, row in rows.items()))


def _cells(row: Difference) -> list[str]:
    by_seed = ", ".join(map(_points, row.by_seed))
    intervals = (" to ".join(map(_points, ends)) for ends in (row.persons, row.seeds))
    return [f"{row.first:.3f}", f"{row.second:.3f}", by_seed, _points(row.mean), *intervals]


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def describe_run() -> dict[str, object]:
    """Commit, cores and load of this run."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "commit": commit,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
    }


def print_json(content: Mapping[str, object]) -> None:
    print(json.dumps(content, indent=2, default=vars))
