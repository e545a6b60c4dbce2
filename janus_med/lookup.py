"""Grey-scale look-up: stored integers to grey with white = dense (PS3.3 C.11.1, C.11.2; PS3.4 N.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

_BLOCK = 32
"""Rows mapped at a time: they stay in the processor's cache between the steps."""

VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True, eq=False)
class Table:
    """One item of a Modality or VOI LUT Sequence.

    Attributes
    ----------
    first
        The input value that maps to entry 0.
    entries
        (n,) float32.
    top
        Largest output value that the table's bits allow.
    """

    first: int
    entries: np.ndarray
    top: float

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Look values up; those below the first take the first entry, those past the end the last."""
        index = np.clip(np.floor(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return np.asarray(self.entries[index])


@dataclass(frozen=True)
class Window:
    """A window of interest in modality units."""

    center: float
    width: float
    function: VoiFunction = "LINEAR"

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Map modality values to [0, 1] (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4.0 * (values - self.center) / self.width, -80.0, 80.0)
            return np.asarray(1.0 / (1.0 + np.exp(exponent)))
        low, high = self.limits()
        return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))

    def limits(self) -> tuple[float, float]:
        """The modality values that become black and white (for the linear functions)."""
        if self.function == "LINEAR":
            # A width of 1 is a step at center - 0.5: the tiny span keeps the division defined.
            half = max(self.width - 1, 1e-3) / 2
            return self.center - 0.5 - half, self.center - 0.5 + half
        return self.center - self.width / 2, self.center + self.width / 2


@dataclass(frozen=True, eq=False)
class GreyLookup:
    """Everything between a stored value and grey with white = dense.

    Attributes
    ----------
    bits_stored, signed
        How to read a stored integer; bits above ``bits_stored`` (old overlay planes) are cut off.
    slope, intercept
        Modality rescale, used when there is no modality table.
    modality, voi
        Tables of the Modality and VOI LUT Sequences.
    window
        First window, used when there is no VOI table.
    inverted
        True when a high value is shown dark (MONOCHROME1).
    padding
        Lowest and highest stored value that is padding, or None.
    """

    bits_stored: int
    signed: bool
    slope: float = 1.0
    intercept: float = 0.0
    modality: Table | None = None
    voi: Table | None = None
    window: Window | None = None
    inverted: bool = False
    padding: tuple[int, int] | None = None

    @property
    def is_linear(self) -> bool:
        """True when clipping and scaling say it all."""
        curved = self.window is not None and self.window.function == "SIGMOID"
        return self.modality is None and self.voi is None and not curved

    def to_grey(self, stored: np.ndarray) -> np.ndarray:
        """Turn stored integers into grey.

        Parameters
        ----------
        stored
            (rows, columns) integers.

        Returns
        -------
        ndarray
            (rows, columns) float32, white = dense; in [0, 1] when a window or VOI table is declared. Padding
            becomes the darkest grey of the image.
        """
        values = self.read_values(stored)
        if self.padding is None:
            return self._map(values)
        low, high = self.padding
        inside = (values < low) | (values > high)
        if not inside.any():
            return np.zeros(values.shape, dtype=np.float32)
        grey = self._map(values)
        np.copyto(grey, grey.min(where=inside, initial=np.inf), where=~inside)
        return grey

    def read_values(self, stored: np.ndarray) -> np.ndarray:
        """Cut a stored integer to its declared bits and give it its sign."""
        width = stored.dtype.itemsize * 8
        if self.bits_stored >= width and self.signed == (stored.dtype.kind == "i"):
            return stored
        spare = width - self.bits_stored
        kind = "i" if self.signed else "u"
        unsigned = stored.view(f"u{stored.dtype.itemsize}")
        shifted = (unsigned << spare).astype(unsigned.dtype).view(f"{kind}{stored.dtype.itemsize}")
        return np.asarray(shifted >> spare)

    def _map(self, values: np.ndarray) -> np.ndarray:
        if self.is_linear:
            return self._map_linear(values)
        if values.dtype.itemsize > 2:
            return self._map_any(values)
        # At most 65,536 different inputs: map each once, then look pixels up.
        unsigned = values.view(f"u{values.dtype.itemsize}")
        every = np.arange(np.iinfo(unsigned.dtype).max + 1).astype(unsigned.dtype).view(values.dtype)
        return np.asarray(np.take(self._map_any(every), unsigned))

    def _map_linear(self, values: np.ndarray) -> np.ndarray:
        scale, offset = self.slope, self.intercept
        if self.window is not None:
            low, high = self.window.limits()
            scale, offset = scale / (high - low), (offset - low) / (high - low)
        if self.inverted:
            scale, offset = -scale, (1.0 - offset if self.window is not None else -offset)
        grey = np.empty(values.shape, dtype=np.float32)
        for top in range(0, len(values), _BLOCK):
            block = grey[top : top + _BLOCK]
            np.multiply(values[top : top + _BLOCK], np.float32(scale), out=block)
            block += np.float32(offset)
            if self.window is not None:
                np.clip(block, 0.0, 1.0, out=block)
        return grey

    def _map_any(self, values: np.ndarray) -> np.ndarray:
        wide = values.astype(np.float64)
        shown = self.modality.apply(wide) if self.modality else wide * self.slope + self.intercept
        if self.voi is not None:
            shown = self.voi.apply(shown) / self.voi.top
        elif self.window is not None:
            shown = self.window.apply(shown)
        bounded = self.voi is not None or self.window is not None
        if self.inverted:
            shown = 1.0 - shown if bounded else -shown
        return np.asarray(shown, dtype=np.float32)
