"""Modality plug-ins: how images of one kind become the pixels that the shared encoder reads.

`register_modality` adds one; none of them may change a tensor of the base model.
"""

from __future__ import annotations

from janus_med.modalities.frontal import FrontalRadiograph
from janus_med.modalities.registry import Modality, ModalityRegistry, default_registry, register_modality

__all__ = ["FrontalRadiograph", "Modality", "ModalityRegistry", "default_registry", "register_modality"]
