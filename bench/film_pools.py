"""Films drawn once and kept, so that every arm of an ablation learns from, and is judged on, the same ones.

    python -m bench.film_pools --cache FOLDER [--sets learn-0 learn-1 trained unseen real]

``learn-N`` are parts of the films to learn from: training persons, real labels and inserted lesions mixed as
in the perception stage; ``trained`` and ``unseen`` hold validation persons with lesions of either brush;
``real`` the labelled validation films. Several processes may draw several sets at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from janus_med.evaluation.films import FilmSet, inserted_films, real_films
from janus_med.training.assemble import open_images
from janus_med.training.data import ImageStore
from janus_med.training.samples import Sampler, generator, to_pixels

SIDE, PATCH = 224, 16
INSERTED_SHARE = 0.65
TESTS = ("trained", "unseen", "real")


@dataclass(frozen=True, eq=False)
class Films:
    """M films: grey (M, S, S) uint8, labels (M, K) 0, 1, NaN, masks (M, K, g, g) in [0, 1] or NaN, persons
    (M,).
    """

    grey: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    persons: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, factor: int = 1) -> Tensor:
        """(M, 3, S / factor, S / factor) float32 in [-1, 1], averaged over squares of ``factor`` pixels."""
        grey = torch.from_numpy(self.grey).float()[:, None] / 255
        return to_pixels(avg_pool2d(grey, factor)[:, 0].numpy())

    def masks_tensor(self, grid: int) -> Tensor:
        """(M, K, grid, grid) float32, NaN where the place is not known."""
        masks = torch.from_numpy(self.masks).float()
        return avg_pool2d(masks, masks.shape[-1] // grid)


def draw_set(store: ImageStore, name: str, count: int, seed: int) -> Films:
    """Draw one set; ``real`` takes all there are."""
    grid = store.size // PATCH
    if name.startswith("learn-"):
        sampler = Sampler(store, "train", grid, INSERTED_SHARE)
        rng = generator(seed, "ablation", int(name.removeprefix("learn-")))
        return _pack(FilmSet([sampler.draw(rng) for _ in range(count)], [""] * count, []))
    if name == "real":
        return _pack(real_films(store, grid))
    return _pack(inserted_films(store, grid, "unseen" if name == "unseen" else "trained", count, seed))


def _pack(films: FilmSet) -> Films:
    grey, labels, masks = (
        np.stack([getattr(sample, name) for sample in films.samples]) for name in ("grey", "labels", "masks")
    )
    return Films((grey * 255).round().astype(np.uint8), labels, masks, np.array(films.persons))


def keep_set(data: Path, cache: Path, name: str, count: int, seed: int, side: int = SIDE) -> Films:
    """Read a set from ``cache``, or draw it and write it there."""
    file = cache / f"films-{side}-{name}-{count}-{seed}.npz"
    if not file.exists():
        films = draw_set(open_images(data, side, cache, None), name, count, seed)
        np.savez(file, **vars(films))
    with np.load(file, allow_pickle=False) as kept:
        return Films(**{part: kept[part] for part in kept.files})


def join(parts: Sequence[Films]) -> Films:
    """One set of several."""
    return Films(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Films)))


def add_pool_options(parser: argparse.ArgumentParser) -> None:
    """What both ablations ask for."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, required=True, help="pixels and drawn films are kept here")
    parser.add_argument("--parts", type=int, default=6, help="of the films to learn from")
    parser.add_argument("--part", type=int, default=128, help="films of a part")
    parser.add_argument("--test", type=int, default=160, help="validation films of each brush")
    parser.add_argument("--pool-seed", type=int, default=0)


def names_to_learn(options: argparse.Namespace) -> list[str]:
    return [f"learn-{part}" for part in range(options.parts)]


def name_pools(options: argparse.Namespace) -> str:
    """What decides which films the sets hold."""
    return f"{options.data} {options.parts} {options.part} {options.test} {options.pool_seed}"


def keep_named(options: argparse.Namespace, name: str, side: int = SIDE) -> Films:
    """One set as the options of a command say."""
    number = {"real": 0}.get(name, options.part if name.startswith("learn-") else options.test)
    return keep_set(options.data, options.cache, name, number, options.pool_seed, side)


def main() -> None:
    """Draw what is not kept yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_pool_options(parser)
    parser.add_argument("--sets", nargs="+")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.sets or [*names_to_learn(options), *TESTS]:
        films = keep_named(options, name)
        print(f"{name}: {len(films)} films, {int((films.labels == 1).sum())} present labels", flush=True)


if __name__ == "__main__":
    main()
