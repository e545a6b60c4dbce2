"""What is covered: the captured attention is that of eager Hugging Face, and capture changes no token."""

from __future__ import annotations

from random import Random

import pytest
import torch

from janus_med.capture import capture_attention
from janus_med.checkpoint import bundled_folder
from janus_med.engine import JanusMed
from janus_med.plain_generate import generate_plainly
from janus_med.sentence_maps import map_sentences
from janus_med.training.corpus import random_plan
from janus_med.writing import Writer, Written
from tests.conftest import need
from tests.model.engine.test_bundled_model import _pixels

LIMIT = 20
TOLERANCE = 1e-5


@pytest.fixture
def turn(nano, nano_tokenizer, nano_pixels):
    """A nano model, a plan, an image, and what eager attention says of them: tokens and (T, N) rows."""
    nano.add_generation()
    image = nano.image_embeddings(nano.perceive(nano_pixels[:1]).cross)["image"].pooler_output[0].detach()
    plan = random_plan(Random(6))
    writer = Writer(nano, nano_tokenizer)
    prompt = writer.prompt(plan, image)
    columns = torch.nonzero(torch.tensor(prompt.ids) == nano.janus.config.image_token_id)[:, 0]
    language = nano.janus.model.language_model
    before = language.config._attn_implementation
    language.set_attn_implementation("eager")
    tokens, output = generate_plainly(nano, nano_tokenizer, plan, image, LIMIT, output_attentions=True)
    language.set_attn_implementation(before)
    rows = torch.stack(
        [torch.stack(step)[:, 0, :, -1].mean(dim=(0, 1))[columns] for step in output.attentions]
    )
    return writer, prompt, columns, tokens, rows


def test_the_decoder_captures_what_eager_attention_shows(turn) -> None:
    writer, prompt, _, tokens, rows = turn
    answer = writer._decoder.decode([prompt], writer._tokenizer.eos_token_id, LIMIT, capture=True)[0]
    assert answer.tokens == tokens
    assert answer.attention.shape == rows.shape
    assert float((answer.attention - rows).abs().max()) < TOLERANCE
    assert float(rows.std()) > 10 * TOLERANCE  # the comparison would notice another map


def test_without_capture_the_tokens_are_the_same_and_no_map_comes(turn) -> None:
    writer, prompt, _, tokens, _ = turn
    answer = writer._decoder.decode([prompt], writer._tokenizer.eos_token_id, LIMIT)[0]
    assert answer.tokens == tokens
    assert answer.attention is None


def test_the_registered_function_captures_the_same_inside_generate(turn, nano, nano_tokenizer) -> None:
    _, prompt, columns, tokens, rows = turn
    language = nano.janus.model.language_model
    before = language.config._attn_implementation
    with capture_attention(nano.janus, columns) as capture:
        captured, _ = generate_plainly(nano, nano_tokenizer, random_plan(Random(6)), prompt.image, LIMIT)
    assert captured == tokens
    steps = capture.steps(len(language.layers))[:, 0]
    assert float((steps - rows).abs().max()) < TOLERANCE
    assert language.config._attn_implementation == before
    assert not any(hasattr(layer.self_attn, "image_capture") for layer in language.layers)


def test_explain_maps_the_sentences_of_the_reading(chest_radiograph) -> None:
    need((bundled_folder() / "manifest.json").exists(), "bundled weights (janus_med/weights/tiny)")
    engine = JanusMed.load(None, "cpu")
    pixels = _pixels(chest_radiograph, engine.info.image_size)
    explained = engine.explain(pixels)
    generated = [sentence for sentence in engine.read(pixels).sentences if not sentence.by_rule]
    assert [one.sentence for one in explained] == generated
    for one in explained:
        assert one.attention.shape == (14, 14)
        assert 0 <= one.attention.min() < one.attention.max() == 1
    if len(explained) > 1:
        assert not (explained[0].attention == explained[-1].attention).all()


def test_a_sentence_takes_the_rows_of_its_own_tokens() -> None:
    text = "FINDINGS: A b. C.\nIMPRESSION: D."
    owners = tuple(0 if place < 14 else 1 if place < 17 else 2 for place in range(len(text)))
    rows = torch.tensor([[1.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 4.0]])
    written = Written(text, (1.0,) * len(text), owners, rows)
    maps = map_sentences(written, [None] * 3, 2)
    assert [one.attention.tolist() for one in maps] == [
        [[1, 0], [0, 0]],
        [[0, 1], [0, 0]],
        [[0, 0], [0, 1]],
    ]


def test_a_text_without_capture_has_no_maps() -> None:
    with pytest.raises(ValueError, match="without capture"):
        map_sentences(Written("", ()), [], 2)
