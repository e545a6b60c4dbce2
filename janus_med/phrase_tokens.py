"""Sentences as the text queries of the shared attention take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from janus_med.adapters.text_queries import LONGEST
from janus_med.errors import PhraseRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast


def encode_sentences(tokenizer: PreTrainedTokenizerFast, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return token ids (B, L) and which of them are words (B, L) bool, padded on the right.

    Raises
    ------
    PhraseRefused
        When a sentence has no token, or more than `LONGEST`.
    """
    rows = [tokenizer(f" {sentence}", add_special_tokens=False).input_ids for sentence in sentences]
    for row, sentence in zip(rows, sentences, strict=True):
        if not 0 < len(row) <= LONGEST:
            raise PhraseRefused(f"{len(row)} tokens, 1 to {LONGEST} can be shown: {sentence[:60]!r}")
    length = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), length), dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.bool)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = True
    return ids, mask
