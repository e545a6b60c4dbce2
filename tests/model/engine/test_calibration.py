"""What is covered: probabilities and decisions of the calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from janus_med.calibration import ERROR_RATE, RAISE_RATE, Calibration, fit_platt
from janus_med.reading import FINDINGS
from janus_med.training.calibrate import confounded_findings
from janus_med.training.data import Case
from janus_med.training.weigh_evidence import FACTORS, best_factor


def _scored(separation: float, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(count, 1, generator=generator) < 0.3).float()
    return torch.randn(count, 1, generator=generator) + separation * labels, labels


def test_unfitted_calibration_defers_everything() -> None:
    assert Calibration(3).decide(torch.tensor([0.0, 0.5, 1.0])) == ["defer"] * 3


def test_platt_probabilities_match_frequencies() -> None:
    scores, labels = _scored(2.0, 20_000, 0)
    slope, offset = fit_platt(scores[:, 0], labels[:, 0])
    probabilities = torch.sigmoid(slope * scores[:, 0] + offset)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        chosen = (probabilities >= low) & (probabilities < low + 0.2)
        assert abs(float(probabilities[chosen].mean() - labels[chosen, 0].mean())) < 0.04


def test_error_rates_hold_on_new_images() -> None:
    calibration = Calibration(1)
    calibration.fit(*_scored(2.0, 4000, 1))
    scores, labels = _scored(2.0, 4000, 2)
    decisions = [calibration.decide(probability)[0] for probability in calibration.probabilities(scores)]
    missed = [d == "absent" for d, label in zip(decisions, labels[:, 0], strict=True) if label == 1]
    invented = [d == "present" for d, label in zip(decisions, labels[:, 0], strict=True) if label == 0]
    assert sum(missed) / len(missed) < ERROR_RATE + 0.03
    assert sum(invented) / len(invented) < ERROR_RATE + 0.03


def test_a_rare_finding_that_stands_out_is_raised_though_even_odds_are_never_reached() -> None:
    generator = torch.Generator().manual_seed(7)
    labels = (torch.rand(8000, 1, generator=generator) < 0.03).float()
    scores = 1.5 * labels + torch.randn(8000, 1, generator=generator)
    calibration = Calibration(1)
    calibration.fit(scores[:4000], labels[:4000])
    probabilities = calibration.probabilities(scores[4000:])
    raised = torch.tensor([calibration.raises(row)[0] for row in probabilities])
    unlikely = probabilities[:, 0] < 0.5
    shown = labels[4000:, 0] == 1
    assert float(raised[~shown].float().mean()) < RAISE_RATE + 0.01
    assert float(raised[shown].float().mean()) > 0.2
    assert bool((raised & unlikely).any())
    assert bool(raised[~unlikely].all())


def test_what_is_not_calibrated_is_never_raised() -> None:
    calibration = Calibration(2)
    assert calibration.raises(torch.tensor([0.9, 1.0])) == [False, False]
    calibration.fit(torch.empty(0, 2), torch.empty(0, 2))
    assert calibration.raises(torch.tensor([0.9, 1.0])) == [False, False]


def test_useless_scores_are_mostly_deferred() -> None:
    calibration = Calibration(1)
    calibration.fit(*_scored(0.0, 4000, 3))
    decisions = [calibration.decide(p)[0] for p in calibration.probabilities(_scored(0.0, 1000, 4)[0])]
    assert decisions.count("defer") > 700


def test_finding_with_too_few_films_keeps_its_prior_and_is_deferred() -> None:
    calibration = Calibration(1)
    scores, labels = _scored(5.0, 40, 5)
    calibration.fit(scores, torch.where(labels == 1, torch.nan, labels), prior=torch.tensor([0.07]))
    probabilities = calibration.probabilities(torch.tensor([[9.0]]))
    assert abs(float(probabilities[0, 0]) - 0.07) < 1e-5
    assert calibration.decide(probabilities[0]) == ["defer"]


def test_a_reversed_score_is_never_trusted() -> None:
    scores, labels = _scored(2.0, 2000, 6)
    slope, _ = fit_platt(-scores[:, 0], labels[:, 0])
    assert float(slope) >= 0


def _case(subset: str, **labels: float) -> Case:
    values = np.zeros(14, dtype=np.float32)
    for name, value in labels.items():
        values[FINDINGS.index(name)] = value
    return Case(Path(), "made", subset, f"{subset}-{labels}", "train", values)


def test_a_finding_that_tells_the_collections_apart_is_confounded() -> None:
    cases = [_case("sick", Pneumonia=1.0, Edema=float(number % 2)) for number in range(12)]
    cases += [_case("well") for _ in range(12)]
    assert confounded_findings(cases) == ("Pneumonia",)
    assert confounded_findings([*cases, *(_case("sick") for _ in range(5))]) == ()
    assert confounded_findings([*cases, *(_case("well", Pneumonia=1.0) for _ in range(4))]) == ("Pneumonia",)


def test_a_finding_that_is_left_to_the_reader_is_not_judged_however_probable() -> None:
    calibration = Calibration(1)
    calibration.fit(*_scored(2.0, 4000, 1))
    assert [calibration.decide(torch.tensor([p]))[0] for p in (0.01, 0.99)] == ["absent", "present"]
    calibration.leave_to_reader(0)
    assert [calibration.decide(torch.tensor([p]))[0] for p in (0.01, 0.99)] == ["defer", "defer"]
    assert calibration.raises(torch.tensor([0.99])) == [False]


def test_a_finding_that_must_not_be_missed_is_raised_on_more_films_without_it() -> None:
    scores, labels = _scored(0.3, 8000, 8)
    calibration = Calibration(2)
    calibration.fit(scores.expand(-1, 2), labels.expand(-1, 2), raise_rates=torch.tensor([0.02, 0.05]))
    probabilities = calibration.probabilities(scores.expand(-1, 2))[labels[:, 0] == 0]
    shares = (probabilities >= calibration.raise_above).float().mean(dim=0)
    assert torch.allclose(shares, torch.tensor([0.02, 0.05]), atol=0.002)


def _told_by_both(gain: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, evidence that says ``gain`` more than they do, and labels."""
    generator = torch.Generator().manual_seed(9)
    labels = (torch.rand(2000, generator=generator) < 0.3).float()
    logits = labels + torch.randn(2000, generator=generator)
    evidence = gain * labels + 0.5 * torch.randn(2000, generator=generator)
    return logits, evidence, labels


def test_evidence_counts_for_more_where_it_orders_films_better() -> None:
    assert best_factor(*_told_by_both(2.0)) == FACTORS[-1]
    assert best_factor(*_told_by_both(0.0)) == 0.0


def test_evidence_is_left_alone_where_too_few_films_tell() -> None:
    logits, evidence, labels = _told_by_both(2.0)
    rare = torch.where(labels.cumsum(0) > 19, torch.nan, labels)
    assert best_factor(logits, evidence, rare) == 0.0
