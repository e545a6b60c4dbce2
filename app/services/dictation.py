"""Dictation by the recogniser of this server: who may dictate, how often, and what is held back as doubtful.

Neither sound nor words are stored, logged or audited: they go back to the reader who spoke, and become part
of a report only as text that this reader writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from app.domain.access import Action, Actor
from app.domain.dictation_sound import fault_of
from app.domain.errors import Rejected
from app.domain.said_sentences import capitals_in, medical_words, shipped_phrases
from app.domain.spoken_text import HeardWord, write_out
from app.services.pace import Pace
from app.services.permission import permit
from app.services.recogniser import RecogniserProcess
from app.store.engine import Store

LANGUAGE = "en"
"""The only language that is recognised."""

DOUBTFUL = 0.7
"""A word that is less sure than this is named to the reader."""

CERTAIN, GUESSED = 0.8, 0.3
"""Words less sure than this on average, or with one below, are not put into the text by themselves."""

NEGATIONS = frozenset({"no", "not", "without", "negative", "never", "absent", "cannot", "neither", "nor"})
_PER_SECOND, _BURST_S = 1.0, 30.0


class Hearing(Protocol):
    """What listens."""

    def hear(self, samples: bytes) -> tuple[HeardWord, ...]:
        """Return the words of a recording (see `RecogniserProcess.hear`)."""

    def close(self) -> None:
        """Stop listening."""


@dataclass(frozen=True)
class Dictated:
    """What was heard.

    Attributes
    ----------
    reason
        Why it should not go into the text unseen; empty when it may.
    """

    words: tuple[HeardWord, ...]
    reason: str


@dataclass(frozen=True, eq=False)
class DictationDesk:
    """The recogniser of a web server, and how often each reader may use it."""

    hearing: Hearing
    spelt: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = field(default_factory=lambda: Pace(_PER_SECOND, burst_seconds=_BURST_S))


def open_desk(store: Store) -> DictationDesk:
    """Return a desk whose recogniser learns what this department writes; it begins to at once."""
    lines = department_lines(store)
    recogniser = RecogniserProcess(lines, medical_words())
    recogniser.warm_up()
    return DictationDesk(recogniser, capitals_in(lines))


def department_lines(store: Store) -> tuple[str, ...]:
    """Return the phrases that are shipped, and the department's templates in use and macros."""
    with store.begin() as tx:
        contents = [template.content for template in tx.templates.current()]
        macros = [macro.text for macro in tx.templates.macros()]
    templates = (
        line
        for content in contents
        if content.is_active and content.language == LANGUAGE
        for lines in content.sections.values()
        for line in lines
    )
    return tuple(dict.fromkeys((*shipped_phrases(), *templates, *_english(macros))))


def take_dictation(
    store: Store, desk: DictationDesk, actor: Actor, samples: bytes, rate: int, *, now: datetime
) -> Dictated:
    """Return the words of one utterance, for whoever may write a report.

    Parameters
    ----------
    samples, rate
        As `app.domain.dictation_sound.fault_of`.

    Raises
    ------
    NotAuthorised
    TooManyRequests
    RecogniserUnavailable
    Rejected
        If the recording cannot be listened to, or no word was heard.
    """
    permit(store, actor, Action.EDIT_REPORT, now=now)
    desk.pace.take(actor.username, now=now)
    fault = fault_of(samples, rate)
    if fault:
        raise Rejected(fault)
    heard = desk.hearing.hear(samples)
    if not heard:
        raise Rejected("no word was heard: say it again")
    return Dictated(write_out(heard, desk.spelt), doubt_about(heard))


def doubt_about(heard: Iterable[HeardWord]) -> str:
    """Say why words should not go into a text unseen; empty when they may."""
    words = tuple(heard)
    if any(word.confidence < DOUBTFUL and word.text in NEGATIONS for word in words):
        return "a negation was heard with doubt"
    if sum(word.confidence for word in words) / len(words) < CERTAIN:
        return "heard with doubt as a whole"
    if min(word.confidence for word in words) < GUESSED:
        return "a word was guessed"
    return ""


def _english(texts: Iterable[str]) -> Iterable[str]:
    """Leave out texts with letters that English has not; macros do not say which language they are in."""
    return (text for text in texts if text.isascii())
