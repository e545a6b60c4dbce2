"""Text queries of the shared attention: a sentence asks the image tokens where they show what it says.

A sentence begins with the queries of the findings it names and learns what to add for the rest, its side and
zone above all. Keys, finding queries and the table of words stay as they are, so the other routes do not
change by a bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from janus_med.adapters.cross_attention import FindingAttention

LONGEST = 64
"""Tokens of a sentence."""

PLACES = 16
"""Channels in which a sentence and a place of the image are compared."""


class TextQueries(nn.Module):
    """Turn embedded sentences into evidence over N image tokens.

    Parameters
    ----------
    text_width
        T of the language model's table.
    width
        D of the image tokens.
    heads
        Of the small self-attention over the words.
    findings
        K.
    image_tokens
        N of an image.
    """

    def __init__(self, text_width: int, width: int, heads: int, findings: int, image_tokens: int) -> None:
        super().__init__()
        self.enter = nn.Linear(text_width, width)
        self.order = nn.Parameter(torch.randn(LONGEST, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.words = nn.MultiheadAttention(width, heads, batch_first=True)
        self.weigh = nn.Linear(width, 1)
        self.to_findings = nn.Linear(width, findings)
        self.to_rest = nn.Linear(width, width)
        self.to_place = nn.Linear(width, PLACES)
        self.places = nn.Parameter(torch.randn(image_tokens, PLACES) * 0.5)
        self.bias = nn.Parameter(torch.zeros(1))
        nn.init.zeros_(self.to_rest.weight)
        nn.init.zeros_(self.to_rest.bias)

    def forward(self, attention: FindingAttention, tokens: Tensor, embedded: Tensor, mask: Tensor) -> Tensor:
        """Score every patch for one sentence an image.

        Parameters
        ----------
        attention
            The shared attention.
        tokens
            (B, N, D) image tokens.
        embedded
            (B, L, T) word embeddings, L at most `LONGEST`.
        mask
            (B, L) bool, True for words, False for padding.

        Returns
        -------
        Tensor
            (B, N) logit of "this patch shows what the sentence says".
        """
        read = self._read(embedded, mask)  # (B, D)
        named = self.to_findings(read).softmax(dim=-1)  # (B, K)
        query = named @ attention.queries + self.to_rest(read)  # (B, D)
        evidence = attention.score(attention.look(tokens), query[:, None]).mean(dim=1)[:, 0]  # (B, N)
        placed = self.to_place(read) @ self.places.T  # (B, N)
        return evidence + named @ attention.evidence_bias + placed + self.bias

    def _read(self, embedded: Tensor, mask: Tensor) -> Tensor:
        words = self.enter(embedded) + self.order[: embedded.shape[1]]
        normed = self.norm(words)
        mixed, _ = self.words(normed, normed, normed, key_padding_mask=~mask, need_weights=False)
        words = words + mixed
        shares = self.weigh(words).squeeze(-1).masked_fill(~mask, -torch.inf).softmax(dim=-1)
        read: Tensor = (shares[:, None] @ words).squeeze(1)
        return read
