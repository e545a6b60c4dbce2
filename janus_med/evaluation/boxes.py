"""The radiologists' boxes of ChestX-ray14 on validation films, as far as the manifest has them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from janus_med.reading import FINDINGS
from janus_med.training.data import NIH_TO_CHEXPERT

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.training.data import ImageStore

ORIGIN = "BBox_List_2017"
NAMES = {"Infiltrate": "Infiltration"}
"""Where the box list spells a label in another way than the label list."""


@dataclass(frozen=True, eq=False)
class BoxedFilm:
    """One box: position of the film in the store, finding, and mask (g, g) of the patches it covers."""

    index: int
    finding: str
    mask: np.ndarray


def boxed_films(store: ImageStore, data: Path, grid: int) -> list[BoxedFilm]:
    """Read the boxes of the validation films that a store holds.

    Parameters
    ----------
    store
        The films.
    data
        Folder with ``manifest.csv``; a manifest without a column ``boxes`` has none.
    grid
        Patches along one side.
    """
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        boxes = {data / row["image"]: row.get("boxes") or "" for row in csv.DictReader(file)}
    found = []
    for index in store.indices(lambda case: case.part == "val"):
        text = boxes.get(store.cases[index].path, "")
        content: dict[str, Any] = json.loads(text) if text else {}
        if content.get("origin") == ORIGIN:
            found += _read(index, content, grid)
    return found


def _read(index: int, content: dict[str, Any], grid: int) -> list[BoxedFilm]:
    films = []
    for box in content["boxes"]:
        label = NAMES.get(box["label"], box["label"])
        findings = NIH_TO_CHEXPERT.get(label, ())
        if findings and findings[0] in FINDINGS:
            mask = box_mask(box, (content["width"], content["height"]), grid)
            films.append(BoxedFilm(index, findings[0], mask))
    return films


def box_mask(box: dict[str, float], size: tuple[int, int], grid: int) -> np.ndarray:
    """Return (g, g) float32, the share of each patch that a box covers after the film was padded to a square.

    Parameters
    ----------
    box
        ``x``, ``y`` of the upper left corner, ``w``, ``h``, in pixels of the original.
    size
        Width and height of the original.
    grid
        g.
    """
    longer = max(size)
    offsets = [(longer - side) / 2 for side in size]
    shares = [
        _cover(
            (box[start] + offset) / longer * grid, (box[start] + box[extent] + offset) / longer * grid, grid
        )
        for start, extent, offset in (("x", "w", offsets[0]), ("y", "h", offsets[1]))
    ]
    return np.asarray(np.outer(shares[1], shares[0]), dtype=np.float32)


def _cover(low: float, high: float, grid: int) -> np.ndarray:
    edges = np.arange(grid)
    return np.clip(np.minimum(edges + 1, high) - np.maximum(edges, low), 0, 1)
