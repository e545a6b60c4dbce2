"""Stage 3: round the weights to what is stored, then calibrate on persons that no other stage has seen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.calibration import RAISE_RATE
from janus_med.reading import FINDINGS
from janus_med.training.samples import to_pixels
from janus_med.training.weigh_evidence import judge_films

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from janus_med.model import MedicalJanus
    from janus_med.training.data import Case
    from janus_med.training.stages import Bench

FALSE_REFUSALS = 0.02
"""Share of calibration chest films that the frontal check may refuse."""

RAISE_RATES = {"Lung Lesion": 0.05, "Pneumothorax": 0.05}
"""Share of films without it on which a finding may be raised, where a miss harms more than a glance costs."""


@torch.no_grad()
def round_weights(model: MedicalJanus) -> None:
    """Round every weight to float16, so that what is measured is what a reader of the file gets."""
    for tensor in [*model.janus.state_dict().values(), *model.adapter_state().values()]:
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().to(tensor.dtype))


@torch.no_grad()
def calibrate(bench: Bench) -> None:
    """Fit probabilities, decisions and the frontal threshold; the weights must already be rounded."""
    model = bench.model
    films = judge_films(bench, "calibration", bench.recipe.calibration_samples)
    rates = torch.tensor([RAISE_RATES.get(name, RAISE_RATE) for name in FINDINGS])
    with torch.enable_grad():
        model.calibration.fit(films.logits, films.labels, torch.tensor(PRIORS), rates)
    for name in confounded_findings(bench.store.cases):
        model.calibration.leave_to_reader(FINDINGS.index(name))
    model.calibration.frontal_threshold[0] = _frontal_threshold(bench)


def confounded_findings(cases: Sequence[Case]) -> tuple[str, ...]:
    """Return the findings that are known from collections of one label each.

    Whoever tells the collections apart, by their brightness say, tells such a finding "right" on the films at
    hand; nothing here can say what its probability is worth on a film from elsewhere. Findings without any
    labelled film are not among them: inserted ones are known with and without on the same films.
    """
    labelled = [case for case in cases if case.labelled]
    found = []
    for index, name in enumerate(FINDINGS):
        counts = Counter((case.source, case.subset, float(case.labels[index])) for case in labelled)
        present = {key[:2] for key in counts if key[2] == 1}
        both = any(min(counts[*key, 0.0], counts[*key, 1.0]) >= FEWEST_OF_BOTH for key in present)
        if sum(counts[*key, 1.0] for key in present) >= FEWEST_OF_BOTH and not both:
            found.append(name)
    return tuple(found)


FEWEST_OF_BOTH = 5
"""Films with and films without a finding that make a collection tell one from the other."""

PRIORS = (0.5, 0.05, 0.05, 0.3, 0.05, 0.05, 0.05, 0.1, 0.1, 0.02, 0.1, 0.03, 0.02, 0.1)
"""Probability of a finding that too few calibration films show, by frequency in ChestX-ray14 as far as it has
it.
"""


def _frontal_threshold(bench: Bench) -> Tensor:
    indices = bench.store.indices(
        lambda case: case.part == "calibration" and case.source != "kermany_paediatric"
    )
    scores = frontal_scores(bench, indices)
    return torch.quantile(scores, FALSE_REFUSALS)


@torch.no_grad()
def frontal_scores(bench: Bench, indices: list[int]) -> Tensor:
    """Return the frontal logits (M,) of stored films."""
    scores = []
    for start in range(0, len(indices), 32):
        grey = np.stack([bench.store.grey(index) for index in indices[start : start + 32]])
        scores.append(bench.model.perceive(to_pixels(grey)).understanding.frontal)
    return torch.cat(scores)
