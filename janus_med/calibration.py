"""From logit to calibrated probability to a decision: Platt scaling and class-conditional split conformal
prediction.

Platt 1999; Vovk 2012 (Mondrian conformal predictors). A decision is made only when the other label can be
ruled out at the chosen error rate on the calibration images; otherwise it is deferred to the reader. A
deferred finding is raised as possible where it is likelier than on nearly all films without it: of a rare
finding even odds are hardly ever reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from janus_med.reading import Decision

ERROR_RATE = 0.1
"""Share of positives that may be called absent, and of negatives that may be called present."""

RAISE_RATE = 0.02
"""Share of calibration films without a finding on which it may be raised, where no other is given."""

EVEN = 0.5

FEWEST = 20
"""Fewer calibration images than this of either label: the finding is always deferred."""


class Calibration(nn.Module):
    """Per finding: slope and offset of the logit, and three thresholds on the probability.

    An unfitted calibration defers everything.
    """

    slope: Tensor
    offset: Tensor
    absent_below: Tensor
    present_above: Tensor
    raise_above: Tensor
    frontal_threshold: Tensor

    def __init__(self, findings: int) -> None:
        super().__init__()
        self.register_buffer("slope", torch.ones(findings))
        self.register_buffer("offset", torch.zeros(findings))
        self.register_buffer("absent_below", torch.full((findings,), -1.0))
        self.register_buffer("present_above", torch.full((findings,), 2.0))
        self.register_buffer("raise_above", torch.full((findings,), 2.0))
        self.register_buffer("frontal_threshold", torch.zeros(1))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return calibrated probabilities of (B, K) logits."""
        return torch.sigmoid(self.slope * logits + self.offset)

    def decide(self, probabilities: Tensor) -> list[Decision]:
        """Return one decision a finding for (K,) probabilities."""
        return [self._decide(index, float(value)) for index, value in enumerate(probabilities)]

    def raises(self, probabilities: Tensor) -> list[bool]:
        """Return for (K,) probabilities whether a finding that is deferred may be raised as possible."""
        raised: list[bool] = (probabilities >= self.raise_above.to(probabilities.device)).tolist()
        return raised

    def _decide(self, index: int, probability: float) -> Decision:
        below = probability <= float(self.absent_below[index])
        above = probability >= float(self.present_above[index])
        if below == above:  # both or neither label can be ruled out: a person decides
            return "defer"
        return "present" if above else "absent"

    def fit(
        self,
        logits: Tensor,
        labels: Tensor,
        prior: Tensor | None = None,
        raise_rates: Tensor | None = None,
    ) -> None:
        """Fit on held-out images.

        Parameters
        ----------
        logits
            (M, K) float32.
        labels
            (M, K) 0, 1 or NaN where the truth is not known.
        prior
            (K,) probability given to a finding that cannot be calibrated; 0.05 when None.
        raise_rates
            (K,) share of the images without a finding on which it may be raised; `RAISE_RATE` when None.
        """
        for index in range(logits.shape[1]):
            known = ~labels[:, index].isnan()
            scores, truth = logits[known, index], labels[known, index]
            if int(truth.sum()) < FEWEST or int((1 - truth).sum()) < FEWEST:
                self._defer_always(index, 0.05 if prior is None else float(prior[index]))
                continue
            self.slope[index], self.offset[index] = fit_platt(scores, truth)
            rate = RAISE_RATE if raise_rates is None else float(raise_rates[index])
            self._fit_thresholds(index, scores, truth, rate)

    def leave_to_reader(self, index: int) -> None:
        """Never state, deny or raise a finding, however probable."""
        self.absent_below[index], self.present_above[index], self.raise_above[index] = -1.0, 2.0, 2.0

    def _defer_always(self, index: int, prior: float) -> None:
        self.slope[index], self.offset[index] = 0.0, torch.logit(torch.tensor(prior))
        self.leave_to_reader(index)

    def _fit_thresholds(self, index: int, scores: Tensor, truth: Tensor, raise_rate: float) -> None:
        probability = torch.sigmoid(self.slope[index] * scores + self.offset[index])
        positives, negatives = probability[truth == 1], probability[truth == 0]
        # nothing less likely than not is stated, and nothing more likely than not is denied
        self.absent_below[index] = _lower_quantile(positives, ERROR_RATE).clamp(max=EVEN)
        self.present_above[index] = (-_lower_quantile(-negatives, ERROR_RATE)).clamp(min=EVEN)
        self.raise_above[index] = (-_lower_quantile(-negatives, raise_rate)).clamp(max=EVEN)


def _lower_quantile(values: Tensor, rate: float) -> Tensor:
    """Return the conformal lower quantile: at most ``rate`` of new values fall below it, in expectation."""
    rank = int(rate * (len(values) + 1))
    return values.sort().values[rank - 1] - 1e-6 if rank >= 1 else values.min() - 1.0


def fit_platt(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Fit slope (never negative) and offset by Newton-like optimisation with Platt's smoothed targets.

    Parameters
    ----------
    scores
        (M,) logits.
    truth
        (M,) 0 or 1.
    """
    positives, negatives = truth.sum(), (1 - truth).sum()
    targets = torch.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    scores = scores.detach().double()
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        slope = weights[0].exp()
        loss = nn.functional.binary_cross_entropy_with_logits(slope * scores + weights[1], targets.double())
        loss = loss + 1e-3 * weights[0].square()
        loss.backward()
        return loss

    optimiser.step(closure)
    slope, offset = weights.detach()
    return slope.exp().float(), offset.float()
