"""Ask for another wording: the choice that led to a wrong sentence becomes impossible where it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from janus_med.plan_check import Range
    from janus_med.text_answers import Ban
    from janus_med.writing import Written


class AvoidChoices:
    """A ban on single tokens, each behind the one beginning of a text in which it was wrong.

    Greedy decoding repeats itself up to that place, so it comes there again and takes the next best token.

    Parameters
    ----------
    base
        What is forbidden everywhere; None for nothing.
    """

    def __init__(self, base: Ban | None) -> None:
        self._base = base
        self._wrong: dict[tuple[int, ...], list[int]] = {}

    def add(self, written: Written, culprit: Range) -> None:
        """Forbid the least certain choice among the tokens of some characters.

        Parameters
        ----------
        written
            What was decoded under this ban.
        culprit
            First and last but one character.
        """
        start, end = culprit
        place = min(range(start, end), key=lambda character: written.probabilities[character])
        index = written.tokens[place]
        self._wrong.setdefault(written.ids[:index], []).append(written.ids[index])

    def forbidden_after(self, answer: Sequence[int]) -> list[int]:
        """Return the token ids that may not follow an answer."""
        everywhere = self._base.forbidden_after(answer) if self._base is not None else []
        return [*everywhere, *self._wrong.get(tuple(answer), ())]
