"""Where the lungs are in a frontal radiograph, well enough to put a lesion into them: a rule, not a
segmentation model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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

    def box(self, *, right: bool) -> tuple[int, int, int, int]:
        """Return top, bottom, left, right of one lung in pixels."""
        mask = self.right_of_image if right else self.left_of_image
        rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
        return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


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
    low, high = (np.take(total, range(start, start + image.shape[axis]), axis=axis) for start in (0, width))
    return np.asarray((high - low) / width, dtype=np.float32)


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
