"""From grey values to the model's input, the same way for a DICOM image and a training picture.

Resized by area before anything else, brought to a common contrast per image, padded to a square. The declared
pipeline is a MONAI `Compose`; its description has a digest that every draft carries.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from janus_med.errors import ImpossibleSize
from janus_med.spatial import SpatialTrace, apply_orientation, crop_step, fit_steps, orient_step
from janus_med.study import Preprocessed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from janus_med.spatial import Step
    from janus_med.study import SourceImage

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.0
MEDIAN = 0.5
GAMMA_LIMIT = 2.5
PAD_VALUE = 127 / 255
MEAN = STD = 0.5
MAX_ASPECT = 20.0

_DESCRIPTION: tuple[tuple[str, Any], ...] = (
    ("version", 1),
    ("polarity", "white is dense"),
    ("crop", "rectangular shutter"),
    ("orientation", "patient left at the right edge, feet at the bottom"),
    ("resize", "longest physical side; area down, bilinear up"),
    (
        "contrast",
        {"percentiles": [LOW_PERCENTILE, HIGH_PERCENTILE], "median": MEDIAN, "gamma_limit": GAMMA_LIMIT},
    ),
    ("pad", PAD_VALUE),
    ("channels", 3),
    ("normalise", {"mean": MEAN, "std": STD}),
)


def preprocessing_sha256() -> str:
    """Digest of the description of the pipeline; a change of any constant changes it."""
    text = json.dumps(_DESCRIPTION, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def preprocess_grey(grey: np.ndarray, size: int) -> torch.Tensor:
    """Bring one upright image with square pixels to the model's input.

    Parameters
    ----------
    grey
        (H, W) float32 of any range, white = dense.
    size
        Side of the model's square, S.

    Returns
    -------
    Tensor
        (1, 3, S, S) float32 in [-1, 1].

    Raises
    ------
    ImpossibleSize
        If an axis is empty or the sides differ by more than a factor of 20.
    """
    return _fit(grey, size, row_by_column=1.0)[0]


def preprocess(image: SourceImage, size: int) -> Preprocessed:
    """Bring one source image to the model's input and keep the way back.

    Parameters
    ----------
    image
        The decoded image with its header facts and grey look-up.
    size
        Side of the model's square, S.

    Returns
    -------
    Preprocessed
        ``pixel_values`` (1, 3, S, S) float32 in [-1, 1] and the trace to source pixels.

    Raises
    ------
    ImpossibleSize
        If the image is too narrow to be read.
    """
    instance = image.instance
    grey = image.lookup.to_grey(image.stored)
    trace = SpatialTrace(*grey.shape)
    if instance.shutter is not None:
        step = crop_step(instance.shutter)
        left, top, right, bottom = (int(value) for value in instance.shutter)
        grey, trace = grey[top:bottom, left:right], trace.then(step)
    spacing = instance.row_spacing / instance.column_spacing
    turn = orient_step(instance.patient_orientation, *grey.shape)
    if turn is not None:
        trace = trace.then(turn)
        spacing = spacing if turn.xx else 1 / spacing
    pixel_values, steps = _fit(grey, size, row_by_column=spacing, turn=turn)
    return Preprocessed(pixel_values, trace.then(*steps))


def resize_by_area(grey: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Average when an axis shrinks, interpolate when it grows.

    Parameters
    ----------
    grey
        (H, W) float32.
    rows, columns
        The new size.

    Returns
    -------
    ndarray
        (rows, columns) float32.
    """
    import torch
    from torch.nn.functional import interpolate

    tensor = torch.from_numpy(np.ascontiguousarray(grey, dtype=np.float32))[None, None]  # (1, 1, H, W)
    shrunk = (min(rows, grey.shape[0]), min(columns, grey.shape[1]))
    if shrunk != tuple(grey.shape):
        tensor = interpolate(tensor, size=shrunk, mode="area")
    if shrunk != (rows, columns):
        tensor = interpolate(tensor, size=(rows, columns), mode="bilinear", align_corners=False)
    return np.asarray(tensor[0, 0].numpy())


def equalise_contrast(grey: np.ndarray) -> np.ndarray:
    """Stretch the robust range to [0, 1] and bring the median to one half by a power law.

    The percentiles alone leave the mean brightness of a source visible (an area under the curve of 0.72
    between two subsets of one collection, 0.50 with the median anchored): a model would learn the source
    and not the disease.

    Parameters
    ----------
    grey
        (H, W) float32 of any range.

    Returns
    -------
    ndarray
        (H, W) float32 in [0, 1]; one half everywhere when the image has no contrast.
    """
    values = np.asarray(grey, dtype=np.float32)
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    ranked = np.sort(values, axis=None)
    low, middle, high = (
        float(ranked[round((ranked.size - 1) * q / 100)]) for q in (LOW_PERCENTILE, 50.0, HIGH_PERCENTILE)
    )
    if high - low <= 1e-6 * max(abs(high), abs(low), 1e-6):
        return np.full(values.shape, MEDIAN, dtype=np.float32)
    stretched = np.clip((values - low) / (high - low), 0.0, 1.0)
    middle = min(max((middle - low) / (high - low), 1e-3), 1 - 1e-3)
    gamma = min(max(np.log(MEDIAN) / np.log(middle), 1 / GAMMA_LIMIT), GAMMA_LIMIT)
    return np.asarray(np.power(stretched, np.float32(gamma)))


def load_libraries() -> None:
    """Import torch and MONAI now, so that the first image is not timed with their seconds of loading."""
    build_pipeline(1, 1, 1)


def build_pipeline(
    rows: int, columns: int, size: int, turn: Step | None = None
) -> Callable[[np.ndarray], torch.Tensor]:
    """Declare the MONAI pipeline for one target size.

    Parameters
    ----------
    rows, columns
        Size of the upright image after the resize.
    size
        Side of the padded square.
    turn
        Puts the image upright. It comes after the resize, with the same result: flips and quarter turns
        commute with an average over areas, and the small image turns faster.

    Returns
    -------
    callable
        Takes (1, H, W) float32, returns (3, size, size) float32 in [-1, 1].
    """
    logging.getLogger("torchao").setLevel(logging.ERROR)  # it complains of GPU kernels on every CPU machine
    from monai.transforms import Compose, Lambda, NormalizeIntensity, RepeatChannel, SpatialPad

    before = (columns, rows) if turn is not None and not turn.xx else (rows, columns)
    return Compose(
        [
            Lambda(lambda grey: resize_by_area(grey[0], *before)[None], track_meta=False),
            Lambda(lambda grey: apply_orientation(grey[0], turn)[None] if turn else grey, track_meta=False),
            Lambda(lambda grey: equalise_contrast(grey[0])[None], track_meta=False),
            SpatialPad((size, size), method="symmetric", mode="constant", value=PAD_VALUE),
            RepeatChannel(3),
            NormalizeIntensity(subtrahend=MEAN, divisor=STD),
        ]
    )


def _fit(
    grey: np.ndarray, size: int, *, row_by_column: float, turn: Step | None = None
) -> tuple[torch.Tensor, tuple[Step, Step]]:
    import torch

    rows, columns = grey.shape if turn is None else (turn.rows, turn.columns)
    if not rows or not columns:
        raise ImpossibleSize("image", f"{rows} x {columns} pixels hold nothing to read")
    aspect = rows * row_by_column / columns
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise ImpossibleSize("image", f"one side is more than {MAX_ASPECT:g} times the other")
    resize, pad = fit_steps(rows, columns, size, row_by_column=row_by_column)
    pipeline = build_pipeline(resize.rows, resize.columns, size, turn)
    with _one_thread():
        pixel_values = torch.as_tensor(pipeline(grey[None])).as_subclass(torch.Tensor)[None]  # (1, 3, S, S)
    return pixel_values.to(torch.float32), (resize, pad)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep these few milliseconds on one core: on a busy machine a parallel step waits for the other core."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
