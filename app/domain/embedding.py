"""The embedding of a drafted study: which studies look alike, without a word about whose they are."""

from __future__ import annotations

import array
import hashlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_WIDTH = 4096
_UNIT = 1e-3


@dataclass(frozen=True)
class StudyEmbedding:
    """A vector of length one, comparable with others of the same space only.

    Attributes
    ----------
    space
        Hex digest of what makes two embeddings comparable; see `name_space`.
    vector
        float32, little-endian.
    """

    space: str
    vector: bytes

    @property
    def width(self) -> int:
        """Number of its components."""
        return len(self.vector) // 4


def name_space(model: Mapping[str, Any], preprocessing_sha256: str) -> str:
    """Return the digest of the weights, the adapters and the preprocessing that made an embedding."""
    parts = (model.get("weights_sha256", ""), model.get("adapters_sha256", ""), preprocessing_sha256)
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def is_unit(embedding: StudyEmbedding) -> bool:
    """Tell whether the vector is finite and of length one."""
    if len(embedding.vector) % 4 or not 1 <= embedding.width <= MOST_WIDTH:
        return False
    values = array.array("f", embedding.vector)
    if sys.byteorder == "big":
        values.byteswap()
    # NaN compares false with everything
    return abs(math.sqrt(sum(value * value for value in values)) - 1.0) <= _UNIT
