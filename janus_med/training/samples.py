"""What one training step sees: real films with their labels, films with inserted lesions, decoys, and
augmentation.

Everything is a function of the seed, the stage and the step, so a resumed run continues with the same
samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from janus_med.preprocessing import equalise_contrast
from janus_med.reading import FINDINGS
from janus_med.training.lesions import BRUSHES, insert_decoy, insert_lesion

if TYPE_CHECKING:
    from janus_med.training.attenuation import Brush
    from janus_med.training.data import Case, ImageStore, Part

UNSAID = tuple(FINDINGS.index(name) for name in ("Support Devices", "Fracture"))
"""Findings that the source does not label: a film without an inserted one counts as free of it."""

USUAL_LESIONS = (0, 1, 1, 1, 2, 3)
MANY_LESIONS = (0, 1, 2, 2, 3, 3, 4)
"""An encoder learns twice as much from a film with twice the lesions; calibration wants the usual number."""

COARSE_SIDE = 64
COARSE_SHARE = 0.3
"""Share of films that are shown as coarsely as those that are at hand in 64 x 64 pixels alone, so that
sharpness tells nothing of the labels.
"""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image.

    Attributes
    ----------
    grey
        (S, S) float32 in [0, 1], equalised.
    labels
        (14,) float32 of 0, 1, NaN.
    masks
        (14, g, g) float32 in [0, 1] on the patch grid, NaN for a finding whose place is not known.
    """

    grey: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True, eq=False)
class Batch:
    """Stacked samples: pixels (B, 3, S, S), labels (B, 14), masks (B, 14, g, g)."""

    pixels: Tensor
    labels: Tensor
    masks: Tensor


class Sampler:
    """Draws samples of one part of the data.

    Parameters
    ----------
    store
        The images.
    part
        Whose persons.
    grid
        Patches along one side.
    inserted_share
        How many samples carry inserted lesions.
    lesions
        How many kinds of lesions such a film gets, drawn with equal chance.
    """

    def __init__(
        self,
        store: ImageStore,
        part: Part,
        grid: int,
        inserted_share: float = 0.6,
        lesions: tuple[int, ...] = USUAL_LESIONS,
    ) -> None:
        self._store = store
        self._grid = grid
        self._share = inserted_share
        self._lesions = lesions
        labelled = store.indices(lambda case: case.part == part and case.labelled)
        self._normal = [index for index in labelled if store.cases[index].normal]
        self._by_finding = self._group(labelled)

    def _group(self, labelled: list[int]) -> dict[int, list[int]]:
        groups = {
            finding: [index for index in labelled if self._store.cases[index].labels[finding] == 1]
            for finding in range(1, len(FINDINGS))
        }
        return {finding: members for finding, members in groups.items() if members}

    def draw(self, rng: np.random.Generator, brush: Brush = "trained") -> Sample:
        """Draw one sample."""
        if not self._by_finding or rng.random() < self._share:
            return self.draw_inserted(rng, brush)
        return self._finish(self._draw_real(rng), rng)

    def draw_inserted(
        self, rng: np.random.Generator, brush: Brush = "trained", *, finding: str | None = None
    ) -> Sample:
        """Draw a film called normal, with lesions in it: one of ``finding``, or as many as is usual."""
        index = int(rng.choice(self._normal))
        chosen = (
            [finding]
            if finding
            else list(rng.choice(list(BRUSHES), size=int(rng.choice(self._lesions)), replace=False))
        )
        return self._finish((index, chosen), rng, brush)

    def _draw_real(self, rng: np.random.Generator) -> tuple[int, list[str]]:
        if rng.random() < 0.4:
            return int(rng.choice(self._normal)), []
        findings = list(self._by_finding)
        weights = np.array([len(self._by_finding[finding]) for finding in findings]) ** 0.5
        finding = int(rng.choice(findings, p=weights / weights.sum()))
        return int(rng.choice(self._by_finding[finding])), []

    def _finish(
        self, plan: tuple[int, list[str]], rng: np.random.Generator, brush: Brush = "trained"
    ) -> Sample:
        index, chosen = plan
        case = self._store.cases[index]
        grey, labels, masks = (
            self._store.grey(index),
            case.labels.copy(),
            _unknown_masks(case, self._store.size),
        )
        if rng.random() < 0.4:
            grey = insert_decoy(grey, self._store.lungs(index), rng)
        if case.normal:
            _deny_unsaid(labels, masks)
        for name in chosen:
            lesion = insert_lesion(name, grey, self._store.lungs(index), rng, brush)
            grey = lesion.grey
            _note(labels, masks, lesion.labels, lesion.mask)
        if case.coarse or rng.random() < COARSE_SHARE:
            grey = coarsen(grey, COARSE_SIDE if case.coarse else int(rng.integers(COARSE_SIDE, 160)))
        grey, masks = augment(grey, masks, rng)
        return Sample(grey, labels, to_grid(masks, self._grid))


def _unknown_masks(case: Case, size: int) -> np.ndarray:
    masks = np.zeros((len(FINDINGS), size, size), dtype=np.float32)
    masks[~(case.labels == 0)] = np.nan
    masks[0] = np.nan
    return masks


def _deny_unsaid(labels: np.ndarray, masks: np.ndarray) -> None:
    for finding in UNSAID:
        labels[finding] = 0.0
        masks[finding] = 0.0


def coarsen(grey: np.ndarray, side: int) -> np.ndarray:
    """Show an (S, S) film as if only ``side`` x ``side`` pixels of it were known."""
    film = torch.from_numpy(np.ascontiguousarray(grey, dtype=np.float32))[None, None]
    few = torch.nn.functional.interpolate(film, (side, side), mode="area")
    return np.asarray(torch.nn.functional.interpolate(few, grey.shape, mode="bilinear")[0, 0].numpy())


def _note(labels: np.ndarray, masks: np.ndarray, names: tuple[str, ...], mask: np.ndarray) -> None:
    for name in names:
        finding = FINDINGS.index(name)
        labels[finding] = 1.0
        masks[finding] = np.fmax(np.nan_to_num(masks[finding]), mask)
    if names != ("Support Devices",):
        labels[0] = 0.0
        if "Lung Opacity" in names:  # an infiltrate may be called pneumonia: neither claim would be right
            labels[FINDINGS.index("Pneumonia")] = np.nan
            masks[FINDINGS.index("Pneumonia")] = np.nan


def augment(grey: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Move, turn and scale a little, change contrast, noise and sharpness, then equalise as for any input.

    Polarity is never changed, and the film is never mirrored: both would teach what no film shows.
    """
    present = np.nonzero(np.nan_to_num(masks).any(axis=(1, 2)))[0]
    stack = torch.from_numpy(np.concatenate([grey[None], np.nan_to_num(masks[present])]))  # (1 + P, S, S)
    angle, scale = rng.uniform(-0.12, 0.12), rng.uniform(0.88, 1.12)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    matrix = torch.tensor([[cos, -sin, rng.uniform(-0.1, 0.1)], [sin, cos, rng.uniform(-0.1, 0.1)]]).float()
    grid = torch.nn.functional.affine_grid(matrix[None], [1, *stack.shape], align_corners=False)
    moved = torch.nn.functional.grid_sample(stack[None], grid, padding_mode="border", align_corners=False)[
        0
    ].numpy()
    changed = moved[0].clip(0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    changed = changed + rng.normal(0, rng.uniform(0, 0.03), changed.shape).astype(np.float32)
    masks = masks.copy()
    masks[present] = moved[1:]
    return equalise_contrast(changed), masks


def to_grid(masks: np.ndarray, grid: int) -> np.ndarray:
    """Average (K, S, S) masks over the patches: (K, g, g) float32; NaN stays NaN."""
    patch = masks.shape[1] // grid
    return np.asarray(masks.reshape(len(masks), grid, patch, grid, patch).mean(axis=(2, 4)), dtype=np.float32)


def to_pixels(grey: np.ndarray) -> Tensor:
    """Turn (..., S, S) grey in [0, 1] into the model's (..., 3, S, S) pixels in [-1, 1]."""
    values = torch.from_numpy(np.ascontiguousarray(grey, dtype=np.float32)) * 2 - 1
    return values.unsqueeze(-3).repeat_interleave(3, dim=-3)


def stack(samples: list[Sample]) -> Batch:
    """Stack samples into a batch."""
    return Batch(
        to_pixels(np.stack([sample.grey for sample in samples])),
        torch.from_numpy(np.stack([sample.labels for sample in samples])),
        torch.from_numpy(np.stack([sample.masks for sample in samples])),
    )


def generator(seed: int, stage: str, step: int) -> np.random.Generator:
    """Return the random numbers of one step of one stage."""
    return np.random.default_rng([seed, int.from_bytes(stage.encode()[:6], "big"), step])
