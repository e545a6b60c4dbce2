"""From speech tokens into the token space of the language model, through a gate that starts shut."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpeechBridge(nn.Module):
    """Let the embeddings of a prompt read a dictation.

    Parameters
    ----------
    width
        D of the speech tokens.
    language_width
        E of the language model.

    Notes
    -----
    Tokens put beside a prompt would take attention from it even if they were zero. The prompt therefore reads
    them, and what it reads is added through tanh of one number that starts at 0: without fitting, every
    embedding and every logit behind it is bit for bit what it was. No shipped model has this fitted.
    """

    def __init__(self, width: int, language_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, language_width)
        self.to_query = nn.Linear(language_width, width)
        self.to_key = nn.Linear(language_width, width)
        self.gate = nn.Parameter(torch.zeros(1))

    def project(self, tokens: Tensor) -> Tensor:
        """Return (B, T', E) tokens in the language model's space of (B, T', D) speech tokens."""
        projected: Tensor = self.widen(self.norm(tokens))
        return projected

    def forward(self, embeddings: Tensor, tokens: Tensor) -> Tensor:
        """Return (B, L, E) embeddings of a prompt after they read (B, T', D) speech tokens."""
        projected = self.project(tokens)
        keys, queries = self.to_key(projected), self.to_query(embeddings)
        read = nn.functional.scaled_dot_product_attention(queries, keys, projected)  # (B, L, E)
        return embeddings + torch.tanh(self.gate) * read
