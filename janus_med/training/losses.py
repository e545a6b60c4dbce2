"""What training minimises; unknown labels and unknown places count nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from janus_med.model import Perception

SHOWS = 0.05
"""Share of a patch a lesion must cover to count as showing in it."""


def perception_loss(perception: Perception, labels: Tensor, masks: Tensor) -> Tensor:
    """Sum of classification, patch evidence, pointing and embedding losses.

    Parameters
    ----------
    perception
        Of B images.
    labels
        (B, K) 0, 1, NaN.
    masks
        (B, K, g, g) in [0, 1], NaN where the place is not known.
    """
    flat = masks.flatten(2)  # (B, K, N)
    return (
        classification_loss(perception.understanding.logits, labels)
        + evidence_loss(perception.cross.evidence, flat)
        + 0.4 * pointing_loss(perception.cross.attention, flat)
        + 0.2 * embedding_loss(perception.understanding.embedding, labels)
    )


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy over the known labels, positives weighted three times."""
    known = ~labels.isnan()
    return binary_cross_entropy_with_logits(logits[known], labels[known], pos_weight=torch.tensor(3.0))


def evidence_loss(evidence: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy of each patch; where nothing shows, 1/12 of the weight lets rare patches count."""
    known = ~masks.isnan()
    targets = (masks[known] > SHOWS).float()
    losses = binary_cross_entropy_with_logits(evidence[known], targets, reduction="none")
    weights = torch.where(targets > 0, 1.0, 1.0 / 12.0)
    return (losses * weights).sum() / weights.sum()


def pointing_loss(attention: Tensor, masks: Tensor) -> Tensor:
    """Negative log of the attention that falls into the lesion, over findings whose place is known."""
    shown = torch.nan_to_num(masks) > SHOWS
    placed = shown.any(dim=-1)
    if not bool(placed.any()):
        return attention.sum() * 0.0
    inside = (attention * shown).sum(dim=-1)[placed]
    return -(inside + 1e-4).log().mean()


def embedding_loss(embedding: Tensor, labels: Tensor) -> Tensor:
    """Make the cosine of two films follow the overlap (Jaccard) of their findings, ``No Finding`` too."""
    present = torch.nan_to_num(labels)
    shared = present @ present.T
    total = present.sum(1, keepdim=True) + present.sum(1) - shared
    wanted = torch.where(total > 0, shared / total.clamp(min=1), 0.0)
    off_diagonal = ~torch.eye(len(labels), dtype=torch.bool)
    return mse_loss((embedding @ embedding.T)[off_diagonal], wanted[off_diagonal])


def known_findings(labels: Tensor) -> list[str]:
    """Return the findings marked present in one (K,) row."""
    return [name for name, value in zip(FINDINGS, labels.tolist(), strict=True) if value == 1.0]
