"""A study as the model package sees it: instances by their header, images by their stored pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch

    from janus_med.lookup import GreyLookup
    from janus_med.spatial import SpatialTrace

SpacingSource = Literal[
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio", "none"
]


@dataclass(frozen=True)
class Instance:
    """The header facts of one SOP instance; no pixels, no patient's name.

    Attributes
    ----------
    path
        The file.
    patient_key
        Digest of PatientID and its issuer: tells two patients apart without naming them.
    rows, columns, frames
        As declared and checked against the limits.
    row_spacing, column_spacing
        Millimetres between rows and between columns (PS3.3 10.7.1.3); 1.0 when unknown.
    patient_orientation
        PatientOrientation (0020,0020): direction of the rows, direction of the columns; () when absent.
    shutter
        x0, y0, x1, y1 in whole source pixels of a rectangular display shutter (PS3.3 C.7.6.11), or None.
    """

    path: Path
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    patient_key: str = field(repr=False)
    modality: str
    body_part: str
    view_position: str
    laterality: str
    description: str
    presentation_intent: str
    patient_orientation: tuple[str, ...]
    image_type: tuple[str, ...]
    photometric_interpretation: str
    burned_in: bool
    rows: int
    columns: int
    frames: int
    row_spacing: float
    column_spacing: float
    spacing_source: SpacingSource
    instance_number: int | None
    shutter: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One decoded frame.

    Attributes
    ----------
    instance
        The header facts.
    stored
        (rows, columns) integers as stored, before any look-up table.
    lookup
        What turns stored values into grey with white = dense.
    decode_s
        Wall-clock seconds of the decoder.
    """

    instance: Instance
    stored: np.ndarray
    lookup: GreyLookup
    decode_s: float


@dataclass(frozen=True)
class Study:
    """The instances of one StudyInstanceUID, sorted by series and instance number."""

    study_uid: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """Model input and the way back.

    Attributes
    ----------
    pixel_values
        (1, 3, S, S) float32 in [-1, 1].
    trace
        Maps model rows and columns to source pixels.
    """

    pixel_values: torch.Tensor
    trace: SpatialTrace
