"""The encoder of the speech plug-in: strided convolutions, then blocks of attention and convolution, then CTC
logits over words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from janus_med.modalities.speech_mel import BANDS

STRIDES = (3, 2)
"""Of the two convolutions: six spectrogram frames, 60 ms, to a token."""


@dataclass(frozen=True)
class SpeechShape:
    """Sizes of an encoder: token width D, blocks, heads, reach of a block's convolution in tokens."""

    width: int = 128
    blocks: int = 2
    heads: int = 4
    reach: int = 15


@dataclass(frozen=True, eq=False)
class Heard:
    """What the encoder made of B utterances.

    Attributes
    ----------
    tokens
        (B, T', D) float32, zero behind the end of an utterance.
    logits
        (B, T', V), V words and marks; of no meaning behind the end.
    early
        (B, T', V), the same from the blocks before the last one, for training alone.
    lengths
        (B,) int64, T' of each utterance.
    """

    tokens: Tensor
    logits: Tensor
    early: Tensor
    lengths: Tensor


class SpeechEncoder(nn.Module):
    """Read log-mel frames; about 0.6 million parameters at the default shape.

    Parameters
    ----------
    shape
        Sizes.
    classes
        V: blank, unknown, and the words.

    Notes
    -----
    Position is known from convolutions alone, so an utterance that begins later gives the same tokens later.
    Every layer is blind to what lies behind the end of an utterance: padding in a batch changes nothing.
    """

    def __init__(self, shape: SpeechShape, classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.first = nn.Conv1d(BANDS, shape.width, 5, stride=STRIDES[0], padding=2)
        self.second = nn.Conv1d(shape.width, shape.width, 5, stride=STRIDES[1], padding=2)
        self.blocks = nn.ModuleList(SpeechBlock(shape) for _ in range(shape.blocks))
        self.norm = nn.LayerNorm(shape.width)
        self.classify = nn.Linear(shape.width, classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> Heard:
        """Encode (B, T, 64) normalised log-mel frames of which the first (B,) lengths count."""
        thirds = -(-lengths // STRIDES[0])
        counts = -(-thirds // STRIDES[1])
        frames = frames * inside(lengths, frames.shape[1])[..., None]
        seen = nn.functional.gelu(self.first(frames.transpose(1, 2)))  # (B, D, T/3)
        seen = seen * inside(thirds, seen.shape[2])[:, None]
        seen = nn.functional.gelu(self.second(seen)).transpose(1, 2)  # (B, T', D)
        valid = inside(counts, seen.shape[1])
        early = seen
        for block in self.blocks:
            early, seen = seen, block(seen, valid)
        tokens = self.norm(seen) * valid[..., None]
        return Heard(tokens, self.classify(tokens), self.classify(self.norm(early)), counts)


class SpeechBlock(nn.Module):
    """Attention, depthwise convolution and feed-forward, each added to its input (after Gulati et al. 2020,
    arXiv:2005.08100).
    """

    def __init__(self, shape: SpeechShape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.attend_norm, self.local_norm, self.feed_norm = (nn.LayerNorm(width) for _ in range(3))
        self.to_qkv, self.from_heads = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate = nn.Linear(width, 2 * width)
        self.local = nn.Conv1d(width, width, shape.reach, padding=shape.reach // 2, groups=width)
        self.from_local = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, seen: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T', D) of the same; (B, T') bool says which tokens exist."""
        seen = seen + self._convolve(self.local_norm(seen), valid)
        seen = seen + self._attend(self.attend_norm(seen), valid)
        added: Tensor = seen + self.feed(self.feed_norm(seen))
        return added

    def _attend(self, seen: Tensor, valid: Tensor) -> Tensor:
        batch, count, width = seen.shape
        parts = self.to_qkv(seen).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        read = nn.functional.scaled_dot_product_attention(
            parts[0], parts[1], parts[2], attn_mask=valid[:, None, None]
        )
        joined: Tensor = self.from_heads(read.transpose(1, 2).reshape(batch, count, width))
        return joined

    def _convolve(self, seen: Tensor, valid: Tensor) -> Tensor:
        gated = nn.functional.glu(self.gate(seen), dim=-1) * valid[..., None]
        near = nn.functional.gelu(self.local(gated.transpose(1, 2)).transpose(1, 2))
        joined: Tensor = self.from_local(near)
        return joined


def inside(lengths: Tensor, count: int) -> Tensor:
    """Return (B, count) bool, true for the first ``lengths`` places of each row."""
    return torch.arange(count, device=lengths.device)[None] < lengths[:, None]
