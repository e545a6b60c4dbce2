"""Training of the speech encoder: CTC on spoken words, then on sentences; decided by its seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from janus_med.modalities.speech_ctc import BLANK, MARKS, UNKNOWN
from janus_med.modalities.speech_encoder import Heard, SpeechEncoder, SpeechShape
from janus_med.modalities.speech_mel import LogMel, normalise
from janus_med.training.run import rate_at
from janus_med.training.speech_checkpoint import restore_speech, save_speech
from janus_med.training.speech_corpus import Utterance, speak_part, speak_strangers, speak_words
from janus_med.training.speech_degrade import degrade, make_noise
from janus_med.training.speech_grammar import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIP = 1.0
EARLY_SHARE = 0.3
"""Weight of the loss on the blocks before the last one (Lee and Watanabe 2021, arXiv:2102.03216)."""

EMPTY_SHARE = 0.1
"""Share of a batch that is noise alone and has no words."""

STRANGER_SHARE = 0.15
CHECKPOINT_STEPS = 100


@dataclass(frozen=True)
class SpeechRecipe:
    """What is spoken, and how long it is trained.

    Attributes
    ----------
    sentences, strangers
        Spoken sentences of the grammar, and with words from outside it.
    times
        Deliveries of each word alone.
    steps, batch, rate
        Of the optimiser; ``batch`` sentences, or three times as many single words.
    alone
        Share of the steps at the beginning in which mostly single words are heard.
    shape
        Of the encoder.
    """

    sentences: int = 1200
    strangers: int = 250
    times: int = 4
    steps: int = 2000
    batch: int = 12
    rate: float = 3e-3
    alone: float = 0.25
    shape: SpeechShape = field(default_factory=SpeechShape)


@dataclass(frozen=True, eq=False)
class SpeechCorpus:
    """Spoken material of a training and the words it is trained to tell."""

    vocabulary: tuple[str, ...]
    words: list[Utterance]
    sentences: list[Utterance]
    strangers: list[Utterance]


class SpeechWatcher(Protocol):
    """Is told how a training goes."""

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        """Be told after every step."""
        ...


def speak_corpus(
    recipe: SpeechRecipe, seed: int, progress: Callable[[int, int], None] | None = None
) -> SpeechCorpus:
    """Have everything spoken that a recipe trains on; Fatal without espeak-ng."""
    words = vocabulary()
    return SpeechCorpus(
        words,
        speak_words(recipe.times, seed, words),
        speak_part("train", recipe.sentences, seed, progress),
        speak_strangers(recipe.strangers, "train", seed),
    )


def fit_speech(
    corpus: SpeechCorpus,
    recipe: SpeechRecipe,
    seed: int,
    checkpoint: Path | None = None,
    watcher: SpeechWatcher | None = None,
) -> SpeechEncoder:
    """Train an encoder, or finish a training whose checkpoint stands in a folder.

    Parameters
    ----------
    corpus
        From `speak_corpus`.
    recipe
        How long and what.
    seed
        Decides weights, batches and degradations; a step depends on nothing but seed and number.
    checkpoint
        Folder that is written every 100 steps and read at the start; None for none.
    watcher
        Told after every step.

    Raises
    ------
    Fatal
        If the checkpoint belongs to another seed or recipe.
    """
    torch.manual_seed(seed)
    encoder = SpeechEncoder(recipe.shape, len(MARKS) + len(corpus.vocabulary))
    optimiser = torch.optim.AdamW(encoder.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    start = restore_speech(checkpoint, encoder, optimiser, recipe, seed) if checkpoint else 0
    batches = SpeechBatches(corpus, recipe, seed)
    for step in range(start, recipe.steps):
        loss = _take_step(encoder, optimiser, batches, step)
        if watcher is not None:
            watcher("speech", step + 1, recipe.steps, loss)
        if checkpoint and ((step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == recipe.steps):
            save_speech(checkpoint, encoder, optimiser, recipe, seed, step + 1)
    return encoder.eval().requires_grad_(False)


def _take_step(
    encoder: SpeechEncoder, optimiser: torch.optim.Optimizer, batches: SpeechBatches, step: int
) -> float:
    for group in optimiser.param_groups:
        group["lr"] = rate_at(step, batches.recipe.steps, batches.recipe.rate)
    frames, lengths, targets = batches.draw(step)
    optimiser.zero_grad()
    loss = ctc_loss(encoder(frames, lengths), targets)
    loss.backward()
    nn.utils.clip_grad_norm_(encoder.parameters(), CLIP)
    optimiser.step()
    return float(loss.detach())


def ctc_loss(heard: Heard, targets: list[list[int]]) -> Tensor:
    """Return the loss a word of a batch, with that of the early blocks beside it."""
    sizes = torch.tensor([len(target) for target in targets])
    joined = torch.tensor([index for target in targets for index in target], dtype=torch.int64)
    losses = [
        nn.functional.ctc_loss(
            logits.log_softmax(dim=-1).transpose(0, 1),
            joined,
            heard.lengths,
            sizes,
            blank=BLANK,
            reduction="sum",
            zero_infinity=True,
        )
        for logits in (heard.logits, heard.early)
    ]
    return (losses[0] + EARLY_SHARE * losses[1]) / max(1, len(joined))


class SpeechBatches:
    """Draw degraded batches by the number of the step."""

    def __init__(self, corpus: SpeechCorpus, recipe: SpeechRecipe, seed: int) -> None:
        self.recipe = recipe
        self._corpus = corpus
        self._seed = seed
        self._classes = {word: len(MARKS) + index for index, word in enumerate(corpus.vocabulary)}
        self._log_mel = LogMel()

    def draw(self, step: int) -> tuple[Tensor, Tensor, list[list[int]]]:
        """Return (B, T, 64) frames, (B,) lengths and the classes that were said."""
        rng = np.random.default_rng([self._seed, step])
        beginning = step < self.recipe.alone * self.recipe.steps
        alone = rng.random() < (0.8 if beginning else 0.1)
        drawn = [self._draw_one(alone, rng) for _ in range(self.recipe.batch * (3 if alone else 1))]
        frames = [normalise(self._log_mel(torch.from_numpy(samples))) for samples, _ in drawn]
        lengths = torch.tensor([len(frame) for frame in frames])
        padded = nn.utils.rnn.pad_sequence(frames, batch_first=True)
        return padded, lengths, [target for _, target in drawn]

    def _draw_one(self, alone: bool, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
        source = self._corpus.words if alone else self._corpus.sentences
        if not alone and self._corpus.strangers and rng.random() < STRANGER_SHARE:
            source = self._corpus.strangers
        utterance = source[rng.integers(len(source))]
        if rng.random() < EMPTY_SHARE:
            level = np.float32(10 ** rng.uniform(-3, -1))
            return make_noise(len(utterance.samples), rng.uniform(0, 2), rng) * level, []
        return degrade(utterance.samples, rng), self.target(utterance.sentence)

    def target(self, sentence: str) -> list[int]:
        """Return the classes of a sentence; strange words next to each other count as one."""
        classes = [self._classes.get(word, UNKNOWN) for word in sentence.split()]
        return [
            index
            for place, index in enumerate(classes)
            if index != UNKNOWN or place == 0 or classes[place - 1] != UNKNOWN
        ]
