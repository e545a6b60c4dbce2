"""Sentences about a film whose lesions are known, each with the patches it speaks of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from janus_med.expert import SIDED, describe_location
from janus_med.reading import FINDINGS
from janus_med.training.answers import name_fact
from janus_med.training.corpus import conclude_fact, random_fact, state_fact
from janus_med.training.losses import SHOWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from torch import Tensor

    from janus_med.expert import ExpertFact, Side

Claim = Literal["placed", "plain", "other side", "absent"]
"""A sentence tells the place of a finding, leaves it out, names the side it is not on, or a finding that the
film does not show.
"""

CLAIMS: tuple[Claim, ...] = ("placed", "placed", "plain", "other side", "other side", "absent")
"""How often each is drawn."""

_OTHER: dict[Side, Side] = {"left": "right", "right": "left"}
_WRITERS: tuple[Callable[[ExpertFact, Random], str], ...] = (
    state_fact,
    state_fact,
    lambda fact, _: conclude_fact(fact),
    lambda fact, _: f"{name_fact(fact)}.",
)


@dataclass(frozen=True, eq=False)
class Phrase:
    """A sentence, and (g, g) float32 of the share of each patch that it speaks of."""

    text: str
    mask: np.ndarray


def draw_phrase(labels: Tensor, masks: Tensor, rng: Random) -> Phrase | None:
    """Draw a sentence about one film.

    Parameters
    ----------
    labels, masks
        (14,) of 0, 1, NaN and (14, g, g) in [0, 1], NaN where the place is not known.
    rng
        The claim, the finding and the words.

    Returns
    -------
    Phrase or None
        None for a film of which no finding is known.
    """
    claim = rng.choice(CLAIMS)
    if (placed := placed_findings(labels, masks)) and claim != "absent":
        name = rng.choice(placed)
        mask = masks[FINDINGS.index(name)].numpy()
        return word_phrase(describe_location(name, mask), mask, claim, rng)
    absent = [name for index, name in enumerate(FINDINGS) if index and labels[index] == 0]
    if not absent:
        return None
    return word_phrase(
        random_fact(rng.choice(absent), rng), np.zeros(masks.shape[1:], np.float32), "absent", rng
    )


def placed_findings(labels: Tensor, masks: Tensor) -> list[str]:
    """Return the findings of one film whose place is known."""
    return [
        name
        for index, name in enumerate(FINDINGS)
        if index and labels[index] == 1 and bool((masks[index] > SHOWS).any())
    ]


def word_phrase(fact: ExpertFact, mask: np.ndarray, claim: Claim, rng: Random) -> Phrase:
    """Write a claim about a fact, and keep of its (g, g) mask what the claim speaks of."""
    fact = replace(fact, certain=rng.random() < 0.65)
    if claim == "plain":
        fact = replace(fact, side="", zone="", count="")
    elif claim == "other side" and fact.finding in SIDED:
        side = _OTHER[fact.side] if fact.side in _OTHER else rng.choice(tuple(_OTHER))
        fact = replace(fact, side=side, zone="", count="single" if fact.count else "")
        mask = keep_side(mask, side)
    return Phrase(rng.choice(_WRITERS)(fact, rng), mask)


def keep_side(mask: np.ndarray, side: Side) -> np.ndarray:
    """Return the part of a (g, g) mask on one side of the patient; the left of the image is the right."""
    half = mask.shape[1] // 2
    kept = np.zeros_like(mask)
    columns = slice(mask.shape[1] - half, None) if side == "left" else slice(None, half)
    kept[:, columns] = mask[:, columns]
    return kept
