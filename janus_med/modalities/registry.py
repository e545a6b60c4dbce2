"""The register of modality plug-ins: a value that is passed on, not a global."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from janus_med.model import MedicalJanus, Perception


class Modality(Protocol):
    """One kind of input."""

    @property
    def name(self) -> str:
        """The key under which it is registered."""
        ...

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (M, 3, S, S) pixels of one study with the frozen encoder; the result has a batch of one."""
        ...


@dataclass(frozen=True)
class ModalityRegistry:
    """Plug-ins by name; adding one returns a new registry."""

    entries: dict[str, Modality] = field(default_factory=dict)

    def find(self, name: str) -> Modality:
        """Return a plug-in; KeyError names the known ones."""
        if name not in self.entries:
            raise KeyError(f"no modality {name!r}; registered: {', '.join(sorted(self.entries))}")
        return self.entries[name]


def register_modality(registry: ModalityRegistry, modality: Modality) -> ModalityRegistry:
    """Return the registry with one plug-in more.

    Raises
    ------
    ValueError
        If the name is taken: a plug-in never replaces another silently.
    """
    if modality.name in registry.entries:
        raise ValueError(f"modality {modality.name!r} is already registered")
    return ModalityRegistry(registry.entries | {modality.name: modality})


def default_registry() -> ModalityRegistry:
    """Return the plug-ins of this package."""
    from janus_med.modalities.frontal import FrontalRadiograph

    return register_modality(ModalityRegistry(), FrontalRadiograph())
