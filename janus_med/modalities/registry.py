"""The register of modality plug-ins: a value that is passed on, not a global."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from janus_med.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from janus_med.model import MedicalJanus, Perception
    from janus_med.presets import Preset

PREFIX = "modality."
"""Tensors of a plug-in stand in ``adapters.safetensors`` as ``modality.<name>.<tensor>``."""


class Modality(Protocol):
    """One kind of input."""

    @property
    def name(self) -> str:
        """The key under which it is registered; a Python identifier."""
        ...

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (M, 3, S, S) pixels of one study with the frozen encoder; the result has a batch of one."""
        ...


@runtime_checkable
class LearnedModality(Modality, Protocol):
    """A modality with parameters of its own, which the model holds and `fit_modality` trains."""

    def build_adapter(self, preset: Preset) -> nn.Module:
        """Make the parameters for the shapes of a preset; torch's random state decides their start."""
        ...

    def fuse(self, model: MedicalJanus, tokens: Tensor) -> Perception:
        """Read (B, M, N, D) tokens of B studies of M images each; gradients reach the plug-in alone."""
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

    Parameters
    ----------
    registry
        From `default_registry`, or one that was added to.
    modality
        Anything with the shape of `Modality`, and of `LearnedModality` if it has parameters.

    Raises
    ------
    ValueError
        If the name is taken, for a plug-in never replaces another silently, or no Python identifier.

    Examples
    --------
    A plug-in without parameters that reads the sharper of two exposures of one view:

    >>> from dataclasses import dataclass
    >>> from janus_med import default_registry, register_modality
    >>> @dataclass(frozen=True)
    ... class SharperExposure:
    ...     name: str = "sharper"
    ...
    ...     def perceive(self, model, pixel_values):
    ...         sharpness = pixel_values.diff(dim=-1).abs().mean(dim=(1, 2, 3))
    ...         return model.perceive(pixel_values[sharpness.argmax()][None])
    >>> registry = register_modality(default_registry(), SharperExposure())
    >>> sorted(registry.entries)
    ['cine', 'frontal', 'multiview', 'prior', 'sharper', 'tiled', 'volume']

    `JanusMed.load(folder, registry=registry).read(pixels, modality="sharper")` then reads two films.
    ``docs/modalities.md`` has one with parameters.
    """
    if modality.name in registry.entries:
        raise ValueError(f"modality {modality.name!r} is already registered")
    if not modality.name.isidentifier():
        raise ValueError(f"modality name {modality.name!r} is no identifier: it names tensors in a file")
    return ModalityRegistry(registry.entries | {modality.name: modality})


def default_registry() -> ModalityRegistry:
    """Return the plug-ins of this package."""
    from janus_med.modalities.cine import Cine
    from janus_med.modalities.frontal import FrontalRadiograph
    from janus_med.modalities.multiview import MultiView
    from janus_med.modalities.prior import PriorPair
    from janus_med.modalities.tiled import Tiled
    from janus_med.modalities.volume import Volume

    registry = ModalityRegistry()
    for modality in (FrontalRadiograph(), MultiView(), PriorPair(), Volume(), Cine(), Tiled()):
        registry = register_modality(registry, modality)
    return registry


def find_learned(registry: ModalityRegistry, name: str) -> LearnedModality:
    """Return a plug-in that has parameters.

    Raises
    ------
    ValueError
        If there is none of that name, or it has no parameters.
    """
    modality = registry.entries.get(name)
    if not isinstance(modality, LearnedModality):
        known = sorted(key for key, entry in registry.entries.items() if isinstance(entry, LearnedModality))
        problem = f"no modality {name!r} with parameters; registered: {', '.join(known)}"
        raise ValueError(problem)  # noqa: TRY004 - a wrong name, not a wrong type
    return modality


def find_adapter(model: MedicalJanus, name: str) -> nn.Module:
    """Return the parameters that a model holds for a plug-in.

    Raises
    ------
    ModelUnavailable
        If the model has none.
    """
    if name not in model.modalities:
        raise ModelUnavailable(
            f"the model has no parameters for modality {name!r}: fit them with janus-med model fit-modality"
        )
    return model.modalities[name]


def attach_modalities(model: MedicalJanus, names: Iterable[str], registry: ModalityRegistry | None) -> None:
    """Give a model the plug-ins whose tensors a file holds.

    Parameters
    ----------
    model
        Before `load_adapter_state`.
    names
        The names of the tensors in the file.
    registry
        None for the plug-ins of this package.

    Raises
    ------
    ValueError
        If the file holds tensors of a plug-in that is not registered.
    """
    chosen = registry or default_registry()
    for name in sorted({key.split(".")[1] for key in names if key.startswith(PREFIX)}):
        model.add_modality(find_learned(chosen, name))
