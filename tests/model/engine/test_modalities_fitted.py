"""What is covered: a fitted plug-in changes the answer for the right reason on patients it has not seen, and
one that is fitted and asked without the reason (no lateral, no prior, one slice, no time) does not.

What is not: real studies. A nano encoder on virtual patients proves the wiring, not a clinical use. Each test
prints its figures (``pytest -s``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from janus_med.evaluation.metrics import auroc
from janus_med.modalities import default_registry
from janus_med.model import Perception
from janus_med.reading import CHANGES, FINDINGS
from janus_med.training.assemble import new_model
from janus_med.training.modality_stage import FitPlan, StudyPool, encode_studies, fit_modality
from janus_med.training.phantom_patient import FLUID, NODULES
from janus_med.training.phantom_series import draw_sequence, draw_volume
from janus_med.training.phantom_stage import learn_phantoms
from janus_med.training.phantom_studies import draw_pair, draw_views, hidden_nodule
from janus_med.training.phantom_tiles import draw_tiles
from janus_med.training.recipe import StageRecipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SIZE = 64
UNSEEN = 10**8
"""Seeds from here on are of patients that no fit has seen."""
LESION, EFFUSION = FINDINGS.index(NODULES), FINDINGS.index(FLUID)
CHANCE = 0.65
"""An ablated reader of 60 ill and 60 healthy may come this far by luck: about three standard errors."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """With another number of threads sums round otherwise, and a fit can end elsewhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def phantom_model(one_thread, nano_tokenizer):
    """A nano model whose encoder has learnt films of virtual patients; frozen."""
    model = new_model("nano", 0, nano_tokenizer)
    losses = learn_phantoms(model, StageRecipe(400, 32, 3e-3), films=1500)
    assert np.mean(losses[-20:]) < 0.75 * np.mean(losses[:5])
    return model


def _fit(model, name: str, pool: StudyPool, plan: FitPlan):
    """Fit a plug-in anew on a pool; return what reads a pool with it."""
    modality = default_registry().find(name)
    model.modalities.clear()
    record = fit_modality(model, modality, plan, pool)
    print(f"{name}: {len(pool.labels)} studies, {plan.steps} steps, {record.seconds:.1f} s without drawing")

    @torch.no_grad()
    def read(studies: StudyPool) -> Perception:
        return modality.fuse(model, studies.tokens)

    return read


def _area(ill: torch.Tensor, healthy: torch.Tensor) -> float:
    scores = torch.cat([ill, healthy]).numpy()
    return auroc(scores, np.repeat([1.0, 0.0], [len(ill), len(healthy)]))


def test_nodule_on_the_lateral_alone_changes_the_answer(phantom_model) -> None:
    model, plan = phantom_model, FitPlan(steps=350, batch=32, rate=8e-3)
    pool = encode_studies(model, [draw_views(seed, SIZE) for seed in range(512)])
    seeds = [UNSEEN + index for index in range(60)]
    ill = encode_studies(model, [draw_views(s, SIZE, hidden_nodule(np.random.default_rng(s))) for s in seeds])
    healthy = encode_studies(model, [draw_views(s, SIZE, healthy=True) for s in seeds])

    def without_lateral(studies: StudyPool) -> StudyPool:
        return replace(studies, tokens=studies.tokens[:, [0, 0]])

    blind = _fit(model, "multiview", without_lateral(pool), plan)
    baseline = _area(*(blind(without_lateral(one)).understanding.logits[:, LESION] for one in (ill, healthy)))
    read = _fit(model, "multiview", pool, plan)
    seen, clear = read(ill), read(healthy)
    logits, cleared = (one.understanding.logits[:, LESION] for one in (seen, clear))
    figure, up = _area(logits, cleared), (logits > cleared).float().mean().item()
    share = seen.shares[:, LESION, 1].mean().item()
    print(f"AUROC {figure:.2f}, frontal twice {baseline:.2f}; up with the nodule {up:.2f}; share {share:.2f}")
    assert figure > 0.85
    assert baseline < CHANCE
    assert up > 0.85
    assert share > 0.8


def test_nodule_of_a_volume_is_found_and_its_slice_named(phantom_model) -> None:
    model, plan = phantom_model, FitPlan(steps=200, batch=24)
    pool = encode_studies(model, [draw_volume(seed, SIZE) for seed in range(384)])
    at = torch.tensor([2 + index % 9 for index in range(60)])
    ill, healthy = (
        encode_studies(
            model, [draw_volume(UNSEEN + i, SIZE, at=int(at[i]), healthy=state) for i in range(60)]
        )
        for state in (False, True)
    )

    def first_slice(studies: StudyPool) -> StudyPool:
        return replace(studies, tokens=studies.tokens[:, :1].expand_as(studies.tokens).contiguous())

    blind = _fit(model, "volume", first_slice(pool), plan)
    baseline = _area(*(blind(first_slice(one)).understanding.logits[:, LESION] for one in (ill, healthy)))
    read = _fit(model, "volume", pool, plan)
    seen, clear = read(ill), read(healthy)
    logits, cleared = (one.understanding.logits[:, LESION] for one in (seen, clear))
    figure, up = _area(logits, cleared), (logits > cleared).float().mean().item()
    near = ((seen.shares[:, LESION].argmax(-1) - at).abs() <= 1).float().mean().item()
    luck = 3 / 12
    print(
        f"AUROC {figure:.2f}, first slice {baseline:.2f}; up {up:.2f}; slice +-1 {near:.2f}, luck {luck:.2f}"
    )
    assert figure > 0.85
    assert baseline < CHANCE
    assert up > 0.9
    assert near > 0.8


def test_effusion_is_new_worse_stable_or_better_beside_the_earlier_film(phantom_model) -> None:
    model, plan = phantom_model, FitPlan(steps=600, batch=32, rate=6e-3)
    pool = encode_studies(model, [draw_pair(seed, SIZE, FLUID) for seed in range(720)])
    test = {
        course: encode_studies(model, [draw_pair(UNSEEN + i, SIZE, FLUID, course) for i in range(30)])
        for course in CHANGES
    }
    swapped = encode_studies(
        model, [draw_pair(UNSEEN + i, SIZE, FLUID, "worse", swapped=True) for i in range(30)]
    )
    absent = encode_studies(model, [draw_pair(UNSEEN + i, SIZE, FLUID, "never") for i in range(30)])

    def current_only(studies: StudyPool) -> StudyPool:
        return replace(studies, tokens=studies.tokens[:, [0, 0]])

    def verdicts(read, studies: StudyPool) -> torch.Tensor:
        return read(studies).change[:, EFFUSION].argmax(-1)

    def right(read, change) -> dict[str, float]:
        return {
            name: (verdicts(read, change(studies)) == 1 + CHANGES.index(name)).float().mean().item()
            for name, studies in test.items()
        }

    blind = _fit(model, "prior", current_only(pool), plan)
    baseline = right(blind, current_only)
    read = _fit(model, "prior", pool, plan)
    figure = right(read, lambda studies: studies)
    back = (verdicts(read, swapped) == 1 + CHANGES.index("better")).float().mean().item()
    none = (verdicts(read, absent) == 0).float().mean().item()
    print(f"right {figure}, current film twice {baseline}; swapped better {back:.2f}, never none {none:.2f}")
    assert min(figure.values()) > 0.5
    assert np.mean(list(figure.values())) > 0.7
    assert np.mean(list(baseline.values())) < 0.4
    assert back > 0.7
    assert none > 0.7


def test_motion_is_seen_over_time_and_gone_without_order_or_time(phantom_model) -> None:
    model, plan = phantom_model, FitPlan(steps=700, batch=32)
    pool = encode_studies(model, [draw_sequence(seed, SIZE) for seed in range(1024)])
    test = [draw_sequence(UNSEEN + seed, SIZE) for seed in range(120)]

    def shuffled(studies: StudyPool) -> StudyPool:
        order = torch.rand(studies.tokens.shape[:2], generator=torch.Generator().manual_seed(0)).argsort(1)
        return replace(
            studies, tokens=torch.stack([t[o] for t, o in zip(studies.tokens, order, strict=True)])
        )

    def areas(perception: Perception, studies: StudyPool) -> list[float]:
        return [auroc(perception.motion[:, j].numpy(), studies.motion[:, j].numpy()) for j in (0, 1)]

    seen = encode_studies(model, test)
    still = encode_studies(
        model, [replace(one, images=one.images.mean(0, keepdims=True).repeat(8, 0)) for one in test]
    )
    blind = _fit(model, "cine", shuffled(pool), plan)
    without_order = areas(blind(shuffled(seen)), seen)
    read = _fit(model, "cine", pool, plan)
    figures, without_time = areas(read(seen), seen), areas(read(still), still)
    print(f"AUROC paralysis, migration: {figures}; order shuffled {without_order}; mean frame {without_time}")
    assert min(figures) > 0.85
    assert without_order[1] < CHANCE
    assert max(without_time) < CHANCE


def test_nodule_too_small_for_the_film_is_found_in_its_quarter(phantom_model) -> None:
    model, plan = phantom_model, FitPlan(steps=800, batch=32, rate=8e-3)
    pool = encode_studies(model, [draw_tiles(seed, SIZE) for seed in range(640)])
    seeds = [UNSEEN + index for index in range(60)]
    ill, healthy = (
        encode_studies(model, [draw_tiles(seed, SIZE, healthy=state) for seed in seeds])
        for state in (False, True)
    )

    def film_alone(studies: StudyPool) -> StudyPool:
        return replace(studies, tokens=studies.tokens[:, [0] * 5])

    blind = _fit(model, "tiled", film_alone(pool), plan)
    baseline = _area(*(blind(film_alone(one)).understanding.logits[:, LESION] for one in (ill, healthy)))
    read = _fit(model, "tiled", pool, plan)
    seen, clear = read(ill), read(healthy)
    figure = _area(*(one.understanding.logits[:, LESION] for one in (seen, clear)))
    shows = ill.masks[:, LESION, 1:].amax(-1)  # (60, 4)
    chosen = seen.shares[:, LESION, 1:].argmax(-1, keepdim=True)
    inside = (shows.gather(1, chosen) > 0).float().mean().item()
    luck = (shows > 0).float().mean().item()
    print(f"AUROC {figure:.2f}, film five times {baseline:.2f}; right quarter {inside:.2f}, luck {luck:.2f}")
    assert figure > 0.7
    assert baseline < CHANCE
    assert inside > luck + 0.15
