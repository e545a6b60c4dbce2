"""The speech plug-in, untrained.

Covered: front end against a Fourier transform written out; padding, shift and gain; CTC by hand; refusals;
the shut gate in front of the language model; folders, WAV files, the command. `test_speech_training.py` has
the corpus and the training.
"""

from __future__ import annotations

import wave

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from janus_med.encoders import digest_tensors
from janus_med.errors import ModelUnavailable, UnreadableInput
from janus_med.modalities.speech import SpeechReader
from janus_med.modalities.speech_bridge import SpeechBridge
from janus_med.modalities.speech_ctc import BLANK, MARKS, UNKNOWN, decode_words
from janus_med.modalities.speech_encoder import SpeechEncoder, SpeechShape
from janus_med.modalities.speech_folder import MANIFEST, WEIGHTS, load_reader, save_reader
from janus_med.modalities.speech_mel import (
    BANDS,
    FLOOR,
    HIGHEST,
    HOP,
    LOWEST,
    RATE,
    WINDOW,
    LogMel,
    hertz_to_mel,
    normalise,
)
from janus_med.modalities.speech_wav import read_wav
from janus_med.training.cli import model_app
from janus_med.training.speech_degrade import make_noise
from janus_med.training.speech_grammar import (
    vocabulary,
)
from janus_med.training.speech_stage import ctc_loss

NANO_SHAPE = SpeechShape(width=32, blocks=2, heads=4, reach=9)
NANO_WORDS = ("and", "cough", "days", "fever", "five", "for", "left", "no", "pain", "right", "two", "weeks")


def tone(seconds: float, frequency: float = 440.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise whose loudness changes several times a second, as that of speech does."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0.02, 0.3, int(seconds * 8) + 1), RATE // 8)[: int(seconds * RATE)]
    return (loudness * make_noise(int(seconds * RATE), 1.0, rng)).clip(-0.9, 0.9).astype(np.float32)


@pytest.fixture
def encoder() -> SpeechEncoder:
    """An untrained nano encoder."""
    torch.manual_seed(0)
    return SpeechEncoder(NANO_SHAPE, len(MARKS) + len(NANO_WORDS)).eval().requires_grad_(False)


@pytest.fixture
def sure_reader(encoder) -> SpeechReader:
    """A reader that hears its first word in every sound with certainty, so that a refusal is not its own."""
    encoder.classify.weight.zero_()
    encoder.classify.bias.zero_()[len(MARKS)] = 20.0
    return SpeechReader(encoder, NANO_WORDS)


def logits_of(path: list[int], classes: int = 5, height: float = 4.0) -> torch.Tensor:
    return height * torch.nn.functional.one_hot(torch.tensor(path), classes).float()


def test_log_mel_equals_a_fourier_sum_written_out():
    samples = babble(0.06)
    frame, sample = 2, np.arange(WINDOW)
    piece = samples[frame * HOP : frame * HOP + WINDOW].astype(np.float64)
    piece = piece * (0.5 - 0.5 * np.cos(2 * np.pi * sample / WINDOW))
    power = np.array(
        [abs(np.sum(piece * np.exp(-2j * np.pi * index * sample / 512))) ** 2 for index in range(257)]
    )
    mels = np.linspace(hertz_to_mel(LOWEST), hertz_to_mel(HIGHEST), BANDS + 2)
    edges, frequencies = 700 * (10 ** (mels / 2595) - 1), np.arange(257) * RATE / 512
    bands = [
        np.sum(power * np.interp(frequencies, edges[band : band + 3], [0, 1, 0], left=0, right=0))
        for band in range(BANDS)
    ]
    ours = LogMel()(torch.from_numpy(samples))
    assert ours.shape == (1 + (len(samples) - WINDOW) // HOP, BANDS)
    np.testing.assert_allclose(ours[frame].numpy(), np.log(np.array(bands) + FLOOR), atol=2e-3)


def test_a_tone_is_loudest_in_the_band_around_its_frequency():
    mels = np.linspace(hertz_to_mel(LOWEST), hertz_to_mel(HIGHEST), BANDS + 2)[1:-1]
    for frequency in (300.0, 1000.0, 4000.0):
        loudest = LogMel()(torch.from_numpy(tone(0.2, frequency))).mean(dim=0).argmax()
        assert int(loudest) == int(np.abs(mels - hertz_to_mel(frequency)).argmin())


def test_sound_that_starts_later_moves_by_whole_frames():
    samples = babble(0.5)
    later = np.concatenate([np.zeros(7 * HOP, np.float32), samples])
    torch.testing.assert_close(
        LogMel()(torch.from_numpy(later))[7:], LogMel()(torch.from_numpy(samples)), rtol=0, atol=1e-5
    )


def test_too_few_samples_for_a_window_are_an_error():
    with pytest.raises(ValueError, match="n >= 400"):
        LogMel()(torch.zeros(WINDOW - 1))


def test_gain_does_not_change_the_normalised_spectrogram():
    samples = torch.from_numpy(babble(0.5))
    loud, soft = (normalise(LogMel()(samples * gain)) for gain in (1.0, 0.2))
    torch.testing.assert_close(loud, soft, rtol=0, atol=5e-3)


def test_padding_in_a_batch_changes_no_token(encoder):
    torch.manual_seed(1)
    short, long = torch.randn(61, BANDS), torch.randn(140, BANDS)
    padded = torch.nn.utils.rnn.pad_sequence([short, long], batch_first=True)
    together = encoder(padded, torch.tensor([61, 140]))
    alone = encoder(short[None], torch.tensor([61]))
    assert together.lengths.tolist() == [11, 24]
    torch.testing.assert_close(together.tokens[0, :11], alone.tokens[0], rtol=0, atol=1e-5)
    assert together.tokens[0, 11:].abs().max() == 0
    # what lies behind the end may be anything
    padded[0, 61:] = 50.0
    torch.testing.assert_close(encoder(padded, torch.tensor([61, 140])).logits[0, :11], alone.logits[0])


def test_the_default_encoder_is_small_enough():
    encoder = SpeechEncoder(SpeechShape(), len(MARKS) + len(vocabulary()))
    assert sum(parameter.numel() for parameter in encoder.parameters()) < 1_500_000


def test_ctc_removes_repeats_and_blanks():
    heard = decode_words(logits_of([0, 3, 3, 0, 3, 2, 2, 0, 0, 4]))
    assert [(word.index, word.token) for word in heard] == [(3, 1), (3, 4), (2, 5), (4, 9)]


def test_confidence_is_that_of_the_surest_token_of_a_word():
    logits = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 3.0], [0.0, 0.0, 2.0]])
    (word,) = decode_words(logits)
    assert word.confidence == pytest.approx(np.exp(3) / (np.exp(3) + 2), abs=1e-6)


def test_only_blanks_are_no_words():
    assert decode_words(logits_of([BLANK] * 6)) == ()


def test_loss_is_small_for_the_right_words_and_for_silence_without_words(encoder):
    heard = encoder(torch.zeros(1, 24, BANDS), torch.tensor([24]))
    good = torch.tensor([0, 3, 0, 2])
    logits = logits_of(good.tolist(), heard.logits.shape[2], 30.0)[None]
    made = type(heard)(heard.tokens, logits, logits, torch.tensor([4]))
    assert float(ctc_loss(made, [[3, 2]])) < 1e-3 < float(ctc_loss(made, [[2, 3]]))
    empty = logits_of([BLANK] * 4, heard.logits.shape[2], 30.0)[None]
    assert float(ctc_loss(type(heard)(heard.tokens, empty, empty, torch.tensor([4])), [[]])) < 1e-3


@pytest.mark.parametrize(
    ("samples", "rate", "reason"),
    [
        (tone(1), 8_000, "8000 samples a second"),
        (tone(20.1), RATE, "at most 20 s"),
        (tone(0.2), RATE, "too short"),
        (np.zeros(RATE, np.float32), RATE, "silence"),
        (np.full(RATE, 0.5, np.float32), RATE, "silence"),
        (tone(1, level=1e-3), RATE, "silence"),
        ((4 * tone(1)).clip(-1, 1), RATE, "clipped"),
        (np.where(np.arange(RATE) == 9, np.nan, tone(1)).astype(np.float32), RATE, "not numbers"),
    ],
)
def test_recording_that_cannot_be_listened_to_is_refused_with_its_reason(sure_reader, samples, rate, reason):
    transcript = sure_reader.transcribe(samples, rate)
    assert reason in transcript.reason
    assert transcript.words == transcript.confidences == ()


def test_a_recording_without_fault_reaches_the_encoder(sure_reader):
    transcript = sure_reader.transcribe(babble(1), RATE)
    assert (transcript.text, transcript.reason) == ("and", "")
    assert transcript.confidences[0] > 0.99


def test_misuse_is_an_error_not_a_transcript(sure_reader):
    with pytest.raises(ValueError, match="floating-point"):
        sure_reader.transcribe(np.zeros(RATE, np.int16), RATE)
    with pytest.raises(ValueError, match="floating-point"):
        sure_reader.transcribe(np.zeros((2, RATE), np.float32), RATE)


@pytest.mark.parametrize(
    ("index", "height", "reason"),
    [
        (BLANK, 20.0, "no word of the vocabulary"),
        (UNKNOWN, 20.0, "outside the vocabulary"),
        (5, 1.0, "confidence"),
    ],
)
def test_what_was_not_heard_for_certain_is_refused_as_a_whole(sure_reader, index, height, reason):
    sure_reader.encoder.classify.bias.zero_()[index] = height
    transcript = sure_reader.transcribe(babble(1), RATE)
    assert reason in transcript.reason
    assert transcript.words == ()


def test_reader_with_other_words_than_its_encoder_is_refused(encoder):
    with pytest.raises(ValueError, match="14 classes of the encoder, 3 names"):
        SpeechReader(encoder, ("fever",))


def test_a_shut_gate_leaves_every_logit_of_the_language_model_as_it_was(nano):
    torch.manual_seed(2)
    language = nano.janus.model.language_model
    prompt = nano.janus.get_input_embeddings()(torch.arange(20, 32)[None]).detach()
    bridge = SpeechBridge(NANO_SHAPE.width, prompt.shape[2])
    tokens, base = torch.randn(1, 9, NANO_SHAPE.width), digest_tensors(nano.janus.state_dict())
    assert bridge.project(tokens).shape == (1, 9, prompt.shape[2])
    with torch.no_grad():
        plain = language(inputs_embeds=prompt).last_hidden_state
        assert torch.equal(language(inputs_embeds=bridge(prompt, tokens)).last_hidden_state, plain)
        bridge.gate.fill_(0.5)
        assert not torch.equal(language(inputs_embeds=bridge(prompt, tokens)).last_hidden_state, plain)
    assert digest_tensors(nano.janus.state_dict()) == base


def test_gradients_open_the_gate_and_reach_no_base_tensor(nano):
    torch.manual_seed(2)
    prompt = nano.janus.get_input_embeddings()(torch.arange(20, 26)[None]).detach()
    bridge = SpeechBridge(NANO_SHAPE.width, prompt.shape[2])
    nano.requires_grad_(False)
    read = bridge(prompt, torch.randn(1, 9, NANO_SHAPE.width))
    nano.janus.model.language_model(inputs_embeds=read).last_hidden_state.square().mean().backward()
    assert bridge.gate.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in nano.parameters())


def test_folder_gives_the_same_words_back_and_refuses_a_changed_file(sure_reader, tmp_path):
    save_reader(tmp_path, sure_reader, {"seed": 0})
    loaded = load_reader(tmp_path)
    assert loaded.transcribe(babble(1), RATE) == sure_reader.transcribe(babble(1), RATE)
    content = bytearray((tmp_path / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelUnavailable, match="not the file its manifest names"):
        load_reader(tmp_path)
    (tmp_path / MANIFEST).write_text("[]", encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="not a speech encoder"):
        load_reader(tmp_path)
    with pytest.raises(ModelUnavailable, match="fit-speech"):
        load_reader(tmp_path / "nothing")


def write_wav(path, samples: np.ndarray, rate: int = RATE, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())


def test_wav_file_is_read_and_others_are_refused(tmp_path):
    write_wav(tmp_path / "a.wav", tone(0.5), 8_000)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == 8_000
    np.testing.assert_allclose(samples, tone(0.5), atol=1e-4)
    write_wav(tmp_path / "two.wav", tone(0.5), channels=2)
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    for name, problem in (("two", "2 channels"), ("text", "not a readable WAV"), ("none", "not a readable")):
        with pytest.raises(UnreadableInput, match=problem):
            read_wav(tmp_path / f"{name}.wav")


def test_command_prints_words_or_the_reason_and_exits_2(sure_reader, tmp_path):
    save_reader(tmp_path / "model", sure_reader, {})
    write_wav(tmp_path / "sound.wav", babble(1))
    write_wav(tmp_path / "silence.wav", np.zeros(RATE))
    folder = ["--model", str(tmp_path / "model")]
    said = CliRunner().invoke(model_app, ["transcribe", str(tmp_path / "sound.wav"), *folder])
    assert (said.exit_code, said.output) == (0, "and (1.00)\n")
    silent = CliRunner().invoke(model_app, ["transcribe", str(tmp_path / "silence.wav"), *folder])
    assert silent.exit_code == 2
    assert silent.output.startswith("refused: silence")
