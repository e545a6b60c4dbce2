"""What the plug-ins share: finding queries read every image of a study, then choose between the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from janus_med.adapters.cross_attention import CrossAttention, FindingAttention

if TYPE_CHECKING:
    from janus_med.encoders import SemanticEncoder

CHUNK = 16
"""Images encoded at once: a long series must not need memory for all of it."""


@dataclass(frozen=True, eq=False)
class ImageReading:
    """What K finding queries see in each of M images.

    Attributes
    ----------
    outputs
        (B, K, M, D) what each query read.
    strength
        (B, K, M) how strongly the patches of an image speak for the finding.
    evidence, attention
        (B, K, M, N) as in `CrossAttention`.
    """

    outputs: Tensor
    strength: Tensor
    evidence: Tensor
    attention: Tensor


class ImageReader(nn.Module):
    """Finding queries of its own over each image on its own.

    Parameters
    ----------
    width
        D of the vision encoder.
    findings
        K.
    heads
        Of the attention.
    """

    def __init__(self, width: int, findings: int, heads: int) -> None:
        super().__init__()
        self.attention = FindingAttention(width, findings, heads)

    def forward(self, tokens: Tensor) -> ImageReading:
        """Read (B, M, N, D) tokens."""
        batch, images, count, _ = tokens.shape
        cross: CrossAttention = self.attention(tokens.flatten(0, 1))
        outputs, evidence, attention = (
            part.unflatten(0, (batch, images)).transpose(1, 2)
            for part in (cross.outputs, cross.evidence, cross.attention)
        )
        strength = evidence.logsumexp(dim=-1) - torch.tensor(float(count)).log()
        return ImageReading(outputs, strength, evidence, attention)


class ImageChoice(nn.Module):
    """Attention of each finding over the images, and its logit from what the chosen ones show.

    Parameters
    ----------
    width
        D.
    findings
        K.
    """

    def __init__(self, width: int, findings: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, width)
        self.ask = nn.Parameter(torch.zeros(findings, width))
        self.sharpness = nn.Parameter(torch.ones(findings, 1))
        self.judge = nn.Parameter(torch.zeros(findings, width))
        self.weight = nn.Parameter(torch.full((findings,), 0.5))
        self.bias = nn.Parameter(torch.zeros(findings))

    def forward(self, reading: ImageReading) -> tuple[Tensor, Tensor]:
        """Return (B, K) logits and (B, K, M) shares, which sum to 1 over the images."""
        seen = nn.functional.gelu(self.hidden(self.norm(reading.outputs)))  # (B, K, M, D)
        scores = (seen * self.ask[:, None]).sum(-1) + self.sharpness * reading.strength
        shares = scores.softmax(dim=-1)
        read = (shares[..., None] * seen).sum(dim=2)  # (B, K, D)
        strongest = (shares * reading.strength).sum(dim=-1)
        return (read * self.judge).sum(-1) + self.weight * strongest + self.bias, shares


def pick_images(parts: Tensor, shares: Tensor) -> Tensor:
    """Return of (B, K, M, ...) the (B, K, ...) of each finding's most telling image."""
    index = shares.argmax(dim=-1).view(*shares.shape[:2], *[1] * (parts.ndim - 2))
    return parts.gather(2, index.expand(*parts.shape[:2], 1, *parts.shape[3:])).squeeze(2)


def encode_study(encoder: SemanticEncoder, pixel_values: Tensor, main: int = 0) -> Tensor:
    """Encode the images of one study.

    Parameters
    ----------
    encoder
        The frozen encoder.
    pixel_values
        (M, 3, S, S).
    main
        This image goes through alone: the last bits of a token depend on how many images are encoded at once,
        and the answer for it shall be the one it gets without the others.

    Returns
    -------
    Tensor
        (1, M, N, D) tokens.
    """
    alone = encoder.encode(pixel_values[main : main + 1])
    others = torch.cat([pixel_values[:main], pixel_values[main + 1 :]]).split(CHUNK)
    encoded = torch.cat([encoder.encode(chunk) for chunk in others if len(chunk)] or [alone[:0]])
    return torch.cat([encoded[:main], alone, encoded[main:]])[None]
