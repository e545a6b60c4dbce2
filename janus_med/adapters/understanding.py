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
    """

    def __init__(self, width: int, findings: int, embedding_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.from_pool = nn.Linear(width, findings)
        self.from_queries = nn.Parameter(torch.zeros(findings, width))
        self.from_evidence = nn.Parameter(torch.full((findings,), 0.5))
        self.to_embedding = nn.Linear(2 * width, embedding_width)
        self.frontal = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, tokens: Tensor, cross: CrossAttention) -> Understanding:
        """Judge (B, N, D) image tokens and what the finding queries read of them."""
        normed = self.norm(tokens)
        pooled = normed.mean(dim=1)  # (B, D)
        strongest = cross.evidence.logsumexp(dim=-1) - torch.tensor(float(tokens.shape[1])).log()  # (B, K)
        logits = self.from_pool(pooled)
        logits = logits + (cross.outputs * self.from_queries).sum(dim=-1) + self.from_evidence * strongest
        embedding = self.to_embedding(torch.cat([pooled, cross.outputs.mean(dim=1)], dim=-1))
        frontal = self.frontal(self.summarise(tokens)).squeeze(-1)
        return Understanding(logits, nn.functional.normalize(embedding, dim=-1), frontal)

    def summarise(self, tokens: Tensor) -> Tensor:
        """Return (B, 2 D): mean and spread of the tokens, what the frontal check judges."""
        normed = self.norm(tokens)
        return torch.cat([normed.mean(dim=1), normed.std(dim=1)], dim=-1)
