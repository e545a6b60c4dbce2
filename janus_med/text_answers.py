"""What is asked of the decoder and what it answers: prompts with an image, tokens and probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Ban(Protocol):
    """Says which tokens may not come next."""

    def forbidden_after(self, answer: Sequence[int]) -> list[int]:
        """Return the token ids that may not follow an answer."""
        ...


@dataclass(frozen=True, eq=False)
class Prompt:
    """One row to be continued.

    Attributes
    ----------
    ids
        Token ids, the image placeholders among them.
    image
        (N, D) aligned image tokens that take the place of the N placeholders; None without an image.
    ban
        Constrains the answer; None allows all.
    """

    ids: Sequence[int]
    image: Tensor | None = None
    ban: Ban | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What followed a prompt.

    Attributes
    ----------
    tokens
        The end token included when the answer ended.
    probabilities
        Of each token, before any ban.
    attention
        (T, N) float32, how much each token's query looked at each image token, mean over layers and heads;
        None unless asked for, or without an image.
    """

    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    attention: Tensor | None = None


class Answers:
    """The answers to several prompts so far.

    Parameters
    ----------
    prompts
        One row each.
    end
        The token that ends an answer.
    """

    def __init__(self, prompts: Sequence[Prompt], end: int) -> None:
        self.prompts = prompts
        self.tokens: list[list[int]] = [[] for _ in prompts]
        self.probabilities: list[list[float]] = [[] for _ in prompts]
        self._end = end
        self._ended = [False] * len(prompts)

    @property
    def all_ended(self) -> bool:
        """Whether no row needs another token."""
        return all(self._ended)

    def choose(self, logits: Tensor) -> Tensor:
        """Take the best allowed token of each row of (B, V) logits; of an ended row nothing is noted."""
        shares = logits.softmax(-1)
        scores = self._banned(logits)
        best = scores.argmax(-1)  # (B,)
        chosen = best.tolist()
        sure = shares.gather(1, best[:, None])[:, 0].tolist()
        for row, token in enumerate(chosen):
            if not self._ended[row]:
                self.tokens[row].append(token)
                self.probabilities[row].append(sure[row])
                self._ended[row] = token == self._end
        return best

    def _banned(self, logits: Tensor) -> Tensor:
        for row, prompt in enumerate(self.prompts):
            if prompt.ban is not None and not self._ended[row]:
                forbidden = prompt.ban.forbidden_after(self.tokens[row])
                if forbidden:
                    logits[row, forbidden] = -torch.inf  # the shares were taken before
        return logits
