"""From attention on the patch grid to regions and grids in source pixels: attention, not a measurement."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from janus_med.errors import GeometryError
from janus_med.preprocessing import resize_by_area
from janus_med.spatial import Box, orient_step, transform_box

if TYPE_CHECKING:
    from janus_med.spatial import SpatialTrace
    from janus_med.study import Instance

FINE = 96
"""Side of the grid on which boxes are cut: finer than the patches, coarse enough to search at once."""
BOX_LEVEL = 0.5
PART_LEVEL = 1 / 3
MAX_PARTS = 3


@dataclass(frozen=True)
class Region:
    """Where the model looked, in source pixels.

    Attributes
    ----------
    sop_instance_uid
        The image.
    box
        x0, y0, x1, y1: columns and rows of the source image, whole pixels, x1 and y1 exclusive.
    score
        Share of the attention inside the box, in [0, 1].
    point
        x, y of the centre of attention inside the region, in source columns and rows.
    side
        ``right`` or ``left`` of the patient, ``midline`` when the region spans the middle.
    """

    sop_instance_uid: str
    box: tuple[int, int, int, int]
    score: float
    point: tuple[float, float]
    side: str

    def to_json(self) -> dict[str, Any]:
        """The region of the `janus-med draft` contract, with the point and the side added."""
        return {
            "sop_instance_uid": self.sop_instance_uid,
            "box": list(self.box),
            "score": round(self.score, 4),
            "point": [round(value, 2) for value in self.point],
            "side": self.side,
        }


@dataclass(frozen=True)
class AttentionGrid:
    """An attention map small enough to travel with the draft, in the orientation of the source image.

    Attributes
    ----------
    rows, columns
        Size of the grid.
    extent
        x0, y0, x1, y1 of the grid's outer edge in source columns and rows; it reaches past the image where
        the model's square was padded.
    png
        8-bit grey PNG, 255 = 1.0.
    """

    sop_instance_uid: str
    rows: int
    columns: int
    extent: Box
    png: bytes

    def to_json(self) -> dict[str, Any]:
        """The attention of the `janus-med draft` contract."""
        return {
            "sop_instance_uid": self.sop_instance_uid,
            "rows": self.rows,
            "columns": self.columns,
            "extent": [round(value, 3) for value in self.extent],
            "values_png_base64": base64.b64encode(self.png).decode(),
        }


def find_regions(attention: np.ndarray, trace: SpatialTrace, sop_instance_uid: str) -> tuple[Region, ...]:
    """Cut the strongest connected parts out of an attention map.

    Parameters
    ----------
    attention
        (h, w) float32 in [0, 1], row 0 at the top of the preprocessed image.
    trace
        The spatial steps of the preprocessing.
    sop_instance_uid
        The image that the trace belongs to.

    Returns
    -------
    tuple of Region
        The one with the most attention first, others only if they hold at least a third as much; () when the
        map is flat or lies on padding alone.

    Raises
    ------
    GeometryError
        If the map is not a finite two-dimensional grid.
    """
    _check_grid(attention)
    fine = resize_by_area(attention, max(FINE, attention.shape[0]), max(FINE, attention.shape[1]))
    fine = np.where(_inside(fine.shape, trace), fine, 0.0)
    peak, total = float(fine.max()), float(fine.sum())
    if peak <= 0 or peak - float(fine[fine > 0].min(initial=peak)) < 1e-6:
        return ()
    parts = label_parts(fine >= BOX_LEVEL * peak)
    weights = np.bincount(parts.ravel(), weights=fine.ravel())[1:]
    order = np.argsort(-weights, kind="stable")[:MAX_PARTS]
    kept = [int(part) + 1 for part in order if weights[part] >= PART_LEVEL * weights[order[0]]]
    return tuple(
        _describe_part(np.where(parts == part, fine, 0.0), total, trace, sop_instance_uid) for part in kept
    )


def export_grid(attention: np.ndarray, trace: SpatialTrace, instance: Instance) -> AttentionGrid:
    """Turn an attention map into the source's orientation and say which source pixels it covers.

    Parameters
    ----------
    attention
        (h, w) float32 in [0, 1], patch grid.
    trace
        The spatial steps of the preprocessing.
    instance
        The source image.

    Returns
    -------
    AttentionGrid
        Needs neither model nor trace to be drawn.
    """
    from PIL import Image

    _check_grid(attention)
    grid = attention
    turn = orient_step(instance.patient_orientation, instance.rows, instance.columns)
    if turn is not None:
        flipped = grid[:: int(turn.yy or turn.yx), :: int(turn.xx or turn.xy)]
        grid = flipped if turn.xx else flipped.T
    extent = _to_source_unclipped(trace, (0.0, 0.0, float(trace.model_columns), float(trace.model_rows)))
    buffer = io.BytesIO()
    values = np.rint(np.clip(grid, 0.0, 1.0) * 255).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(values)).save(buffer, "PNG")
    return AttentionGrid(instance.sop_instance_uid, grid.shape[0], grid.shape[1], extent, buffer.getvalue())


def _check_grid(attention: np.ndarray) -> None:
    if attention.ndim != 2 or not attention.size or not np.isfinite(attention).all():
        raise GeometryError("an attention map must be a finite grid of rows and columns")


def _to_source_unclipped(trace: SpatialTrace, box: Box) -> Box:
    return transform_box(trace.inverse(), box)


def _inside(shape: tuple[int, ...], trace: SpatialTrace) -> np.ndarray:
    """Grid cells whose centre lies on the image and not on the padding, (h, w) bool."""
    rows, columns = shape
    x = (np.arange(columns) + 0.5) * trace.model_columns / columns
    y = (np.arange(rows) + 0.5) * trace.model_rows / rows
    left, top, right, bottom = trace.to_model((0.0, 0.0, float(trace.columns), float(trace.rows)))
    across, down = (x > left) & (x < right), (y > top) & (y < bottom)
    return np.asarray(down[:, None] & across[None, :])


def label_parts(mask: np.ndarray) -> np.ndarray:
    """Number the 4-connected parts of a mask from 1, 0 outside; (h, w) int64."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        spread = np.pad(labels, 1)
        highest = np.maximum.reduce(
            [spread[1:-1, 1:-1], spread[:-2, 1:-1], spread[2:, 1:-1], spread[1:-1, :-2], spread[1:-1, 2:]]
        )
        grown = np.where(mask, highest, 0)
        if np.array_equal(grown, labels):
            break
        labels = grown
    return np.asarray(np.unique(labels, return_inverse=True)[1].reshape(mask.shape)) + (
        0 if not mask.all() else 1
    )


def _describe_part(part: np.ndarray, total: float, trace: SpatialTrace, sop_instance_uid: str) -> Region:
    cell_x, cell_y = trace.model_columns / part.shape[1], trace.model_rows / part.shape[0]
    rows, columns = np.nonzero(part)
    box = (
        columns.min() * cell_x,
        rows.min() * cell_y,
        (columns.max() + 1) * cell_x,
        (rows.max() + 1) * cell_y,
    )
    left, top, right, bottom = trace.to_source(box)
    weights = part[rows, columns]
    x = float(np.average(columns + 0.5, weights=weights)) * cell_x
    y = float(np.average(rows + 0.5, weights=weights)) * cell_y
    px, py, _, _ = trace.to_source((x, y, x, y))
    whole = int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom))
    return Region(
        sop_instance_uid, whole, min(float(weights.sum()) / total, 1.0), (px, py), _side(box, x, trace)
    )


def _side(box: Box, centre: float, trace: SpatialTrace) -> str:
    """The patient's side: the model's square is upright, so its left half is the patient's right."""
    middle = trace.model_columns / 2
    reach = (box[2] - box[0]) / 4
    if abs(centre - middle) <= reach:
        return "midline"
    return "right" if centre < middle else "left"
