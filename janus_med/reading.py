"""What a model says about one image, before it becomes a draft: the seam between engine and draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

Decision = Literal["present", "absent", "defer"]
Section = Literal["findings", "impression"]
Polarity = Literal["positive", "negative", "uncertain", "normal"]
Change = Literal["new", "stable", "worse", "better"]

CHANGES: tuple[Change, ...] = ("new", "stable", "worse", "better")
"""How a finding stands beside an earlier film; one that went is ``better``."""

MOTIONS: tuple[str, ...] = ("Hemidiaphragm Paralysis", "Device Migration")
"""What only a sequence shows."""

FINDINGS: tuple[str, ...] = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""The fourteen observations of CheXpert (Irvin et al., AAAI 2019), in their published order."""


@dataclass(frozen=True, eq=False)
class FindingReading:
    """One of the fourteen findings as the understanding adapter sees it.

    Attributes
    ----------
    name
        One of `FINDINGS`.
    probability
        Calibrated, in [0, 1].
    decision
        ``defer`` when the probability is too near the threshold to decide.
    attention
        (h, w) float32 in [0, 1] on the patch grid, row 0 at the top of the preprocessed image.
    change
        Verdict beside an earlier film; None without one, or when neither film shows the finding.
    image
        Index of the image of a study (slice, view) that speaks for it most; None when there is only one.
    raised
        Deferred, but likelier than on nearly all films without it: the text calls it possible.
    """

    name: str
    probability: float
    decision: Decision
    attention: np.ndarray
    change: Change | None = None
    image: int | None = None
    raised: bool = False


@dataclass(frozen=True)
class SentenceReading:
    """One sentence and the findings it speaks of.

    Attributes
    ----------
    by_rule
        Whether the grammar worded it, since the language model had left its finding out.
    """

    section: Section
    text: str
    findings: tuple[str, ...]
    polarity: Polarity
    confidence: float
    by_rule: bool = False


@dataclass(frozen=True, eq=False)
class Reading:
    """Everything the engine returns for one image.

    Attributes
    ----------
    findings
        One `FindingReading` a finding, in the order of `FINDINGS`.
    sentences
        In reading order, findings before impression.
    embedding
        (d,) float32, L2-normalised, for retrieval.
    seed
        The seed that reproduces the text.
    encode_s, generate_s
        Wall-clock seconds of the encoder with the understanding adapter, and of the text.
    skipped
        Why the language model was not run; "" when it was. Only then may there be no sentence.
    withheld
        Why a generated sentence was left out, one reason each: it said otherwise than what was decided.
    motions
        Name and probability of each of `MOTIONS`; empty unless a sequence was read.
    """

    findings: tuple[FindingReading, ...]
    sentences: tuple[SentenceReading, ...]
    embedding: np.ndarray
    seed: int
    encode_s: float
    generate_s: float
    skipped: str = ""
    motions: tuple[tuple[str, float], ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelInfo:
    """Which model: every draft carries it, so that a re-run can reproduce the draft."""

    id: str
    preset: str
    weights_sha256: str
    adapters_sha256: str
    preprocessing_sha256: str
    image_size: int


class Reader(Protocol):
    """What drafting needs of a model; `janus_med.engine.JanusMed` is one."""

    @property
    def info(self) -> ModelInfo:
        """Identity and digests of the loaded model."""
        ...

    def read(self, pixel_values: torch.Tensor, *, seed: int = 0) -> Reading:
        """Read one preprocessed image, (1, 3, S, S) float32 in [-1, 1]."""
        ...
