"""Corpus, figures and training of the speech plug-in.

Covered: held-out sentences and voices, seeds, degradation; what is counted; a nano training that learns
held-out sentences and refuses noise, and its continuation from a checkpoint.
Not covered: any person's speech. Word accuracy of the whole vocabulary is measured by `bench/speech.py`.
"""

from __future__ import annotations

import json
import shutil
from random import Random

import numpy as np
import pytest
import torch

from janus_med.errors import Fatal
from janus_med.modalities.speech import SpeechReader
from janus_med.modalities.speech_ctc import UNKNOWN
from janus_med.modalities.speech_encoder import SpeechShape
from janus_med.modalities.speech_folder import MANIFEST, load_reader
from janus_med.modalities.speech_mel import RATE
from janus_med.training.speech_commands import fit_reader
from janus_med.training.speech_corpus import (
    HELD_OUT_VOICES,
    TRAINED_VOICES,
    Delivery,
    Utterance,
    resample,
    speak,
    speak_all,
    speak_part,
    speak_words,
)
from janus_med.training.speech_degrade import add_noise, add_room, degrade, make_noise
from janus_med.training.speech_figures import count_errors, measure_sets, word_accuracy
from janus_med.training.speech_grammar import (
    STRANGERS,
    UNHEARD_STRANGERS,
    is_held_out,
    make_up_word,
    put_stranger,
    vocabulary,
    write_part,
)
from janus_med.training.speech_stage import SpeechBatches, SpeechCorpus, SpeechRecipe, fit_speech
from tests.conftest import need

NANO_WORDS = ("and", "cough", "days", "fever", "five", "for", "left", "no", "pain", "right", "two", "weeks")
NANO_HELD_OUT = (
    "cough for two weeks",
    "fever for five days",
    "no fever and left pain",
    "no cough and right pain",
    "left pain for two days",
    "right pain for five weeks",
)


def tone(seconds: float, frequency: float = 440.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def test_vocabulary_is_closed_and_strange_words_are_outside_it():
    words = set(vocabulary())
    assert 80 <= len(words) <= 150
    assert not words & {*STRANGERS.split(), *UNHEARD_STRANGERS.split()}
    assert not {*STRANGERS.split()} & {*UNHEARD_STRANGERS.split()}
    written = write_part(300, False, Random(0)) + write_part(100, True, Random(1))
    assert {word for sentence in written for word in sentence.split()} <= words


def test_no_held_out_sentence_or_voice_is_trained_on():
    trained, held_out = write_part(2000, False, Random(0)), write_part(200, True, Random(0))
    assert not {*trained} & {*held_out}
    assert all(map(is_held_out, held_out))
    assert not any(map(is_held_out, trained))
    accents = {voice.split("+")[0] for voice in TRAINED_VOICES}
    timbres = {voice.partition("+")[2] for voice in TRAINED_VOICES}
    for voice in HELD_OUT_VOICES:
        accent, timbre = voice.split("+")
        assert accent not in accents
        assert timbre not in timbres


def test_resampling_keeps_a_tone():
    high = (0.3 * np.sin(2 * np.pi * 1_000 * np.arange(22_050) / 22_050)).astype(np.float32)
    np.testing.assert_allclose(resample(high, 22_050, RATE), tone(1, 1_000), atol=1e-4)


def test_noise_has_the_ratio_asked_for_and_a_room_keeps_the_length():
    rng = np.random.default_rng(0)
    noise = add_noise(tone(1), 10, rng) - tone(1)
    assert 10 * np.log10(np.mean(tone(1) ** 2) / np.mean(noise**2)) == pytest.approx(10, abs=0.01)
    assert add_room(tone(1), rng).shape == tone(1).shape


def test_degradation_is_decided_by_its_seed():
    one, same, other = (degrade(tone(1), np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert len(one) != len(other) or not np.array_equal(one, other)
    assert np.abs(one).max() <= 0.951


def test_strange_words_side_by_side_are_one_target():
    corpus = SpeechCorpus(("fever", "no"), [], [], [])
    batches = SpeechBatches(corpus, SpeechRecipe(), 0)
    assert batches.target("no red green fever blue") == [3, UNKNOWN, 2, UNKNOWN]


def test_errors_are_counted_as_the_fewest_edits():
    said = ["rule", "out", "pneumonia"]
    assert count_errors(said, ["rule", "out", "left", "pneumonia"]) == 1
    assert count_errors(said, ["out", "pneumothorax"]) == 2
    assert count_errors([], ["cough"]) == 1
    figure = word_accuracy([["no", "fever"], ["cough"]], [["fever"], ["cough"]], np.random.default_rng(0))
    assert (figure.value, figure.positives, figure.count) == (pytest.approx(2 / 3), 2, 3)
    assert figure.low <= figure.value <= figure.high


def test_missing_synthesiser_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Fatal, match="apt-get install espeak-ng"):
        speak("fever", Delivery("en-us"))


def need_synthesiser() -> None:
    need(shutil.which("espeak-ng"), "espeak-ng (apt-get install espeak-ng)")


def test_speech_repeats_by_seed_and_voices_differ():
    need_synthesiser()
    one, same, other = (speak_part("voice", 2, seed) for seed in (3, 3, 4))
    assert [u.sentence for u in one] == [u.sentence for u in same]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(one, same, strict=True))
    assert [u.sentence for u in one] != [u.sentence for u in other]
    male, female = (speak("chest pain", Delivery(voice)) for voice in ("en-us", "en-us+f2"))
    assert male.dtype == np.float32
    assert 0.3 < len(male) / RATE < 2
    assert len(male) != len(female) or not np.array_equal(male, female)


def test_text_that_looks_like_an_option_is_spoken_not_obeyed(tmp_path):
    need_synthesiser()
    assert len(speak(f"-w {tmp_path / 'written.wav'}", Delivery("en-us"))) > RATE // 2
    assert list(tmp_path.iterdir()) == []


def test_unknown_voice_is_an_error():
    need_synthesiser()
    with pytest.raises(Fatal, match="in voice xx-nowhere"):
        speak("fever", Delivery("xx-nowhere"))


def write_nano_part(count: int, held_out: bool, rng: Random) -> list[str]:
    """Sentences of a grammar of 20, six of which are held out."""
    sentences = (write_nano_sentence(rng) for _ in range(100 * count))
    return [sentence for sentence in sentences if (sentence in NANO_HELD_OUT) == held_out][:count]


def write_nano_strangers(count: int, strangers: list[str]) -> list[str]:
    rng = Random(6)
    return [put_stranger(sentence, strangers, rng) for sentence in write_nano_part(count, False, rng)]


def write_nano_sentence(rng: Random) -> str:
    side, symptom = rng.choice(["left", "right"]), rng.choice(["cough", "fever"])
    time = f"for {rng.choice(['two', 'five'])} {rng.choice(['days', 'weeks'])}"
    return rng.choice([f"{symptom} {time}", f"no {symptom} and {side} pain", f"{side} pain {time}"])


def tones_corpus() -> SpeechCorpus:
    """Three "words" that are tones: what a training repeats is the same for them as for speech."""
    words = ("high", "low", "mid")
    said = [
        Utterance(word, Delivery("tone"), tone(0.4, frequency))
        for word, frequency in zip(words, (3000, 300, 1000), strict=True)
    ]
    return SpeechCorpus(words, said, said, [])


def test_continued_training_ends_at_the_same_weights(tmp_path):
    recipe = SpeechRecipe(steps=4, batch=2, shape=SpeechShape(16, 1, 2, 5))

    def stop_after_two(stage: str, step: int, steps: int, loss: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    whole = fit_speech(tones_corpus(), recipe, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("janus_med.training.speech_stage.CHECKPOINT_STEPS", 2)
        with pytest.raises(KeyboardInterrupt):
            fit_speech(tones_corpus(), recipe, 5, tmp_path / "checkpoint", stop_after_two)
    seen: list[int] = []
    continued = fit_speech(
        tones_corpus(), recipe, 5, tmp_path / "checkpoint", lambda stage, step, steps, loss: seen.append(step)
    )
    assert seen == [3, 4]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name
    with pytest.raises(Fatal, match="another seed or recipe"):
        fit_speech(tones_corpus(), recipe, 6, tmp_path / "checkpoint")


@pytest.mark.slow
def test_a_trial_run_of_the_whole_vocabulary_leaves_a_folder_that_is_measured(tmp_path):
    need_synthesiser()
    recipe = SpeechRecipe(4, 2, 1, steps=2, batch=2, shape=SpeechShape(16, 1, 2, 5))
    steps: list[int] = []
    fit_reader(
        tmp_path,
        recipe,
        0,
        1,
        progress=lambda done, total: None,
        watcher=lambda stage, step, total, loss: steps.append(step),
    )
    assert steps == [1, 2]
    manifest = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    assert "not for clinical dictation" in manifest["what"]
    assert manifest["training"]["synthesiser"].startswith("eSpeak NG")
    reader = load_reader(tmp_path)
    assert reader.vocabulary == vocabulary()
    few = speak_part("sentences", 3, 1)
    figures = {(f.speech, f.by, f.measure): f.figure for f in measure_sets(reader, few, few, few, 1)}
    # the sentence itself is among the training utterances of this comparison
    assert figures["held-out sentences", "nearest training utterance", "word accuracy"].value == 1
    # two steps teach nothing: nothing may be given as heard
    assert figures["held-out sentences", "reader", "given, not refused"].positives == 0
    assert figures["noise alone", "reader", "refused"].value == 1


@pytest.mark.slow
def test_nano_training_learns_held_out_sentences_and_refuses_noise():
    need_synthesiser()
    torch.set_num_threads(1)
    trained = speak_all(write_nano_part(60, False, Random(0)), "train", Random(1))
    fresh = speak_all(write_nano_part(24, True, Random(2)), "train", Random(3))
    mixed = write_nano_strangers(
        40, [*STRANGERS.split(), *(make_up_word(Random(seed)) for seed in range(30))]
    )
    strange = speak_all(mixed, "train", Random(4))
    corpus = SpeechCorpus(NANO_WORDS, speak_words(4, 0, NANO_WORDS), trained, strange)
    recipe = SpeechRecipe(steps=400, rate=5e-3, batch=6, alone=0.4, shape=SpeechShape(64, 2, 4, 9))
    reader = SpeechReader(fit_speech(corpus, recipe, 0), NANO_WORDS)
    generator = np.random.default_rng(0)
    said = [utterance.sentence.split() for utterance in fresh]
    heard = [reader.spell(reader.hear(utterance.samples)) for utterance in fresh]
    assert word_accuracy(said, heard, generator).value > 0.75
    assert word_accuracy(said, [["pain"] * len(words) for words in said], generator).value < 0.3
    noises = [0.05 * make_noise(RATE, slope, generator) for slope in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert all(not reader.transcribe(noise, RATE).words for noise in noises)
