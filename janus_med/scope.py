"""What is drafted and what is not, with the reason in words: the header, then the picture, then the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from janus_med.preprocessing import equalise_contrast, resize_by_area

if TYPE_CHECKING:
    from collections.abc import Callable

    from janus_med.reading import Reader
    from janus_med.study import Instance, Preprocessed, SourceImage, Study

NOT_FRONTAL = "not a frontal chest radiograph"
MAX_FRONTALS = 2
RADIOGRAPHY = frozenset({"CR", "DX", "RG"})
FRONTAL_VIEWS = {"PA": 0, "AP": 1}
MAX_SIDE_RATIO = 2.0
MIN_LEVELS = 16
MAX_CLIPPED = 0.7
MIN_STRUCTURE = 0.3
INVERTED_BELOW = -0.10
"""Mediastinum minus lungs, in contrast-equalised grey: of 1,372 frontal radiographs 2 lie below, of the same
pictures inverted 97 % do."""

_CHEST = re.compile(r"CHEST|THORAX|THORACIC CAVITY|LUNG|\bTHX\b")
_ELSEWHERE = re.compile(
    r"\b(?:ABDOMEN|ANKLE|ARM|CALCANEUS|CLAVICLE|ELBOW|EXTREMITY|FEMUR|FINGER|FOOT|FOREARM|HAND|HIP|HUMERUS|KNEE|"
    r"LEG|MANDIBLE|PATELLA|PELVIS|SCAPULA|SHOULDER|SKULL|SPINE|TIBIA|TOE|WRIST)S?\b"
)
_LATERAL = re.compile(r"\b(?:LL|RL|LLD|RLD|LLO|RLO|LAT|LATERAL|OBLIQUE|DECUB\w*|LORDOTIC)\b")
_ANTERIOR = re.compile(r"^[AP]")


def refuse_header(instance: Instance) -> str | None:
    """Decide from the header whether an instance can be a frontal chest radiograph.

    Parameters
    ----------
    instance
        Header facts.

    Returns
    -------
    str or None
        The reason against it, which begins with `NOT_FRONTAL`; None when nothing speaks against it.
    """
    if instance.modality not in RADIOGRAPHY:
        return f"{NOT_FRONTAL}: modality is {_code(instance.modality)}"
    if instance.body_part and not _CHEST.search(instance.body_part):
        return f"{NOT_FRONTAL}: body part is {_code(instance.body_part)}"
    described = instance.description.upper()
    if not instance.body_part and not _CHEST.search(described) and (other := _ELSEWHERE.search(described)):
        return f"{NOT_FRONTAL}: described as {other.group().lower()}"
    if _LATERAL.search(instance.view_position):
        return f"{NOT_FRONTAL}: the view is {_code(instance.view_position)}"
    if any(_ANTERIOR.match(direction) for direction in instance.patient_orientation):
        return f"{NOT_FRONTAL}: rows or columns run from front to back, a lateral view"  # PS3.3 C.7.6.1.1.1
    return _refuse_pixels(instance)


def _refuse_pixels(instance: Instance) -> str | None:
    if instance.presentation_intent == "FOR PROCESSING":
        return f"{NOT_FRONTAL}: raw detector data (FOR PROCESSING)"
    if instance.frames > 1:
        return f"{NOT_FRONTAL}: {instance.frames} frames"
    if not instance.photometric_interpretation.startswith("MONOCHROME"):
        return f"{NOT_FRONTAL}: a colour image"
    return None


def choose_frontals(study: Study) -> tuple[tuple[Instance, ...], str]:
    """Choose the frontal images of a study that are worth reading.

    Posteroanterior before anteroposterior before unknown, then the one with more pixels; at most two.

    Parameters
    ----------
    study
        Header facts.

    Returns
    -------
    chosen, reason
        The images, best first; without any, the reason of the first instance.
    """
    refused = [refuse_header(instance) for instance in study.instances]
    fitting = [instance for instance, reason in zip(study.instances, refused, strict=True) if reason is None]
    fitting.sort(key=lambda one: (_view_rank(one), -one.rows * one.columns, one.instance_number or 0))
    reason = next((reason for reason in refused if reason), f"{NOT_FRONTAL}: the study holds no image")
    return tuple(fitting[:MAX_FRONTALS]), reason


def refuse_image(image: SourceImage, prepared: Preprocessed) -> str | None:
    """Decide from the picture whether it can be read.

    Parameters
    ----------
    image
        Decoded image.
    prepared
        The same image as the model sees it.

    Returns
    -------
    str or None
        The reason against it, or None.
    """
    instance = image.instance
    ratio = instance.rows * instance.row_spacing / (instance.columns * instance.column_spacing)
    if not 1 / MAX_SIDE_RATIO <= ratio <= MAX_SIDE_RATIO:
        return f"{NOT_FRONTAL}: one side is more than {MAX_SIDE_RATIO:g} times the other"
    grey = image.lookup.to_grey(np.ascontiguousarray(image.stored[:: _stride(image), :: _stride(image)]))
    if len(np.unique(grey)) < MIN_LEVELS or not _has_structure(grey):
        return "the image is blank or holds noise alone; acquire or send it again"
    if max(np.mean(grey == grey.min()), np.mean(grey == grey.max())) > MAX_CLIPPED:
        return "most of the image is clipped to black or white; check the window or the exposure"
    if measure_polarity(upright_grey(prepared)) < INVERTED_BELOW:
        return "black and white look inverted; check PhotometricInterpretation at the sender"
    return None


def refuse_by_model(prepared: Preprocessed, model: Reader) -> str | None:
    """Ask the model, when it can tell, whether the picture is a frontal chest radiograph."""
    check: Callable[..., tuple[bool, float]] | None = getattr(model, "is_frontal_chest", None)
    if check is None:
        return None
    frontal, score = check(prepared.pixel_values)
    return None if frontal else f"{NOT_FRONTAL}: the picture does not look like one (score {score:.2f})"


def measure_polarity(grey: np.ndarray) -> float:
    """How much brighter the mediastinum is than the lungs.

    Parameters
    ----------
    grey
        (H, W) float32, upright, white = dense.

    Returns
    -------
    float
        In [-1, 1]; clearly negative when black and white are exchanged.
    """
    small = equalise_contrast(resize_by_area(grey, 128, 128))
    middle = small[50:110, 54:74].mean()
    lungs = (small[35:85, 22:48].mean() + small[35:85, 80:106].mean()) / 2
    return float(middle - lungs)


def upright_grey(prepared: Preprocessed) -> np.ndarray:
    """The content of the model's square without its padding, (h, w) float32 in [0, 1]."""
    resize, pad = prepared.trace.steps[-2:]
    top, left = int(pad.y0), int(pad.x0)
    square = prepared.pixel_values[0, 0].numpy()
    return np.asarray(square[top : top + resize.rows, left : left + resize.columns] * 0.5 + 0.5)


def _has_structure(grey: np.ndarray) -> bool:
    """Whether averages over blocks still differ: noise averages out, anatomy does not."""
    whole = float(grey.std())
    blocks = resize_by_area(grey, 16, 16)
    return whole > 0 and float(blocks.std()) / whole > MIN_STRUCTURE


def _stride(image: SourceImage) -> int:
    return max(1, min(image.stored.shape) // 256)


def _view_rank(instance: Instance) -> int:
    return next(
        (rank for view, rank in FRONTAL_VIEWS.items() if view in instance.view_position), len(FRONTAL_VIEWS)
    )


def _code(value: str) -> str:
    """A header value fit for a message: free text could hold a name."""
    return re.sub(r"[^A-Z0-9 _-]", "", value.upper())[:16].strip() or "not stated"
