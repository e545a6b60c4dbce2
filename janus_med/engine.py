"""The engine: one preprocessed image in, one `Reading` out, reproducible from weights, pixels and seed."""

from __future__ import annotations

import functools
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
from janus_med.sentence_maps import map_sentences
from janus_med.writing import Writer, read_sentences

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from janus_med.expert import ExpertPlan
    from janus_med.model import MedicalJanus, Perception
    from janus_med.sentence_maps import SentenceMap
    from janus_med.writing import Written


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
        """The tokenizer of the same folder."""
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
        reading = self._read_rows(self._perceive(pixel_values), seed, time.perf_counter())[0]
        if isinstance(reading, ModelFault):
            raise reading
        return reading

    @torch.no_grad()
    def read_batch(self, pixel_values: Tensor, *, seed: int = 0) -> tuple[Reading | ModelFault, ...]:
        """Read several preprocessed frontal radiographs at once.

        Parameters
        ----------
        pixel_values
            (B, 3, S, S) float32 in [-1, 1], one image of one study each.
        seed
            As for `read`.

        Returns
        -------
        tuple of Reading or ModelFault
            In the order of the images, each with the text it would get alone; a fault is that image's alone.
            The times are those of the whole batch.
        """
        self._check_shape(pixel_values, len(pixel_values))
        start = time.perf_counter()
        return self._read_rows(self._model.perceive(pixel_values.to(self._model.janus.device)), seed, start)

    @torch.no_grad()
    def explain(self, pixel_values: Tensor) -> tuple[SentenceMap, ...]:
        """Show for each generated sentence how the language model looked at the image.

        Parameters
        ----------
        pixel_values
            (1, 3, S, S) float32 in [-1, 1].

        Returns
        -------
        tuple of SentenceMap
            In reading order, the sentences of `read`. These maps are a second view: the attention of a
            language model localises worse than that of the finding queries, which overlays are made of.

        Raises
        ------
        ModelFault
            As for `read`.
        """
        perception = self._perceive(pixel_values)
        findings = self._read_findings(perception, 0)
        images = self._model.image_embeddings(perception.cross)["image"].pooler_output
        written = self._writer.write([plan_report(findings)], images, capture=True)[0]
        if isinstance(written, ModelFault):
            raise written
        sentences = read_sentences(written, findings)
        return map_sentences(written, sentences, self._model.preset.grid)

    @functools.cached_property
    def _writer(self) -> Writer:
        return Writer(self._model, self._tokenizer)

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
        self._check_shape(pixel_values, 1)
        return self._modality.perceive(self._model, pixel_values.to(self._model.janus.device))

    def _check_shape(self, pixel_values: Tensor, rows: int) -> None:
        size = self._info.image_size
        if tuple(pixel_values.shape) != (rows, 3, size, size):
            raise ValueError(
                f"pixels of shape ({rows}, 3, {size}, {size}) expected, {tuple(pixel_values.shape)} given"
            )

    def _read_findings(self, perception: Perception, row: int) -> tuple[FindingReading, ...]:
        calibration = self._model.calibration
        probabilities = calibration.probabilities(perception.understanding.logits)[row]  # (K,)
        maps = perception.cross.attention[row]  # (K, N)
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

    def _read_rows(self, perception: Perception, seed: int, start: float) -> tuple[Reading | ModelFault, ...]:
        rows = [self._try_findings(perception, row) for row in range(len(perception.tokens))]
        encoded = time.perf_counter()
        plans = {
            row: plan_report(findings)
            for row, findings in enumerate(rows)
            if not isinstance(findings, ModelFault) and self._is_written(findings)
        }
        written = self._write(perception, plans)
        generated = time.perf_counter() - encoded
        embeddings = perception.understanding.embedding.cpu().numpy().astype(np.float32)
        return tuple(
            findings
            if isinstance(findings, ModelFault)
            else _assemble(findings, written.get(row), embeddings[row], seed, (encoded - start, generated))
            for row, findings in enumerate(rows)
        )

    def _try_findings(self, perception: Perception, row: int) -> tuple[FindingReading, ...] | ModelFault:
        try:
            return self._read_findings(perception, row)
        except ModelFault as fault:
            return fault

    def _is_written(self, findings: tuple[FindingReading, ...]) -> bool:
        cleared = all(finding.decision == "absent" for finding in findings[1:])
        return choose_route("generate", self._budget, cleared=cleared).text

    def _write(self, perception: Perception, plans: dict[int, ExpertPlan]) -> dict[int, Written | ModelFault]:
        images = self._model.image_embeddings(perception.cross)["image"].pooler_output
        return dict(zip(plans, self._writer.write(list(plans.values()), images[list(plans)]), strict=True))


def _assemble(
    findings: tuple[FindingReading, ...],
    written: Written | ModelFault | None,
    embedding: np.ndarray,
    seed: int,
    seconds: tuple[float, float],
) -> Reading | ModelFault:
    """Bring the parts of one image together; ``written`` is None when the route leaves out the text."""
    if isinstance(written, ModelFault):
        return written
    try:
        sentences = () if written is None else read_sentences(written, findings)
    except ModelFault as fault:
        return fault
    return Reading(findings, sentences, embedding, seed, *seconds)


def _resolve_device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
