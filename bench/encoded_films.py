"""Films behind a frozen encoder, encoded once, with what is asked and told of them."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from bench.film_pools import Films, join, keep_named, names_to_learn
from bench.two_heads import true_answers, true_report
from janus_med.model import MedicalJanus

TESTS = ("trained", "unseen")
AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Encoded:
    """M films behind the encoder: tokens (M, N, D), masks (M, K, g, g) of the same grid, answers (M, K, 3),
    and reports.
    """

    tokens: Tensor
    masks: Tensor
    answers: Tensor
    reports: list[str]


def encode(films: Films, model: MedicalJanus) -> Encoded:
    """Encode once with the frozen encoder; four tokens become one, as questions and reports need no more."""
    grid = model.preset.grid
    tokens = torch.cat([model.encoder.encode(part) for part in films.pixels().split(AT_ONCE)])
    square = tokens.transpose(1, 2).unflatten(2, (grid, grid))
    return _encoded(films, avg_pool2d(square, 2).flatten(2).transpose(1, 2).contiguous())


def _encoded(films: Films, tokens: Tensor) -> Encoded:
    answers = torch.from_numpy(true_answers(films.labels, films.masks))
    reports = [true_report(labels, masks) for labels, masks in zip(films.labels, films.masks, strict=True)]
    return Encoded(tokens, films.masks_tensor(round(tokens.shape[1] ** 0.5)), answers, reports)


def keep_encoded(cache: Path, name: str, films: Films, model: MedicalJanus) -> Encoded:
    """As `encode`, with the tokens kept in the cache under the digest of the films and of the encoder."""
    digest = hashlib.sha256(films.grey.tobytes() + model.encoder.digest().encode()).hexdigest()[:12]
    file = cache / f"tokens-{name}-{digest}.npy"
    if not file.exists():
        np.save(file, encode(films, model).tokens.numpy(), allow_pickle=False)
    return _encoded(films, torch.from_numpy(np.load(file, allow_pickle=False)))


def load_films(
    options: argparse.Namespace, model: MedicalJanus
) -> tuple[dict[str, Encoded], dict[str, Films]]:
    """Draw or read what is learnt from and tested on."""
    names = [*names_to_learn(options), *TESTS]
    drawn = {name: keep_named(options, name, model.preset.image_size) for name in names}
    encoded = {name: keep_encoded(options.cache, name, drawn[name], model) for name in names}
    parts = [encoded[name] for name in names_to_learn(options)]
    learn = Encoded(
        *(torch.cat([getattr(part, key) for part in parts]) for key in ("tokens", "masks", "answers")),
        [report for part in parts for report in part.reports],
    )
    films = {name: drawn[name] for name in TESTS} | {
        "learn": join([drawn[one] for one in names_to_learn(options)])
    }
    return {"learn": learn} | {name: encoded[name] for name in TESTS}, films
