"""Modality plug-ins: how images of one kind become the pixels that the shared encoder reads.

`register_modality` adds one; none of them may change a tensor of the base model.
"""

from __future__ import annotations

from janus_med.modalities.cine import Cine
from janus_med.modalities.frontal import FrontalRadiograph
from janus_med.modalities.multiview import MultiView
from janus_med.modalities.prior import PriorPair
from janus_med.modalities.registry import (
    LearnedModality,
    Modality,
    ModalityRegistry,
    default_registry,
    register_modality,
)
from janus_med.modalities.tiled import Tiled
from janus_med.modalities.volume import Volume

__all__ = [
    "Cine",
    "FrontalRadiograph",
    "LearnedModality",
    "Modality",
    "ModalityRegistry",
    "MultiView",
    "PriorPair",
    "Tiled",
    "Volume",
    "default_registry",
    "register_modality",
]
