"""Fit one modality plug-in on studies of virtual patients, everything else frozen and proved so by hash."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from janus_med.adapters.generation import base_tensors
from janus_med.encoders import digest_tensors
from janus_med.errors import Fatal
from janus_med.modalities.reading_images import pick_images
from janus_med.modalities.registry import PREFIX
from janus_med.training.losses import classification_loss, evidence_loss, pointing_loss
from janus_med.training.phantom_series import draw_sequence, draw_volume
from janus_med.training.phantom_studies import draw_pair, draw_views
from janus_med.training.phantom_tiles import draw_tiles
from janus_med.training.run import CLIP, rate_at
from janus_med.training.samples import generator, to_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from janus_med.modalities.registry import LearnedModality
    from janus_med.model import MedicalJanus, Perception
    from janus_med.training.phantom_studies import PhantomStudy

DRAWERS: dict[str, Callable[[int, int], PhantomStudy]] = {
    "multiview": draw_views,
    "prior": draw_pair,
    "volume": draw_volume,
    "cine": draw_sequence,
    "tiled": draw_tiles,
}
"""Which studies a plug-in of this package learns from: seed and size to a study."""

GATE_RATE = 10.0
"""A gate learns so many times faster: until it opens, nothing behind it learns."""


@dataclass(frozen=True)
class FitPlan:
    """How long and on how much a plug-in is fitted."""

    studies: int = 768
    steps: int = 400
    batch: int = 48
    rate: float = 4e-3
    seed: int = 0


@dataclass(frozen=True, eq=False)
class StudyPool:
    """Studies encoded once: tokens (P, M, N, D), labels (P, K), masks (P, K, M, N) in [0, 1], change (P, K)
    int64, motion (P, J).
    """

    tokens: Tensor
    labels: Tensor
    masks: Tensor
    change: Tensor
    motion: Tensor

    def pick(self, index: Tensor) -> StudyPool:
        """Return the studies at (B,) positions."""
        return StudyPool(
            self.tokens[index], self.labels[index], self.masks[index], self.change[index], self.motion[index]
        )


@dataclass(frozen=True)
class FitRecord:
    """What a fit did: the loss of each step, wall-clock seconds, and the digest of all that stayed frozen."""

    losses: tuple[float, ...]
    seconds: float
    frozen_sha256: str


def encode_studies(model: MedicalJanus, studies: Iterable[PhantomStudy]) -> StudyPool:
    """Encode studies with an equal number of images by the frozen encoder."""
    rows = [_encode(model, study) for study in studies]
    return StudyPool(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _encode(model: MedicalJanus, study: PhantomStudy) -> tuple[Tensor, ...]:
    findings, images, size, _ = study.masks.shape
    grid = model.preset.grid
    patches = study.masks.reshape(findings, images, grid, size // grid, grid, size // grid)
    return (
        model.encoder.encode(to_pixels(study.images)),
        torch.from_numpy(study.labels),
        torch.from_numpy(patches.mean(axis=(3, 5), dtype=np.float32)).flatten(2),
        torch.from_numpy(study.change),
        torch.from_numpy(study.motion),
    )


def study_loss(model: MedicalJanus, perception: Perception, pool: StudyPool) -> Tensor:
    """Sum of what a plug-in's answer can be judged by; its outputs say which parts apply.

    Parameters
    ----------
    model
        Its calibration stands between logits and probabilities, so it is the probabilities that are fitted.
    perception
        Of B studies.
    pool
        The truth of the same studies.
    """
    loss = torch.zeros(())
    if perception.shares is not None:
        shows = pool.masks.amax(dim=-1)  # (B, K, M)
        calibrated = model.calibration.slope * perception.understanding.logits + model.calibration.offset
        key_masks = pick_images(pool.masks, perception.shares)
        loss = loss + classification_loss(calibrated, pool.labels)
        loss = loss + 0.3 * pointing_loss(perception.shares, shows)
        loss = loss + evidence_loss(perception.cross.evidence, key_masks)
        loss = loss + 0.1 * pointing_loss(perception.cross.attention, key_masks)
    if perception.change is not None:
        loss = loss + _change_loss(perception.change, pool.change)
    if perception.motion is not None:
        loss = loss + binary_cross_entropy_with_logits(perception.motion, pool.motion)
    return loss


def _change_loss(change: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy; the many findings that are in neither film weigh as much together as the others do."""
    losses = cross_entropy(change.flatten(0, 1), truth.flatten(), reduction="none")
    weights = torch.where(truth.flatten() > 0, 1.0, (truth > 0).float().mean().clamp(min=0.05))
    return (losses * weights).sum() / weights.sum()


def fit_modality(
    model: MedicalJanus,
    modality: LearnedModality,
    plan: FitPlan | None = None,
    pool: StudyPool | None = None,
) -> FitRecord:
    """Give a model the plug-in's parameters and fit them.

    Parameters
    ----------
    model
        Frozen altogether, and again afterwards.
    modality
        The plug-in.
    plan
        How long; the default fits a ``nano`` in seconds.
    pool
        What to learn from; None draws ``plan.studies`` virtual patients, for the plug-ins of this package.

    Raises
    ------
    ValueError
        If no pool is given for a plug-in that has no studies in `DRAWERS`.
    Fatal
        If a tensor of anything else changed.
    """
    chosen, start = plan or FitPlan(), time.perf_counter()
    model.requires_grad_(False).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(chosen.seed)
        adapter = model.add_modality(modality)
    before = _digest_others(model, modality.name)
    learnt = draw_pool(model, modality.name, chosen) if pool is None else pool
    adapter.requires_grad_(True)
    losses = _descend(model, modality, chosen, learnt)
    adapter.requires_grad_(False)
    if _digest_others(model, modality.name) != before:
        raise Fatal(f"a frozen weight changed while modality {modality.name!r} was fitted")
    return FitRecord(tuple(losses), time.perf_counter() - start, before)


def draw_pool(model: MedicalJanus, name: str, plan: FitPlan) -> StudyPool:
    """Draw and encode the studies of one plug-in; ValueError when it has none in `DRAWERS`."""
    if name not in DRAWERS:
        raise ValueError(f"no virtual patients for modality {name!r}: hand fit_modality a pool")
    first, size = plan.seed * 10**6, model.preset.image_size
    return encode_studies(model, (DRAWERS[name](first + index, size) for index in range(plan.studies)))


def _descend(model: MedicalJanus, modality: LearnedModality, plan: FitPlan, pool: StudyPool) -> list[float]:
    named = dict(model.modalities[modality.name].named_parameters())
    gates = [parameter for name, parameter in named.items() if name == "gate"]
    others = [parameter for name, parameter in named.items() if name != "gate"]
    groups = [{"params": others, "times": 1.0}, {"params": gates, "times": GATE_RATE, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.95))
    losses = []
    for step in range(plan.steps):
        index = generator(plan.seed, modality.name, step).integers(0, len(pool.labels), plan.batch)
        batch = pool.pick(torch.from_numpy(index))
        for group in optimiser.param_groups:
            group["lr"] = group["times"] * rate_at(step, plan.steps, plan.rate)
        optimiser.zero_grad()
        loss = study_loss(model, modality.fuse(model, batch.tokens), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*others, *gates], CLIP)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def _digest_others(model: MedicalJanus, name: str) -> str:
    adapters = {
        f"adapter.{key}": value
        for key, value in model.adapter_state().items()
        if not key.startswith(f"{PREFIX}{name}.")
    }
    return digest_tensors(base_tensors(model.janus) | adapters)
