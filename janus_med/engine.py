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
from janus_med.reading import FINDINGS, FindingReading, ModelInfo, Reading
from janus_med.router import Budget, choose_route
from janus_med.writing import read_sentences, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from janus_med.model import MedicalJanus, Perception
    from janus_med.reading import SentenceReading


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
    """

    def __init__(
        self,
        model: MedicalJanus,
        tokenizer: PreTrainedTokenizerFast,
        info: ModelInfo,
        budget: Budget | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._info = info
        self._budget = budget or Budget()
        self._modality = default_registry().find("frontal")

    @classmethod
    def load(cls, folder: Path | None = None, device: str = "auto") -> JanusMed:
        """Load a model folder after checking its digests.

        Parameters
        ----------
        folder
            None for the bundled ``tiny``.
        device
            ``auto`` takes a GPU when there is one.

        Raises
        ------
        ModelUnavailable
            When the folder, its manifest or a file is missing, or a digest differs.
        """
        chosen = folder if folder is not None else bundled_folder()
        manifest = verify_folder(chosen)
        model, tokenizer = load_model(chosen, manifest)
        info = ModelInfo(
            id=manifest.id,
            preset=manifest.preset,
            weights_sha256=manifest.sha256[WEIGHTS],
            adapters_sha256=manifest.sha256[ADAPTERS],
            preprocessing_sha256=preprocessing_sha256(),
            image_size=model.preset.image_size,
        )
        return cls(model.to(_resolve_device(device)), tokenizer, info)

    @property
    def info(self) -> ModelInfo:
        """Identity and digests of the loaded model."""
        return self._info

    @property
    def model(self) -> MedicalJanus:
        """The composed model, frozen: for evaluation."""
        return self._model

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer of the same folder: for evaluation."""
        return self._tokenizer

    @torch.no_grad()
    def read(self, pixel_values: Tensor, *, seed: int = 0) -> Reading:
        """Read one preprocessed frontal radiograph.

        Parameters
        ----------
        pixel_values
            (1, 3, S, S) float32 in [-1, 1].
        seed
            Recorded with the reading. Decoding is greedy, so equal pixels give equal text on equal software;
            a sampling decoder would draw from this seed.

        Raises
        ------
        ModelFault
            When the model answers with NaN, no text, an endless or a repeating text.
        """
        start = time.perf_counter()
        with torch.random.fork_rng(enabled=True):
            torch.manual_seed(seed)
            perception = self._perceive(pixel_values)
            findings = self._read_findings(perception)
            encoded = time.perf_counter()
            sentences = self._write(perception, findings)
        embedding = perception.understanding.embedding[0].cpu().numpy().astype(np.float32)
        return Reading(findings, sentences, embedding, seed, encoded - start, time.perf_counter() - encoded)

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

    def _perceive(self, pixel_values: Tensor) -> Perception:
        size = self._info.image_size
        if tuple(pixel_values.shape) != (1, 3, size, size):
            raise ValueError(
                f"pixels of shape (1, 3, {size}, {size}) expected, {tuple(pixel_values.shape)} given"
            )
        return self._modality.perceive(self._model, pixel_values.to(self._model.janus.device))

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
            FindingReading(name, float(probabilities[index]), decisions[index], scaled[index])
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


def _resolve_device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
