"""Lung fields from a small network that learnt them from human masks: anatomy for inserted lesions.

The masks are those of the data folder (column ``lung_mask``); only films that may be learnt from, and no
person of the validation split. The network is no part of a model folder: training alone needs it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import (
    affine_grid,
    binary_cross_entropy_with_logits,
    grid_sample,
    interpolate,
)

from janus_med.preprocessing import preprocess_grey
from janus_med.training.anatomy import LungFields, find_lungs, split_lungs

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 128
STEPS = 500
BATCH = 12
RATE = 3e-3
FEWEST_MASKS = 8


@dataclass(frozen=True, eq=False)
class LungSegmenter:
    """A fitted network; ``net`` maps (B, 1, 128, 128) in [-1, 1] to logits of the same shape."""

    net: nn.Module

    @torch.no_grad()
    def find(self, grey: np.ndarray) -> LungFields:
        """Return the lung fields of an (S, S) float32 film in [0, 1]; by rule where the network finds no two
        lungs.
        """
        film = torch.from_numpy(np.ascontiguousarray(grey))[None, None]
        logits = self.net(interpolate(film, (SIDE, SIDE), mode="area") * 2 - 1)
        shown = interpolate(logits.sigmoid(), grey.shape, mode="bilinear")[0, 0].numpy()
        return split_lungs(shown > 0.5) or find_lungs(grey)


def open_segmenter(data: Path, cache: Path) -> LungSegmenter | None:
    """Fit the segmenter of a data folder, or read it from the cache; None when it has too few masks.

    Parameters
    ----------
    data
        Folder with ``manifest.csv``.
    cache
        Where ``lungs.safetensors`` is kept.
    """
    from safetensors.torch import load_file, save_file

    file = cache / "lungs.safetensors"
    if file.exists():
        net = _build()
        net.load_state_dict(load_file(file))
        return LungSegmenter(net.eval())
    pairs = read_masks(data)
    if len(pairs) < FEWEST_MASKS:
        return None
    segmenter = fit_segmenter(pairs)
    cache.mkdir(parents=True, exist_ok=True)
    save_file(segmenter.net.state_dict(), file)
    return segmenter


def read_masks(data: Path) -> list[tuple[Tensor, Tensor]]:
    """Return films and masks, (128, 128) float32 in [0, 1] each, of the training persons that have both."""
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("lung_mask")]
    allowed = [row for row in rows if row["use"] == "ok" and row["split"] == "train"]
    return [(_film(data / row["image"]), _mask(data / row["lung_mask"])) for row in allowed]


def _film(path: Path) -> Tensor:
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L"), dtype=np.float32)
    return preprocess_grey(grey, SIDE)[0, 0] * 0.5 + 0.5


def _mask(path: Path) -> Tensor:
    with Image.open(path) as image:
        mask = torch.from_numpy((np.asarray(image.convert("L")) > 0).astype(np.float32))
    rows, columns = (round(length * SIDE / max(mask.shape)) for length in mask.shape)
    top, left = (SIDE - rows) // 2, (SIDE - columns) // 2
    placed = torch.zeros(SIDE, SIDE)
    placed[top : top + rows, left : left + columns] = interpolate(
        mask[None, None], (rows, columns), mode="area"
    )[0, 0]
    return placed


def _build() -> nn.Module:
    from monai.networks.nets.unet import UNet

    return UNet(2, 1, 1, (16, 32, 64, 96, 96), (2, 2, 2, 2), num_res_units=1)


def fit_segmenter(pairs: list[tuple[Tensor, Tensor]], seed: int = 0, steps: int = STEPS) -> LungSegmenter:
    """Fit the network with Dice and cross-entropy on strongly deformed copies of the pairs."""
    films, masks = (torch.stack(part)[:, None] for part in zip(*pairs, strict=True))  # (M, 1, 128, 128)
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = _build()
    optimiser = torch.optim.AdamW(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(films), (BATCH,), generator=random)
        film, mask = _deform(films[chosen], masks[chosen], random)
        optimiser.zero_grad()
        _loss(net(film * 2 - 1), mask).backward()
        optimiser.step()
        schedule.step()
    return LungSegmenter(net.eval())


def _loss(logits: Tensor, mask: Tensor) -> Tensor:
    shown, axes = logits.sigmoid(), (1, 2, 3)
    shared = (2 * (shown * mask).sum(axes) + 1) / ((shown + mask).sum(axes) + 1)
    return (1 - shared).mean() + binary_cross_entropy_with_logits(logits, mask)


def _deform(film: Tensor, mask: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn, scale, mirror, bend, shade, darken beside the lungs: what few films do not show by themselves."""
    count = len(film)
    grid = affine_grid(_moves(count, random), list(film.shape), align_corners=False)
    bend = interpolate(torch.randn(count, 2, 5, 5, generator=random) * 0.04, (SIDE, SIDE), mode="bicubic")
    grid = grid + bend.permute(0, 2, 3, 1)
    film, mask = (grid_sample(part, grid, align_corners=False) for part in (film, mask))
    film = film.clamp(0, 1) ** (0.4 * torch.randn(count, 1, 1, 1, generator=random)).exp()
    shade = interpolate(torch.randn(count, 1, 4, 4, generator=random) * 0.12, (SIDE, SIDE), mode="bicubic")
    film = film + shade + 0.03 * torch.randn(film.shape, generator=random)
    return _darken_outside(film, mask, random).clamp(0, 1), mask


def _moves(count: int, random: torch.Generator) -> Tensor:
    """(B, 2, 3) random similarity moves, half of them mirrored."""

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=random)

    angle, across, down = draw(-0.25, 0.25), draw(0.75, 1.3), draw(0.75, 1.3)
    mirror = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    first = torch.stack([angle.cos() * mirror * across, -angle.sin() * down, draw(-0.2, 0.2)], dim=1)
    second = torch.stack([angle.sin() * across, angle.cos() * down, draw(-0.2, 0.2)], dim=1)
    return torch.stack([first, second], dim=1)


def _darken_outside(film: Tensor, mask: Tensor, random: torch.Generator) -> Tensor:
    """Paint air beside the body and gas below the lungs into half of the films: dark, and no lung."""
    columns = torch.linspace(0, 1, SIDE)
    for index in range(len(film)):
        draw = torch.rand(6, generator=random)
        if draw[0] < 0.5:
            width, level = 0.05 + 0.2 * draw[1], 0.15 * draw[2]
            side = columns < width if draw[3] < 0.5 else columns > 1 - width
            rows = torch.linspace(0, 1, SIDE) > 0.7 * draw[4]
            air = side[None, :] & rows[:, None] & (mask[index, 0] < 0.01)
            film[index, 0] = torch.where(air, level, film[index, 0])
    return film
