"""The way from source pixels to model pixels and back, as a chain of affine steps.

Positions are continuous: x runs along a row (columns), y down a column (rows), (0, 0) is the outer corner of
the top left pixel and pixel (row r, column c) covers [c, c + 1) x [r, r + 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from janus_med.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Sequence

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 with x0 < x1 and y0 < y1."""

_DIRECTIONS = {"L": (1, 0), "R": (-1, 0), "F": (0, 1), "H": (0, -1)}


@dataclass(frozen=True)
class Step:
    """One affine step: ``x' = xx x + xy y + x0``, ``y' = yx x + yy y + y0``.

    Attributes
    ----------
    name
        ``crop``, ``orient``, ``resize`` or ``pad``.
    rows, columns
        Size of the image that the step produces.
    """

    name: str
    rows: int
    columns: int
    xx: float = 1.0
    xy: float = 0.0
    yx: float = 0.0
    yy: float = 1.0
    x0: float = 0.0
    y0: float = 0.0

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64, acts on columns (x, y, 1)."""
        return np.array([[self.xx, self.xy, self.x0], [self.yx, self.yy, self.y0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class SpatialTrace:
    """Every spatial step from the stored pixels to the model's square, in the order applied.

    Attributes
    ----------
    rows, columns
        Size of the source image.
    steps
        The last one produces the model's square.
    """

    rows: int
    columns: int
    steps: tuple[Step, ...] = field(default=())

    def then(self, *steps: Step) -> SpatialTrace:
        """The trace with more steps at its end."""
        return SpatialTrace(self.rows, self.columns, self.steps + steps)

    @property
    def model_rows(self) -> int:
        """Rows of the image after the last step."""
        return self.steps[-1].rows if self.steps else self.rows

    @property
    def model_columns(self) -> int:
        """Columns of the image after the last step."""
        return self.steps[-1].columns if self.steps else self.columns

    def forward(self) -> np.ndarray:
        """(3, 3) float64, source position to model position."""
        total = np.eye(3)
        for step in self.steps:
            total = step.matrix @ total
        return total

    def inverse(self) -> np.ndarray:
        """(3, 3) float64, model position to source position.

        Raises
        ------
        GeometryError
            If a step collapses an axis.
        """
        forward = self.forward()
        if not np.isfinite(forward).all() or abs(np.linalg.det(forward)) < 1e-12:
            raise GeometryError("a spatial step collapses an axis; the way back to the source does not exist")
        return np.asarray(np.linalg.inv(forward))

    def to_source(self, box: Box) -> Box:
        """A box of the model's square as a box of source pixels, cut at the image's edge.

        Parameters
        ----------
        box
            x0, y0, x1, y1 in model pixels.

        Returns
        -------
        tuple of float
            x0, y0, x1, y1 in source columns and rows.
        """
        x0, y0, x1, y1 = transform_box(self.inverse(), box)
        clip = np.clip([x0, x1], 0, self.columns), np.clip([y0, y1], 0, self.rows)
        return float(clip[0][0]), float(clip[1][0]), float(clip[0][1]), float(clip[1][1])

    def to_model(self, box: Box) -> Box:
        """A box of source pixels as a box of the model's square (not cut)."""
        return transform_box(self.forward(), box)


def transform_box(matrix: np.ndarray, box: Box) -> Box:
    """The smallest upright box around an affinely moved box; exact for flips and quarter turns."""
    x0, y0, x1, y1 = box
    corners = matrix @ np.array([[x0, x1, x0, x1], [y0, y0, y1, y1], [1.0, 1.0, 1.0, 1.0]])
    (left, top), (right, bottom) = corners[:2].min(axis=1), corners[:2].max(axis=1)
    return float(left), float(top), float(right), float(bottom)


def orient_step(orientation: Sequence[str], rows: int, columns: int) -> Step | None:
    """The flip or quarter turn that puts the patient's left at the right edge and the feet at the bottom.

    Parameters
    ----------
    orientation
        PatientOrientation, such as ``("L", "F")``: where rows and columns point to (PS3.3 C.7.6.1.1.1).
    rows, columns
        Size of the image before the step.

    Returns
    -------
    Step or None
        None when the image stands as a frontal radiograph is hung, or when the orientation does not say
        a frontal direction (absent, or anterior and posterior).
    """
    if len(orientation) != 2 or not all(orientation):
        return None
    along_row, along_column = (_DIRECTIONS.get(value[0].upper()) for value in orientation)
    if (
        along_row is None
        or along_column is None
        or along_row[0] * along_column[0]
        or along_row[1] * along_column[1]
    ):
        return None
    if (along_row, along_column) == ((1, 0), (0, 1)):
        return None
    # A step of one pixel along the source row moves by `along_row` in the upright image; negative sums shift.
    xx, yx = along_row
    xy, yy = along_column
    upright_rows, upright_columns = (rows, columns) if xx else (columns, rows)
    x0 = upright_columns if xx + xy < 0 else 0
    y0 = upright_rows if yx + yy < 0 else 0
    return Step("orient", upright_rows, upright_columns, xx, xy, yx, yy, x0, y0)


def apply_orientation(grey: np.ndarray, step: Step) -> np.ndarray:
    """Flip or turn an image as the step says.

    Parameters
    ----------
    grey
        (rows, columns) of any dtype.
    step
        From `orient_step`.

    Returns
    -------
    ndarray
        A view on the same data.
    """
    turned = grey if step.xx else grey.T
    horizontal = step.xx if step.xx else step.xy
    vertical = step.yy if step.xx else step.yx
    return turned[:: int(vertical), :: int(horizontal)]


def crop_step(box: Box) -> Step:
    """The step that keeps a box of whole source pixels."""
    x0, y0, x1, y1 = (round(value) for value in box)
    if x1 <= x0 or y1 <= y0:
        raise GeometryError("an empty crop leaves no image")
    return Step("crop", y1 - y0, x1 - x0, x0=-x0, y0=-y0)


def fit_steps(rows: int, columns: int, size: int, *, row_by_column: float = 1.0) -> tuple[Step, Step]:
    """Resize so that the longer physical side fills the square, then pad evenly.

    Parameters
    ----------
    rows, columns
        Size before.
    size
        Side of the square.
    row_by_column
        Distance between rows divided by the distance between columns (1.0 for square pixels).

    Returns
    -------
    resize, pad
        Each with the size that it produces.
    """
    height, width = rows * row_by_column, float(columns)
    scale = size / max(height, width)
    new_rows, new_columns = max(1, round(height * scale)), max(1, round(width * scale))
    resize = Step("resize", new_rows, new_columns, xx=new_columns / columns, yy=new_rows / rows)
    pad = Step("pad", size, size, x0=(size - new_columns) // 2, y0=(size - new_rows) // 2)
    return resize, pad
