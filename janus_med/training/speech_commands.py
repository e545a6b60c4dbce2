"""What ``janus-med model fit-speech`` and ``janus-med model transcribe`` do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from janus_med.modalities.speech import SpeechReader, Transcript
    from janus_med.training.speech_stage import SpeechRecipe, SpeechWatcher


def fit_reader(
    out: Path,
    recipe: SpeechRecipe,
    seed: int,
    threads: int,
    progress: Callable[[int, int], None],
    watcher: SpeechWatcher,
) -> SpeechReader:
    """Speak a corpus, train on it, and write the reader; a checkpoint in ``out`` is continued.

    Parameters
    ----------
    out
        Folder of ``speech.safetensors``, ``speech.json`` and ``checkpoint``.
    recipe
        What is spoken and how long it is trained.
    seed
        Decides every random choice.
    threads
        Of torch.
    progress, watcher
        Told of sentences spoken, and of steps.

    Raises
    ------
    Fatal
        If espeak-ng is missing, or the checkpoint is of another seed or recipe.
    """
    import torch

    from janus_med.modalities.speech import SpeechReader
    from janus_med.modalities.speech_folder import save_reader
    from janus_med.training.speech_corpus import TRAINED_VOICES, name_synthesiser
    from janus_med.training.speech_stage import fit_speech, speak_corpus

    torch.set_num_threads(threads)
    synthesiser = name_synthesiser()
    corpus = speak_corpus(recipe, seed, progress)
    encoder = fit_speech(corpus, recipe, seed, out / "checkpoint", watcher)
    reader = SpeechReader(encoder, corpus.vocabulary)
    facts = {"seed": seed, "synthesiser": synthesiser, "voices": TRAINED_VOICES, "recipe": asdict(recipe)}
    save_reader(out, reader, facts)
    return reader


def transcribe_file(recording: Path, model: Path) -> Transcript:
    """Transcribe a WAV file with the reader of a folder; UnreadableInput or ModelUnavailable if it cannot."""
    from janus_med.modalities.speech_folder import load_reader
    from janus_med.modalities.speech_wav import read_wav

    return load_reader(model).transcribe(*read_wav(recording))


def describe_transcript(transcript: Transcript) -> str:
    """Write the words with their confidences, or the reason why there are none."""
    if transcript.reason:
        return f"refused: {transcript.reason}"
    marked = zip(transcript.words, transcript.confidences, strict=True)
    return " ".join(f"{word} ({confidence:.2f})" for word, confidence in marked)
