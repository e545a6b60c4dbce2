"""Shared cross-modal attention: finding queries read the image tokens, and may write back into them through a
gate; sentences ask the same keys (`janus_med.adapters.text_queries`).

How much each patch speaks for a finding (`CrossAttention.maps`) is the map behind an overlay. The gate is
tanh of one number that starts at 0, so that an untrained adapter leaves every image token, and with it every
generated token, exactly as plain Janus has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class CrossAttention:
    """What the queries found.

    Attributes
    ----------
    outputs
        (B, K, D) what each finding query read.
    evidence
        (B, K, N) raw score of each patch for each finding, the logit of "this patch shows it".
    attention
        (B, K, N) share of each patch in what was read; sums to 1 over the patches.
    tokens
        (B, N, D) image tokens after the gated write-back.
    """

    outputs: Tensor
    evidence: Tensor
    attention: Tensor
    tokens: Tensor

    @property
    def maps(self) -> Tensor:
        """(B, K, N) in [0, 1]: the probability that a patch shows the finding.

        The attention points as well but covers only the middle of what it points at: on inserted lesions the
        overlap with the lesion was 0.25 by attention and 0.40 by evidence (200 validation films).
        """
        return self.evidence.sigmoid()


class FindingAttention(nn.Module):
    """K learned queries over N image tokens of width D, H heads.

    Parameters
    ----------
    width
        D of the vision encoder.
    findings
        K.
    heads
        H; the map is the mean over the heads.
    """

    def __init__(self, width: int, findings: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.randn(findings, width) * 0.5)
        self.evidence_bias = nn.Parameter(torch.full((findings, 1), -2.0))
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, width)
        self.to_key = nn.Linear(width, width)
        self.to_value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        self.write_back = nn.Linear(width, width)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor) -> CrossAttention:
        """Let the finding queries read (B, N, D) image tokens."""
        seen = self.look(tokens)
        scores = self.score(seen, self.queries)  # (B, H, K, N)
        shares = scores.softmax(dim=-1)  # (B, H, K, N)
        values = self._split(self.to_value(seen))  # (B, H, N, d)
        read = (shares @ values).transpose(1, 2).flatten(2)  # (B, K, D)
        outputs = self.project(read) + self.queries
        evidence = scores.mean(dim=1) + self.evidence_bias
        return CrossAttention(outputs, evidence, shares.mean(dim=1), self._write(tokens, outputs, evidence))

    def look(self, tokens: Tensor) -> Tensor:
        """Return (B, N, D), what keys and values are made of, of (B, N, D) image tokens."""
        return nn.functional.gelu(self.hidden(self.norm(tokens)))

    def score(self, seen: Tensor, queries: Tensor) -> Tensor:
        """Compare what was seen with (K, D) queries, or (B, K, D) of each image: (B, H, K, N)."""
        keys = self._split(self.to_key(seen))  # (B, H, N, d)
        return self._split(queries) @ keys.transpose(-1, -2) * keys.shape[-1] ** -0.5

    def _split(self, rows: Tensor) -> Tensor:
        """(..., M, D) to (..., H, M, D / H)."""
        return rows.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

    def _write(self, tokens: Tensor, outputs: Tensor, evidence: Tensor) -> Tensor:
        shown = evidence.sigmoid().transpose(1, 2) @ self.write_back(outputs)  # (B, N, D)
        return tokens + torch.tanh(self.gate) * shown
