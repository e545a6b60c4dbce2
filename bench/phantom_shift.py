"""What an encoder loses on a scanner it has not seen: `python -m bench.phantom_shift [--preset tiny]`.

Trained on virtual patients of the first scanner, measured on new patients of the first, on the second (other
anatomy model, diverging beam, other noise, blur and tone, grid lines), and on the second with disease drawn
by the recipe that training never saw. Beside it: the same model before training, and one answer for everyone.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch

from janus_med.evaluation.metrics import auroc
from janus_med.model import MedicalJanus
from janus_med.presets import find_preset
from janus_med.reading import FINDINGS
from janus_med.training.assemble import new_model, new_tokenizer
from janus_med.training.lesions import BRUSHES
from janus_med.training.phantom_stage import draw_batch, learn_phantoms
from janus_med.training.recipe import StageRecipe
from janus_med.training.samples import Batch

UNSEEN = 5 * 10**8
COLUMNS = (("first", "trained"), ("second", "trained"), ("second", "unseen"))
FEWEST = 8


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="nano", choices=("nano", "tiny"))
    parser.add_argument("--films", type=int, default=2000, help="to train on")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--test", type=int, default=400, help="films of each column")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    preset = find_preset(options.preset)
    start = time.perf_counter()
    sets = [
        draw_batch(range(UNSEEN, UNSEEN + options.test), preset.image_size, preset.grid, scanner, brush)
        for scanner, brush in COLUMNS
    ]
    model = new_model(options.preset, options.seed, new_tokenizer(options.preset, options.seed)).eval()
    random = [measure(model, one) for one in sets]
    losses = learn_phantoms(model, StageRecipe(options.steps, 32, 3e-3), options.films, options.seed)
    trained = [measure(model, one) for one in sets]
    print_table(trained, random, [one.labels.numpy() for one in sets])
    print(
        f"{options.preset}, {options.films} films, {options.steps} steps of 32, loss {losses[0]:.2f} to "
        f"{np.mean(losses[-20:]):.2f}; {options.test} test films a column; "
        f"{time.perf_counter() - start:.0f} s; load {os.getloadavg()[0]:.1f}"
    )


@torch.no_grad()
def measure(model: MedicalJanus, batch: Batch) -> dict[str, float]:
    """AUROC of each inserted finding, over the films where it is known; NaN with too few positives."""
    logits = torch.cat([model.perceive(part).understanding.logits for part in batch.pixels.split(32)]).numpy()
    return {name: _area(logits, batch.labels.numpy(), FINDINGS.index(name)) for name in BRUSHES}


def _area(logits: np.ndarray, labels: np.ndarray, index: int) -> float:
    known = ~np.isnan(labels[:, index])
    if (labels[known, index] == 1).sum() < FEWEST:
        return float("nan")
    return auroc(logits[known, index], labels[known, index])


def print_table(
    trained: list[dict[str, float]], random: list[dict[str, float]], labels: list[np.ndarray]
) -> None:
    """Print one row a finding and their mean; one answer for everyone is 0.50 by definition."""
    heads = [f"{scanner}, {brush}" for scanner, brush in COLUMNS]
    print(f"{'AUROC':<28}{'films':>6}" + "".join(f"{head:>18}{'untrained':>11}" for head in heads))
    for name in BRUSHES:
        positives = int((labels[0][:, FINDINGS.index(name)] == 1).sum())
        cells = "".join(f"{t[name]:>18.2f}{r[name]:>11.2f}" for t, r in zip(trained, random, strict=True))
        print(f"{name:<28}{positives:>6}{cells}")
    means = [[np.nanmean(list(one.values())) for one in part] for part in (trained, random)]
    cells = "".join(f"{t:>18.2f}{r:>11.2f}" for t, r in zip(*means, strict=True))
    print(
        f"{'mean':<34}{cells}\n{'one answer for everyone':<34}" + f"{0.5:>18.2f}{0.5:>11.2f}" * len(COLUMNS)
    )


if __name__ == "__main__":
    main()
