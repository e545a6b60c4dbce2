"""The engine: one preprocessed image in, one `Reading` out, reproducible from weights, pixels and seed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.answer import compose_answer, decide_answer, refuse, word_answer
from janus_med.checkpoint import ADAPTERS, bundled_folder, load_model, verify_folder
from janus_med.errors import ModelFault
from janus_med.modalities import default_registry
from janus_med.planning import plan_report
from janus_med.preprocessing import preprocessing_sha256
from janus_med.question_scope import Refusal
from janus_med.questions import parse_question
from janus_med.reading import FINDINGS, FindingReading, ModelInfo, Reading
from janus_med.retrieval import EmbeddingSpace
from janus_med.router import Budget, choose_route
from janus_med.writing import read_sentences, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from janus_med.answer import Answer
    from janus_med.model import MedicalJanus, Perception
    from janus_med.reading import SentenceReading
    from janus_med.retrieval import Neighbour, StudyIndex


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
    def load(cls, folder: Path | None = None, device: str = "auto", budget: Budget | None = None) -> JanusMed:
        """Load a model folder after checking its digests.

        Parameters
        ----------
        folder
            None for the bundled ``tiny``. A plain Hugging Face Janus folder is read with unfitted adapters.
        device
            ``auto`` takes a GPU when there is one.
        budget
            What the site allows to skip; nothing when None.

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
            weights_sha256=manifest.weights_sha256,
            adapters_sha256=manifest.sha256[ADAPTERS],
            preprocessing_sha256=preprocessing_sha256(),
            image_size=model.preset.image_size,
        )
        return cls(model.to(_resolve_device(device)), tokenizer, info, budget)

    @property
    def info(self) -> ModelInfo:
        """Identity and digests of the loaded model."""
        return self._info

    @property
    def model(self) -> MedicalJanus:
        """The composed model, frozen: for evaluation."""
        return self._model

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
            route = choose_route("generate", self._budget, cleared=_is_cleared(findings))
            sentences = self._write(perception, findings) if route.text else ()
        embedding = perception.understanding.embedding[0].cpu().numpy().astype(np.float32)
        written = time.perf_counter()
        return Reading(findings, sentences, embedding, seed, encoded - start, written - encoded, route.reason)

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
        return self._is_frontal(self._perceive(pixel_values))

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer of the same folder: for evaluation."""
        return self._tokenizer

    @torch.no_grad()
    def read_findings(self, pixel_values: Tensor) -> tuple[FindingReading, ...]:
        """Read the findings of one image, (1, 3, S, S) as for `read`, and write nothing."""
        return self._read_findings(self._perceive(pixel_values))

    @torch.no_grad()
    def answer(self, pixel_values: Tensor, question: str) -> Answer:
        """Answer a question about one preprocessed frontal radiograph.

        Parameters
        ----------
        pixel_values
            (1, 3, S, S) float32 in [-1, 1].
        question
            English. What is out of the closed vocabulary is refused with a fixed reason.

        Raises
        ------
        ModelFault
            When the model answers with NaN, or words nothing that says what was decided.
        """
        parsed = parse_question(question)
        if isinstance(parsed, Refusal):
            return refuse(question, parsed, self._info)
        perception = self._perceive(pixel_values)
        if not self._is_frontal(perception)[0]:
            return refuse(question, Refusal("not_frontal"), self._info)
        findings = self._read_findings(perception)
        plan = decide_answer(parsed, findings)
        images = self._model.image_embeddings(perception.cross)
        text = word_answer(self._model, self._tokenizer, plan, question, images)
        return compose_answer(question, plan, text, findings, self._info)

    @torch.no_grad()
    def retrieve(self, query: Tensor | np.ndarray, index: StudyIndex, k: int = 5) -> tuple[Neighbour, ...]:
        """Find the studies of an index most like an image.

        Parameters
        ----------
        query
            (1, 3, S, S) pixels as for `read`, or an (E,) embedding of `Reading`.
        index
            Of this model.
        k
            How many.

        Raises
        ------
        IndexUnusable
            When the index was built with other weights or another preprocessing.
        """
        index.require(EmbeddingSpace.of(self._info))
        if isinstance(query, np.ndarray):
            return index.search(query, k)
        embedding = self._perceive(query).understanding.embedding[0]
        return index.search(embedding.cpu().numpy().astype(np.float32), k)

    def _is_frontal(self, perception: Perception) -> tuple[bool, float]:
        score = perception.understanding.frontal[0]
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
        plan = plan_report(findings)
        written = write_text(
            self._model, self._tokenizer, plan, self._model.image_embeddings(perception.cross)
        )
        return read_sentences(written, findings)


def _is_cleared(findings: tuple[FindingReading, ...]) -> bool:
    return all(finding.decision == "absent" for finding in findings[1:])


def _resolve_device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
