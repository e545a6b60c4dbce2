"""The current film beside an earlier one: a verdict of change for each finding, never another finding.

Both films go through the same encoder. Each place of the current film looks for its counterpart in the
earlier one by cross-attention, since nobody stands twice in the same way; what differs there is read by
finding queries (a siamese difference, as in BioViL-T, Bannur et al., CVPR 2023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from janus_med.adapters.cross_attention import FindingAttention
from janus_med.modalities.reading_images import encode_study
from janus_med.modalities.registry import find_adapter
from janus_med.reading import CHANGES, FINDINGS

if TYPE_CHECKING:
    from janus_med.model import MedicalJanus, Perception
    from janus_med.presets import Preset

NO_VERDICT_START = 4.0


class PriorComparison(nn.Module):
    """Read each film alone by the same queries, match the two token grids, read the difference, judge.

    Parameters
    ----------
    width
        D of the vision encoder.
    heads
        Of the attentions.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.match = nn.MultiheadAttention(width, heads, batch_first=True)
        self.compare = nn.Sequential(nn.Linear(4 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.extent = FindingAttention(width, len(FINDINGS), heads)
        self.reader = FindingAttention(width, len(FINDINGS), heads)
        self.hidden = nn.Linear(4 * width + 5, 2 * width)
        self.judge = nn.Parameter(torch.zeros(len(FINDINGS), 1 + len(CHANGES), 2 * width))
        start = torch.zeros(len(FINDINGS), 1 + len(CHANGES))
        start[:, 0] = NO_VERDICT_START
        self.bias = nn.Parameter(start)

    def forward(self, now: Tensor, before: Tensor, scores: Tensor) -> Tensor:
        """Judge the change.

        Parameters
        ----------
        now, before
            (B, N, D) tokens of the two films.
        scores
            (B, K, 5) what the film's own heads say: the two logits, the two strengths, their difference.

        Returns
        -------
        Tensor
            (B, K, 5) logits: no verdict, then `CHANGES`.
        """
        current, earlier = self.norm(now), self.norm(before)
        counterpart, _ = self.match(current, earlier, earlier, need_weights=False)  # (B, N, D)
        differing = torch.cat([current, earlier, current - earlier, current - counterpart], dim=-1)
        read = self.reader(self.compare(differing)).outputs  # (B, K, D)
        extents = [self.extent(film).outputs for film in (now, before)]
        parts = [read, *extents, extents[0] - extents[1], scores]
        seen = nn.functional.gelu(self.hidden(torch.cat(parts, dim=-1)))  # (B, K, 2 D)
        return torch.einsum("bkd,kcd->bkc", seen, self.judge) + self.bias


@dataclass(frozen=True)
class PriorPair:
    """Two frontal films, the current one first.

    Findings, maps and text tokens are exactly those of the current film, fitted or not. Before it is fitted
    the verdict is "none" for every finding.
    """

    name: str = "prior"

    def build_adapter(self, preset: Preset) -> PriorComparison:
        """Make the comparison of a preset."""
        return PriorComparison(preset.vision_width, preset.query_heads)

    def perceive(self, model: MedicalJanus, pixel_values: Tensor) -> Perception:
        """Read (2, 3, S, S) pixels; ValueError for another number of images."""
        if pixel_values.shape[0] != 2:
            raise ValueError(
                f"the current and one earlier film expected, {pixel_values.shape[0]} images given"
            )
        return self.fuse(model, encode_study(model.encoder, pixel_values))

    def fuse(self, model: MedicalJanus, tokens: Tensor) -> Perception:
        """Read (B, 2, N, D) tokens."""
        adapter = find_adapter(model, self.name)
        now, before = (model.understand(tokens[:, index]) for index in (0, 1))
        logits = [film.understanding.logits for film in (now, before)]
        strengths = [film.cross.evidence.amax(dim=-1) for film in (now, before)]
        scores = torch.stack([*logits, *strengths, logits[0] - logits[1]], dim=-1)
        return replace(now, change=adapter(tokens[:, 0], tokens[:, 1], scores))
