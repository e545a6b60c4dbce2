"""The speech plug-in: a dictated indication becomes words of a closed vocabulary, and tokens.

It is **not a speech recogniser for hospitals**. It is trained on speech that espeak-ng synthesises, knows
the words of one grammar (`janus_med.training.speech_grammar`), and nobody has dictated to it. What it shows
is that another kind of input can go through an encoder of its own into the same language model.

`Modality` of the register is a protocol of images of a study, (M, 3, S, S) pixels to a `Perception`. Sound
has neither, so this plug-in has a protocol of its own, `SpeechModality`, and does not stand in
`default_registry`: a study must never be routed to it.

A word from outside the vocabulary can still be heard, with confidence, as one that is in it: figures in
``docs/speech.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from janus_med.modalities.speech_ctc import MARKS, UNKNOWN, HeardWord, decode_words
from janus_med.modalities.speech_mel import LogMel, normalise
from janus_med.modalities.speech_quality import find_fault

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from janus_med.modalities.speech_encoder import Heard, SpeechEncoder

LEAST_CONFIDENCE = 0.6
"""A transcript with a word less probable than this is refused as a whole: "no pneumothorax" without its first
word says the opposite.
"""


@dataclass(frozen=True)
class Transcript:
    """What was dictated, or why that cannot be told.

    Attributes
    ----------
    words
        Of the vocabulary, in order; empty when refused.
    confidences
        One in (0, 1] a word, not calibrated.
    reason
        Why there are no words and what to do; empty when there are some.
    """

    words: tuple[str, ...]
    confidences: tuple[float, ...]
    reason: str

    @property
    def text(self) -> str:
        """The words with spaces between."""
        return " ".join(self.words)


class SpeechModality(Protocol):
    """One way to read a dictation."""

    def transcribe(self, audio: np.ndarray, rate: int) -> Transcript:
        """Return words, or a reason why not; never a word that was not heard with confidence."""
        ...

    def tokenise(self, audio: np.ndarray) -> Tensor:
        """Return (T', D) tokens that `janus_med.modalities.speech_bridge` projects."""
        ...


class SpeechReader:
    """A trained encoder and its vocabulary; a `SpeechModality`.

    Parameters
    ----------
    encoder
        Frozen, in evaluation mode.
    vocabulary
        The words of classes 2 and on.
    least_confidence
        Below it a transcript is refused.

    Raises
    ------
    ValueError
        If the encoder has another number of classes.
    """

    def __init__(
        self, encoder: SpeechEncoder, vocabulary: tuple[str, ...], least_confidence: float = LEAST_CONFIDENCE
    ) -> None:
        classes = len(MARKS) + len(vocabulary)
        if encoder.classify.out_features != classes:
            raise ValueError(f"{encoder.classify.out_features} classes of the encoder, {classes} names")
        self.encoder = encoder
        self.vocabulary = vocabulary
        self.least_confidence = least_confidence
        self._log_mel = LogMel()

    def transcribe(self, audio: np.ndarray, rate: int) -> Transcript:
        """Turn a recording into words of the vocabulary, or refuse it.

        Parameters
        ----------
        audio
            (n,) floating point in [-1, 1], one channel, 0.3 to 20 s.
        rate
            Samples a second; anything but 16000 is refused, not resampled.

        Returns
        -------
        Transcript
            Refused when the recording is silent, clipped, too short, too long or not finite, when no word
            was heard, when one was from outside the vocabulary, or when one was not certain.

        Raises
        ------
        ValueError
            If ``audio`` has another shape or no floating-point type.
        """
        if fault := find_fault(audio, rate):
            return Transcript((), (), fault)
        heard = self.hear(audio)
        if reason := self._doubt(heard):
            return Transcript((), (), reason)
        return Transcript(self.spell(heard), tuple(word.confidence for word in heard), "")

    def hear(self, audio: np.ndarray) -> tuple[HeardWord, ...]:
        """Return the best path through (n,) samples, certain or not; for measuring."""
        return decode_words(self._encode(audio).logits[0])

    def spell(self, heard: tuple[HeardWord, ...]) -> tuple[str, ...]:
        """Return the words of classes, ``<unknown>`` for a strange one."""
        names = (*MARKS, *self.vocabulary)
        return tuple(names[word.index] for word in heard)

    def tokenise(self, audio: np.ndarray) -> Tensor:
        """Return (T', D) float32 tokens of (n,) samples at 16 kHz, one each 60 ms."""
        return self._encode(audio).tokens[0]

    @torch.no_grad()
    def _encode(self, audio: np.ndarray) -> Heard:
        frames = normalise(self._log_mel(torch.from_numpy(audio.astype("float32"))))
        heard: Heard = self.encoder(frames[None], torch.tensor([len(frames)]))
        return heard

    def _doubt(self, heard: tuple[HeardWord, ...]) -> str:
        if not heard:
            return "no word of the vocabulary was heard: type the indication"
        if any(word.index == UNKNOWN for word in heard):
            return "a word from outside the vocabulary was heard: type the indication"
        least = min(word.confidence for word in heard)
        if least < self.least_confidence:
            return f"a word was heard with confidence {least:.2f} only: dictate again or type the indication"
        return ""
