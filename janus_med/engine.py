"""The engine: one preprocessed image in, one `Reading` out, reproducible from weights, pixels and seed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.checkpoint import ADAPTERS, WEIGHTS, bundled_folder, load_model, verify_folder
from janus_med.errors import ModelFault
from janus_med.modalities import default_registry
from janus_med.planning import plan_report
from janus_med.preprocessing import preprocessing_sha256
from janus_med.reading import CHANGES, FINDINGS, MOTIONS, FindingReading, ModelInfo, Reading
from janus_med.router import Budget, choose_route
from janus_med.writing import read_sentences, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from janus_med.modalities import ModalityRegistry
    from janus_med.model import MedicalJanus, Perception
    from janus_med.reading import Change, SentenceReading


class JanusMed:
    """A loaded model folder, ready to read.

    Parameters
    ----------
    model
        All of it frozen, on its device.
    tokenizer
        Of the same folder.
    info
        Identity and digests.
    budget
        What the site allows to skip; nothing by default.
    registry
        Modality plug-ins; None for those of the package.
    """

    def __init__(
        self,
        model: MedicalJanus,
        tokenizer: PreTrainedTokenizerFast,
        info: ModelInfo,
        budget: Budget | None = None,
        registry: ModalityRegistry | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._info = info
        self._budget = budget or Budget()
        self._registry = registry or default_registry()

    @classmethod
    def load(
        cls, folder: Path | None = None, device: str = "auto", registry: ModalityRegistry | None = None
    ) -> JanusMed:
        """Load a model folder after checking its digests.

        Parameters
        ----------
        folder
            None for the bundled ``tiny``.
        device
            ``auto`` takes a GPU when there is one.
        registry
            Modality plug-ins; None for those of the package.

        Raises
        ------
        ModelUnavailable
            When the folder, its manifest or a file is missing, or a digest differs.
        """
        chosen = folder if folder is not None else bundled_folder()
        manifest = verify_folder(chosen)
        model, tokenizer = load_model(chosen, manifest, registry)
        info = ModelInfo(
            id=manifest.id,
            preset=manifest.preset,
            weights_sha256=manifest.sha256[WEIGHTS],
            adapters_sha256=manifest.sha256[ADAPTERS],
            preprocessing_sha256=preprocessing_sha256(),
            image_size=model.preset.image_size,
        )
        return cls(model.to(_resolve_device(device)), tokenizer, info, registry=registry)

    @property
    def info(self) -> ModelInfo:
        """Identity and digests of the loaded model."""
        return self._info

    @property
    def model(self) -> MedicalJanus:
        """The composed model, frozen: for evaluation."""
        return self._model

    @torch.no_grad()
    def read(self, pixel_values: Tensor, *, seed: int = 0, modality: str = "frontal") -> Reading:
        """Read one preprocessed frontal radiograph, or the images that a modality plug-in takes.

        Parameters
        ----------
        pixel_values
            (M, 3, S, S) float32 in [-1, 1]; M is 1 for a frontal radiograph.
        seed
            Recorded with the reading. Decoding is greedy, so equal pixels give equal text on equal software;
            a sampling decoder would draw from this seed.
        modality
            Name of a registered plug-in.

        Raises
        ------
        ModelUnavailable
            When the model has no parameters for the plug-in.
        ModelFault
            When the model answers with NaN, no text, an endless or a repeating text.
        """
        start = time.perf_counter()
        with torch.random.fork_rng(enabled=True):
            torch.manual_seed(seed)
            perception = self._perceive(pixel_values, modality)
            findings = self._read_findings(perception)
            encoded = time.perf_counter()
            sentences = self._write(perception, findings)
        embedding = perception.understanding.embedding[0].cpu().numpy().astype(np.float32)
        generate_s = time.perf_counter() - encoded
        motions = _read_motions(perception)
        return Reading(findings, sentences, embedding, seed, encoded - start, generate_s, motions)

    @torch.no_grad()
    def is_frontal_chest(self, pixel_values: Tensor) -> tuple[bool, float]:
        """Judge whether an image is an upright frontal chest radiograph.

        Parameters
        ----------
        pixel_values
            (1, 3, S, S) float32 in [-1, 1].

        Returns
        -------
        tuple of bool and float
            The verdict and the probability behind it; the threshold lets through all but 2 % of calibration
            films.
        """
        score = self._perceive(pixel_values).understanding.frontal[0]
        threshold = self._model.calibration.frontal_threshold[0]
        return bool(score >= threshold), float(torch.sigmoid(score))

    def _perceive(self, pixel_values: Tensor, modality: str = "frontal") -> Perception:
        size, images = self._info.image_size, 1 if modality == "frontal" else len(pixel_values)
        if tuple(pixel_values.shape) != (images, 3, size, size) or not images:
            raise ValueError(
                f"pixels of shape (1, 3, {size}, {size}) expected, {tuple(pixel_values.shape)} given"
            )
        plugin = self._registry.find(modality)
        return plugin.perceive(self._model, pixel_values.to(self._model.janus.device))

    def _read_findings(self, perception: Perception) -> tuple[FindingReading, ...]:
        calibration = self._model.calibration
        probabilities = calibration.probabilities(perception.understanding.logits)[0]  # (K,)
        maps = perception.cross.attention[0]  # (K, N)
        if not bool(torch.isfinite(probabilities).all() and torch.isfinite(maps).all()):
            raise ModelFault("the understanding adapter returned NaN")
        decisions = calibration.decide(probabilities)
        grid = self._model.preset.grid
        scaled = (
            (maps / maps.amax(dim=-1, keepdim=True)).view(-1, grid, grid).cpu().numpy().astype(np.float32)
        )
        return tuple(
            FindingReading(
                name,
                float(probabilities[index]),
                decisions[index],
                scaled[index],
                _read_change(perception, index),
                None if perception.shares is None else int(perception.shares[0, index].argmax()),
            )
            for index, name in enumerate(FINDINGS)
        )

    def _write(
        self, perception: Perception, findings: tuple[FindingReading, ...]
    ) -> tuple[SentenceReading, ...]:
        cleared = all(finding.decision == "absent" for finding in findings[1:])
        if not choose_route("generate", self._budget, cleared=cleared).text:
            return ()
        plan = plan_report(findings)
        written = write_text(
            self._model, self._tokenizer, plan, self._model.image_embeddings(perception.cross)
        )
        return read_sentences(written, findings)


def _read_change(perception: Perception, index: int) -> Change | None:
    if perception.change is None:
        return None
    chosen = int(perception.change[0, index].argmax())
    return CHANGES[chosen - 1] if chosen else None


def _read_motions(perception: Perception) -> tuple[tuple[str, float], ...]:
    if perception.motion is None:
        return ()
    return tuple(zip(MOTIONS, torch.sigmoid(perception.motion[0]).tolist(), strict=True))


def _resolve_device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
