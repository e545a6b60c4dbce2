"""A single frontal chest radiograph: the plain case, one image through the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from janus_med.model import MedicalJanus, Perception


@dataclass(frozen=True)
class FrontalRadiograph:
    """PA or AP, one image."""

    name: str = "frontal"

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (1, 3, S, S) pixels; ValueError for more than one image."""
        if pixel_values.shape[0] != 1:
            raise ValueError(f"one frontal radiograph expected, {pixel_values.shape[0]} images given")
        return model.perceive(pixel_values)
