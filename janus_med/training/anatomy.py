"""Where the lungs are in a frontal radiograph, well enough to put a lesion into them: a rule, not a
segmentation model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from janus_med.overlay import label_parts


@dataclass(frozen=True, eq=False)
class LungFields:
    """Two lungs in image space.

    Attributes
    ----------
    left_of_image, right_of_image
        (S, S) bool. The left of the image is the patient's right lung.
    """

    left_of_image: np.ndarray
    right_of_image: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """(S, S) bool."""
        return self.left_of_image | self.right_of_image

    def field(self, *, right: bool) -> np.ndarray:
        """(S, S) bool of one lung, by its side in the image."""
        return self.right_of_image if right else self.left_of_image

    def box(self, *, right: bool) -> tuple[int, int, int, int]:
        """Return top, bottom, left, right of one lung in pixels."""
        mask = self.field(right=right)
        rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
        return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


@dataclass(frozen=True)
class ChestFrame:
    """Both lungs together, in pixels: column of the spine, first and last row, width from wall to wall."""

    spine: float
    top: float
    bottom: float
    width: float

    @property
    def height(self) -> float:
        """From the first row to the last."""
        return self.bottom - self.top


def measure_chest(lungs: LungFields) -> ChestFrame:
    """Measure where both lungs lie."""
    left, right = lungs.box(right=False), lungs.box(right=True)
    return ChestFrame(
        0.5 * (left[3] + right[2]),
        float(min(left[0], right[0])),
        float(max(left[1], right[1])),
        float(right[3] - left[2]),
    )


def blur(image: np.ndarray, radius: int) -> np.ndarray:
    """Smooth (H, W) float32 with a box of ``2 * radius + 1`` twice: close to a Gaussian, and fast."""
    if radius < 1:
        return image
    for _ in range(2):
        for axis in (0, 1):
            image = _box(image, radius, axis)
    return image


def _box(image: np.ndarray, radius: int, axis: int) -> np.ndarray:
    width = 2 * radius + 1
    pads = [(radius + 1, radius) if index == axis else (0, 0) for index in (0, 1)]
    total = np.cumsum(np.pad(image, pads, mode="edge"), axis=axis, dtype=np.float64)
    length = image.shape[axis]
    total = np.moveaxis(total, axis, 0)
    return np.asarray(
        np.moveaxis(total[width : width + length] - total[:length], 0, axis) / width, np.float32
    )


def choose_side(lungs: LungFields, rng: np.random.Generator) -> bool:
    """Draw a lung, True for the right of the image; one of less than a third of the other is never drawn."""
    left, right = int(lungs.left_of_image.sum()), int(lungs.right_of_image.sum())
    if min(left, right) < max(left, right) / 3:
        return right > left
    return bool(rng.integers(2))


def lateral_position(field: np.ndarray, *, right: bool) -> np.ndarray:
    """(S, S) float32: in each row 0 at the edge of the lung beside the spine, 1 at the wall; 0 outside."""
    columns = np.arange(field.shape[1], dtype=np.float32)[None, :]
    filled = np.asarray(field.any(axis=1))
    first, last = field.argmax(axis=1), field.shape[1] - 1 - field[:, ::-1].argmax(axis=1)
    inner, outer = (first, last) if right else (last, first)
    inner, outer = (_smooth_rows(edge, filled)[:, None] for edge in (inner, outer))
    share = (columns - inner) / np.where(np.abs(outer - inner) < 1, 1, outer - inner)
    return np.asarray(np.clip(share, 0, 1) * filled[:, None], dtype=np.float32)


def _smooth_rows(edge: np.ndarray, filled: np.ndarray) -> np.ndarray:
    rows = np.nonzero(filled)[0]
    known = np.interp(np.arange(len(edge)), rows, edge[rows]) if len(rows) else edge.astype(float)
    return np.asarray(np.convolve(np.pad(known, 4, mode="edge"), np.ones(9) / 9, mode="valid"))


def vertical_position(field: np.ndarray) -> np.ndarray:
    """(S, S) float32: 0 at the top row of a lung, 1 at its lowest."""
    rows = np.nonzero(field.any(axis=1))[0]
    top, bottom = (float(rows[0]), float(rows[-1])) if len(rows) else (0.0, float(field.shape[0]))
    share = (np.arange(field.shape[0], dtype=np.float32) - top) / max(bottom - top, 1.0)
    return np.broadcast_to(np.clip(share, 0, 1)[:, None], field.shape)


def find_lungs(grey: np.ndarray) -> LungFields:
    """Find the lung fields.

    Parameters
    ----------
    grey
        (S, S) float32 in [0, 1], upright, white = dense, equalised.

    Returns
    -------
    LungFields
        Dark regions inside two ellipses of usual anatomy; the ellipses alone where the image does not show
        them.
    """
    size = grey.shape[0]
    smooth = blur(grey, max(1, size // 48))
    spine = _spine_column(smooth)
    fields = []
    for sign in (-1, 1):
        prior = _ellipse(size, spine + sign * 0.20 * size)
        level = np.quantile(smooth[prior], 0.62)
        found = prior & (blur((smooth < level).astype(np.float32), max(1, size // 64)) > 0.5)
        fields.append(found if found.sum() > 0.3 * prior.sum() else prior)
    return LungFields(*fields)


def split_lungs(shown: np.ndarray) -> LungFields | None:
    """Part an (S, S) bool mask of both lungs into two fields; None where it does not hold two lungs.

    Only the two largest connected parts count: gas and air beside the body are smaller.
    """
    size = shown.shape[0]
    coarse = blur(shown[::2, ::2].astype(np.float32), 1) > 0.6  # parts that touch by a bridge come apart
    parts = label_parts(coarse)
    areas = np.bincount(parts.ravel(), minlength=3)
    areas[0] = 0
    first, second = (int(part) for part in np.argsort(-areas, kind="stable")[:2])
    if areas[first] < 0.02 * coarse.size or areas[second] < 0.25 * areas[first]:
        return None
    one, other = (np.kron(parts == part, np.ones((2, 2), dtype=bool)) & shown for part in (first, second))
    centres = [float(np.nonzero(field)[1].mean()) for field in (one, other)]
    if abs(centres[0] - centres[1]) < 0.15 * size:
        return None
    return LungFields(one, other) if centres[0] < centres[1] else LungFields(other, one)


def _spine_column(smooth: np.ndarray) -> float:
    """Return the column of the mediastinum: the brightest band near the middle."""
    size = smooth.shape[0]
    profile = smooth[int(0.3 * size) : int(0.75 * size)].mean(axis=0)
    profile = blur(np.tile(profile, (3, 1)), size // 24)[1]
    low, high = int(0.4 * size), int(0.6 * size)
    return float(low + int(np.argmax(profile[low:high])))


def _ellipse(size: int, centre: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return np.asarray(
        ((rows - 0.45 * size) / (0.34 * size)) ** 2 + ((columns - centre) / (0.165 * size)) ** 2 < 1
    )
