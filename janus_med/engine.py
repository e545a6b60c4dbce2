"""The engine: one preprocessed image in, one `Reading` out, reproducible from weights, pixels and seed."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.answer import answer_question, refuse
from janus_med.checkpoint import bundled_folder, describe_model, load_model, verify_folder
from janus_med.errors import ModelFault
from janus_med.modalities import default_registry
from janus_med.phrase_map import map_phrase
from janus_med.planning import plan_report
from janus_med.question_scope import Refusal
from janus_med.questions import parse_question
from janus_med.reading import FindingReading, ModelInfo, Reading
from janus_med.readings import is_frontal, read_findings, read_rows
from janus_med.retrieval import EmbeddingSpace
from janus_med.router import Budget
from janus_med.sentence_maps import map_sentences
from janus_med.writing import Writer, read_sentences

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from janus_med.answer import Answer
    from janus_med.modalities import ModalityRegistry
    from janus_med.model import MedicalJanus, Perception
    from janus_med.phrase_map import PhraseMap
    from janus_med.retrieval import Neighbour, StudyIndex
    from janus_med.sentence_maps import SentenceMap


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
        cls,
        folder: Path | None = None,
        device: str = "auto",
        budget: Budget | None = None,
        registry: ModalityRegistry | None = None,
    ) -> JanusMed:
        """Load a model folder after checking its digests.

        Parameters
        ----------
        folder
            None for the bundled ``tiny``. A plain Hugging Face Janus folder is read with unfitted adapters.
        device
            ``auto`` takes a GPU when there is one.
        budget
            What the site allows to skip; nothing when None.
        registry
            Modality plug-ins.

        Raises
        ------
        ModelUnavailable
            When the folder, its manifest or a file is missing, or a digest differs.
        """
        chosen = folder if folder is not None else bundled_folder()
        manifest = verify_folder(chosen)
        model, tokenizer = load_model(chosen, manifest, registry)
        info = describe_model(manifest, model.preset.image_size)
        return cls(model.to(_resolve_device(device)), tokenizer, info, budget, registry)

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
        reading = self._read_rows(self._perceive(pixel_values, modality), seed, start)[0]
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
            In reading order, the sentences of `read` but those by rule. A second view: the attention of a
            language model localises worse than that of the finding queries, which overlays are made of.

        Raises
        ------
        ModelFault
            As for `read`.
        """
        perception = self._perceive(pixel_values)
        findings = read_findings(self._model, perception, 0)
        images = self._model.image_embeddings(perception.cross)["image"].pooler_output
        written = self._writer.write([plan_report(findings)], images, capture=True)[0]
        if isinstance(written, ModelFault):
            raise written
        return map_sentences(written, read_sentences(written, findings), self._model.preset.grid)

    @torch.no_grad()
    def locate(self, pixel_values: Tensor, text: str) -> PhraseMap:
        """Show where one preprocessed frontal radiograph shows what a sentence says, a reader's own too.

        Parameters
        ----------
        pixel_values
            (1, 3, S, S) float32 in [-1, 1].
        text
            One English sentence that states or raises a finding; errors as `map_phrase`.
        """
        self._check_shape(pixel_values, 1)
        return map_phrase(self._model, self._tokenizer, pixel_values.to(self._model.janus.device), text)

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
        return is_frontal(self._model, self._perceive(pixel_values))

    @torch.no_grad()
    def read_findings(self, pixel_values: Tensor) -> tuple[FindingReading, ...]:
        """Read the findings of one image, (1, 3, S, S) as for `read`, and write nothing."""
        return read_findings(self._model, self._perceive(pixel_values), 0)

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
        return answer_question(self._model, self._tokenizer, self._info, perception, question, parsed)

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

    def _read_rows(self, perception: Perception, seed: int, start: float) -> tuple[Reading | ModelFault, ...]:
        return read_rows(self._model, self._writer, self._budget, perception, seed, start)

    def _perceive(self, pixel_values: Tensor, modality: str = "frontal") -> Perception:
        self._check_shape(pixel_values, 1 if modality == "frontal" else max(1, len(pixel_values)))
        plugin = self._registry.find(modality)
        return plugin.perceive(self._model, pixel_values.to(self._model.janus.device))

    def _check_shape(self, pixel_values: Tensor, rows: int) -> None:
        size = self._info.image_size
        if tuple(pixel_values.shape) != (rows, 3, size, size):
            raise ValueError(
                f"pixels of shape ({rows}, 3, {size}, {size}) expected, {tuple(pixel_values.shape)} given"
            )


def _resolve_device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
