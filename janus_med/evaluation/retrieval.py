"""Whether the films nearest by embedding share a finding, beside chance and plain pixel distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.bootstrap import proportion
from janus_med.evaluation.measure import STEP
from janus_med.evaluation.tables import figures_table
from janus_med.training.samples import to_pixels

if TYPE_CHECKING:
    from janus_med.engine import JanusMed
    from janus_med.evaluation.bootstrap import Figure
    from janus_med.training.data import ImageStore

NEAREST = 5
THUMBNAIL = 16
"""Side of the pictures whose pixels are compared: small ones forgive a shift and are the stronger rival."""


@dataclass(frozen=True, eq=False)
class Shelf:
    """M films: embeddings (M, E), thumbnails (M, P), labels (M, 14) of 0, 1, NaN, and whose they are."""

    embeddings: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray
    persons: tuple[str, ...]


def retrieval_section(engine: JanusMed, store: ImageStore, seed: int) -> str:
    """Measure retrieval on the labelled validation films, in Markdown.

    Parameters
    ----------
    engine
        A loaded model.
    store
        Films of `janus_med.training.assemble.open_images`.
    seed
        Of the bootstrap.

    Returns
    -------
    str
        Precision among the five nearest films of other persons, with 95 % bootstrap intervals over the asking
        films.
    """
    shelf = fill_shelf(engine, store)
    rng = np.random.default_rng(seed)
    abnormal = np.nan_to_num(shelf.labels[:, 1:]).any(axis=1)
    columns = {
        f"all films (n = {len(shelf.persons)})": precision_figures(shelf, NEAREST, rng),
        f"films with a finding (n = {int(abnormal.sum())})": precision_figures(
            shelf, NEAREST, rng, asking=abnormal, first=1
        ),
    }
    return "\n\n".join(
        [
            "### Retrieval: films that share a finding among the five nearest",
            "Validation films, each asking among all the others of other persons. In the first column "
            "No Finding counts as a finding to share; in the second only films with a finding ask, and only "
            "a finding is shared. Pixel distance is Euclidean on 16 x 16 thumbnails. Intervals are 95 %, "
            "bootstrapped over the asking films; labels are text-mined.",
            figures_table(columns),
        ]
    )


@torch.no_grad()
def fill_shelf(engine: JanusMed, store: ImageStore) -> Shelf:
    """Embed the labelled validation films."""
    indices = store.indices(lambda case: case.part == "val" and case.labelled)
    embeddings, pixels = [], []
    for start in range(0, len(indices), STEP):
        values = to_pixels(np.stack([store.grey(index) for index in indices[start : start + STEP]]))
        embeddings.append(engine.model.perceive(values).understanding.embedding.numpy())
        small = torch.nn.functional.adaptive_avg_pool2d(values[:, :1], THUMBNAIL)
        pixels.append(small.flatten(1).numpy())
    labels = np.stack([store.cases[index].labels for index in indices])
    persons = tuple(store.cases[index].person for index in indices)
    return Shelf(np.concatenate(embeddings), np.concatenate(pixels), labels, persons)


def precision_figures(
    shelf: Shelf, k: int, rng: np.random.Generator, *, asking: np.ndarray | None = None, first: int = 0
) -> dict[str, Figure]:
    """Return the precision among the k nearest of embedding, pixel distance and chance.

    Parameters
    ----------
    shelf
        The films.
    k
        How many are looked at.
    rng
        Of the bootstrap.
    asking
        (M,) bool, which films ask; all when None.
    first
        The first finding that counts: 1 leaves out ``No Finding``.
    """
    chosen = np.nonzero(np.ones(len(shelf.persons), bool) if asking is None else asking)[0]
    present = np.nan_to_num(shelf.labels[:, first:])
    shared = (present @ present.T > 0).astype(np.float64)  # (M, M)
    others = np.array(shelf.persons)[:, None] != np.array(shelf.persons)[None, :]
    squares = (shelf.pixels**2).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * shelf.pixels @ shelf.pixels.T
    near = {"embedding": shelf.embeddings @ shelf.embeddings.T, "pixel distance": -distances}
    figures = {
        name: proportion(_precision(scores, shared, others, k)[chosen], rng) for name, scores in near.items()
    }
    # what k films drawn at random hold on average is known exactly
    expected = (shared * others).sum(axis=1) / np.maximum(others.sum(axis=1), 1)
    return figures | {"random": proportion(expected[chosen], rng)}


def _precision(scores: np.ndarray, shared: np.ndarray, others: np.ndarray, k: int) -> np.ndarray:
    order = np.argsort(-np.where(others, scores, -np.inf), axis=1, kind="stable")[:, :k]
    return np.asarray(np.take_along_axis(shared, order, axis=1).mean(axis=1))
