"""The films a model is asked about: real ones, with inserted lesions, with decoys, and in pairs with and
without one lesion. Base films are of one part of the data, so no validation person was seen in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.preprocessing import equalise_contrast
from janus_med.reading import FINDINGS
from janus_med.training.anatomy import blur
from janus_med.training.lesions import BRUSHES, insert_decoy, insert_lesion
from janus_med.training.samples import COARSE_SIDE, Sample, Sampler, coarsen, generator, to_grid

if TYPE_CHECKING:
    from janus_med.training.attenuation import Brush
    from janus_med.training.data import ImageStore, Part

SHIFTS = (0.0, -0.3, 0.3, -0.45, 0.45)


@dataclass(frozen=True, eq=False)
class FilmSet:
    """M samples, the person of each, and the source or subset of each."""

    samples: list[Sample]
    persons: list[str]
    subsets: list[str]

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, eq=False)
class Pair:
    """One film with a lesion, without it, and with the lesion but another place of the same shape blurred.

    Attributes
    ----------
    finding
        What was inserted.
    person
        Of the film.
    present, erased, elsewhere
        (S, S) float32 in [0, 1], equalised.
    mask
        (g, g) float32, share of each patch that the lesion covers.
    """

    finding: str
    person: str
    present: np.ndarray
    erased: np.ndarray
    elsewhere: np.ndarray
    mask: np.ndarray


class _Inserter(Sampler):
    """Training's own way to a sample, for a base film that is chosen here, so that its person is known."""

    def insert(self, index: int, chosen: list[str], rng: np.random.Generator, brush: Brush) -> Sample:
        return self._finish((index, chosen), rng, brush)


def real_films(store: ImageStore, grid: int) -> FilmSet:
    """Return the labelled validation films as they are."""
    indices = store.indices(lambda case: case.part == "val" and case.labelled)
    unknown = np.full((len(FINDINGS), grid, grid), np.nan, dtype=np.float32)
    cases = [store.cases[index] for index in indices]
    samples = [Sample(store.grey(index), store.cases[index].labels, unknown) for index in indices]
    names = [f"{case.source}/{case.subset}" if case.subset else case.source for case in cases]
    return FilmSet(samples, [case.person for case in cases], names)


def inserted_films(
    store: ImageStore, grid: int, brush: Brush, count: int, seed: int, part: Part = "val"
) -> FilmSet:
    """Return films called normal with lesions of one brush family.

    Half carry one finding, each in turn; a quarter two or three; a quarter none. Decoys and augmentation are
    those of training.
    """
    inserter = _Inserter(store, part, grid)
    normal = normal_indices(store, part)
    rng = generator(seed, f"eval-{brush}-{part}", count)
    picked = [int(rng.choice(normal)) for _ in range(count)]
    samples = [inserter.insert(index, _choose(turn, rng), rng, brush) for turn, index in enumerate(picked)]
    return FilmSet(samples, [store.cases[index].person for index in picked], [brush] * count)


def _choose(turn: int, rng: np.random.Generator) -> list[str]:
    names = list(BRUSHES)
    if turn % 2:
        return [names[turn // 2 % len(names)]]
    if turn % 4 == 0:
        return []
    return [str(name) for name in rng.choice(names, size=int(rng.integers(2, 4)), replace=False)]


def normal_indices(store: ImageStore, part: Part) -> list[int]:
    """Return the films of one part that are labelled free of findings."""
    return store.indices(lambda case: case.part == part and case.normal)


def decoy_films(
    store: ImageStore, count: int, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Return validation films called normal with a decoy and as they are (S, S) each, and their persons."""
    rng = generator(seed, "eval-decoy", count)
    picked = [int(index) for index in rng.choice(normal_indices(store, "val"), count)]
    changed = [_as_taken(store, i, insert_decoy(store.grey(i), store.lungs(i), rng)) for i in picked]
    return changed, [store.grey(i) for i in picked], [store.cases[i].person for i in picked]


def erased_pairs(store: ImageStore, grid: int, brush: Brush, count: int, seed: int) -> list[Pair]:
    """Return films with one lesion each, the findings in turn, beside the same film without it."""
    rng = generator(seed, f"pairs-{brush}", count)
    normal, names = normal_indices(store, "val"), list(BRUSHES)
    pairs = []
    for turn in range(count):
        index = int(rng.choice(normal))
        plain, finding = store.grey(index), names[turn % len(names)]
        lesion = insert_lesion(finding, plain, store.lungs(index), rng, brush)
        other = move_elsewhere(lesion.mask)
        blurred = blur(lesion.grey, plain.shape[0] // 14)
        pairs.append(
            Pair(
                finding,
                store.cases[index].person,
                _as_taken(store, index, lesion.grey),
                _as_taken(store, index, plain),
                _as_taken(store, index, np.where(other, blurred, lesion.grey)),
                to_grid(lesion.mask[None].astype(np.float32), grid)[0],
            )
        )
    return pairs


def _as_taken(store: ImageStore, index: int, grey: np.ndarray) -> np.ndarray:
    """Give a changed film the coarseness of its source and the contrast of any input: a sharp lesion on a
    coarse film would give itself away.
    """
    return equalise_contrast(coarsen(grey, COARSE_SIDE) if store.cases[index].coarse else grey)


def move_elsewhere(mask: np.ndarray) -> np.ndarray:
    """Return a mask of the same shape in another place.

    The mirrored place, the other lung, comes first; where that overlaps the lesion it is shifted, and what
    still overlaps is left out.

    Parameters
    ----------
    mask
        (S, S) bool.
    """
    size = mask.shape[0]
    mirrored = mask[:, ::-1]
    candidates = [
        np.roll(mirrored, (int(row * size), int(column * size)), axis=(0, 1))
        for row in SHIFTS
        for column in SHIFTS
    ]
    best = min(candidates, key=lambda moved: int((moved & mask).sum()))
    return np.asarray(best & ~mask)
