"""Where an image shows what a sentence says: text queries of the shared attention behind one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.errors import ModelFault, PhraseRefused
from janus_med.facts import label_sentence
from janus_med.phrase_tokens import encode_sentences

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from janus_med.model import MedicalJanus


@dataclass(frozen=True, eq=False)
class PhraseMap:
    """A sentence and where the image shows it.

    Attributes
    ----------
    text
        The sentence.
    findings
        What it states or raises.
    attention
        (h, w) float32 in [0, 1], the probability of each patch; row 0 at the top of the preprocessed image.
        `janus_med.overlay.find_regions` takes it.
    """

    text: str
    findings: tuple[str, ...]
    attention: np.ndarray

    @property
    def strongest(self) -> float:
        """Probability of the patch that shows it most: small where the image does not show it at all."""
        return float(self.attention.max())


def map_phrase(
    model: MedicalJanus, tokenizer: PreTrainedTokenizerFast, pixels: Tensor, text: str
) -> PhraseMap:
    """Ask one image, (1, 3, S, S) float32 in [-1, 1], where it shows what a sentence says.

    Raises
    ------
    PhraseRefused
        When the sentence states and raises none of the findings (one that denies has no region), or is too
        long.
    ModelUnavailable
        When the model has no text queries.
    ModelFault
        When the model answers with NaN.
    """
    facts = label_sentence(text)
    named = tuple(
        name for name, fact in facts.items() if fact.polarity != "negative" and name != "No Finding"
    )
    if not named:
        raise PhraseRefused(f"states or raises none of the findings, nothing can be shown: {text[:60]!r}")
    ids, mask = encode_sentences(tokenizer, [text])
    device = pixels.device
    evidence = model.locate(model.encoder.encode(pixels), ids.to(device), mask.to(device))[0]
    if not bool(evidence.isfinite().all()):
        raise ModelFault("the map of a sentence holds a value that is not finite")
    grid = model.preset.grid
    return PhraseMap(text, named, evidence.sigmoid().view(grid, grid).cpu().numpy().astype(np.float32))
