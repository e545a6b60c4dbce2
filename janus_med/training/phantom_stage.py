"""An encoder from random weights learns films of virtual patients: for tests, benchmarks and demonstrations,
where no real film may or need be at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.encoders import encode_with_gradient
from janus_med.training.losses import perception_loss
from janus_med.training.phantom import draw_film
from janus_med.training.run import CLIP, rate_at
from janus_med.training.samples import Batch, generator, to_grid, to_pixels
from janus_med.training.warm_up import start_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from janus_med.model import MedicalJanus
    from janus_med.training.attenuation import Brush
    from janus_med.training.phantom import Scanner
    from janus_med.training.recipe import StageRecipe


def draw_batch(
    seeds: Iterable[int], size: int, grid: int, scanner: Scanner = "first", brush: Brush = "trained"
) -> Batch:
    """Draw a film for each seed; masks on the (grid, grid) patches."""
    films = [draw_film(seed, size, scanner, brush) for seed in seeds]
    return Batch(
        to_pixels(np.stack([film.grey for film in films])),
        torch.from_numpy(np.stack([film.labels for film in films])),
        torch.from_numpy(np.stack([to_grid(film.masks, grid) for film in films])),
    )


def learn_phantoms(model: MedicalJanus, recipe: StageRecipe, films: int, seed: int = 0) -> list[float]:
    """Train encoder, cross-modal attention and understanding adapter on films of the first scanner.

    Parameters
    ----------
    model
        With random weights; changed in place, frozen afterwards.
    recipe
        Steps, films a step, peak rate.
    films
        How many are drawn; their seeds are ``seed * 10**6 + 0 ...``.
    seed
        Decides films and order.

    Returns
    -------
    list of float
        The loss of each step.
    """
    preset, vision = model.preset, model.janus.model.vision_model
    pool = draw_batch(range(seed * 10**6, seed * 10**6 + films), preset.image_size, preset.grid)
    start_embeddings(vision, pool.pixels[:256])
    vision.requires_grad_(True)
    trained = [*vision.parameters(), *model.attention.parameters(), *model.understanding.parameters()]
    optimiser = torch.optim.AdamW(trained, betas=(0.9, 0.95), weight_decay=0.02)
    losses = []
    for step in range(recipe.steps):
        pick = torch.from_numpy(generator(seed, "phantom", step).integers(0, films, recipe.batch))
        optimiser.param_groups[0]["lr"] = rate_at(step, recipe.steps, recipe.rate)
        optimiser.zero_grad()
        perception = model.understand(encode_with_gradient(vision, pool.pixels[pick]))
        loss = perception_loss(perception, pool.labels[pick], pool.masks[pick])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        losses.append(float(loss.detach()))
    model.requires_grad_(False).eval()
    return losses
