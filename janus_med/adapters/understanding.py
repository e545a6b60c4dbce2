"""Understanding adapter: pooled features and query outputs become finding logits and a retrieval embedding.

Janus' own ``pooler_output`` is a twice normalised first patch and of no use; the mean over the tokens takes
its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from janus_med.adapters.cross_attention import CrossAttention


LAYOUT_WIDTH = 4
"""Channels that each token keeps for the layout of the image."""

PLACE_WIDTH = 8
PLACE_DROPOUT = 0.3


@dataclass(frozen=True, eq=False)
class Understanding:
    """Logits (B, K), not yet calibrated; embedding (B, E), L2-normalised; frontal logit (B,)."""

    logits: Tensor
    embedding: Tensor
    frontal: Tensor


class UnderstandingAdapter(nn.Module):
    """Heads over pooled features, query outputs and patch evidence.

    Parameters
    ----------
    width
        D of the vision encoder.
    findings
        K.
    embedding_width
        E of the retrieval embedding.
    image_tokens
        N of an image.
    """

    def __init__(self, width: int, findings: int, embedding_width: int, image_tokens: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.from_pool = nn.Linear(width, findings)
        self.from_queries = nn.Parameter(torch.zeros(findings, width))
        self.from_evidence = nn.Parameter(torch.full((findings,), 0.5))
        self.from_places = PlaceReader(width, image_tokens, findings)
        self.to_embedding = nn.Linear(2 * width, embedding_width)
        self.frontal = FrontalCheck(width, image_tokens)

    def forward(self, tokens: Tensor, cross: CrossAttention) -> Understanding:
        """Judge (B, N, D) image tokens and what the finding queries read of them."""
        normed = self.norm(tokens)
        pooled = normed.mean(dim=1)  # (B, D)
        logits = self.from_pool(pooled) + (cross.outputs * self.from_queries).sum(dim=-1)
        logits = logits + self.from_evidence * strongest_evidence(cross.evidence)
        logits = logits + self.from_places(normed)
        embedding = self.to_embedding(torch.cat([pooled, cross.outputs.mean(dim=1)], dim=-1))
        return Understanding(logits, nn.functional.normalize(embedding, dim=-1), self.frontal(tokens))


def strongest_evidence(evidence: Tensor) -> Tensor:
    """Return the soft maximum (B, K) over the patches of (B, K, N) logits; equal logits give that logit."""
    return evidence.logsumexp(dim=-1) - torch.tensor(float(evidence.shape[-1])).log()


class PlaceReader(nn.Module):
    """What stands where: a finding weighs each place of the image, which pooling and queries cannot do.

    Its last layer starts at 0, so that a model without it answers as before. On films of persons that no
    training had seen it raised the mean area under the ROC curve of real labels from 0.66 to 0.69.

    Parameters
    ----------
    width
        D of the tokens.
    image_tokens
        N of an image.
    findings
        K.
    """

    def __init__(self, width: int, image_tokens: int, findings: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(width, PLACE_WIDTH)
        self.drop = nn.Dropout(PLACE_DROPOUT)
        self.judge = nn.Linear(PLACE_WIDTH * image_tokens, findings)
        nn.init.zeros_(self.judge.weight)
        nn.init.zeros_(self.judge.bias)

    def forward(self, normed: Tensor) -> Tensor:
        """Return (B, K) logits of (B, N, D) normed tokens."""
        places = torch.tanh(self.reduce(normed)).flatten(1)  # (B, 8 N)
        logits: Tensor = self.judge(self.drop(places))
        return logits


class FrontalCheck(nn.Module):
    """Whether an image is an upright frontal chest film, judged by which token stands where.

    Parameters
    ----------
    width
        D of the tokens.
    image_tokens
        N of an image.
    """

    def __init__(self, width: int, image_tokens: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.reduce = nn.Linear(width, LAYOUT_WIDTH)
        self.judge = nn.Sequential(
            nn.Linear(LAYOUT_WIDTH * image_tokens + 2 * width, 64), nn.GELU(), nn.Linear(64, 1)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B,) logits of (B, N, D) tokens."""
        normed = self.norm(tokens)
        layout = torch.tanh(self.reduce(normed)).flatten(1)  # (B, 4 N)
        seen = torch.cat([layout, normed.mean(dim=1), normed.std(dim=1)], dim=-1)
        logits: Tensor = self.judge(seen).squeeze(-1)
        return logits
