"""What is covered: our decoding writes the tokens of Hugging Face's ``generate``, alone and in a batch, with
the bundled weights and with random ones, and changes no weight.

What is not: CUDA, where no device is; the test then says so.
"""

from __future__ import annotations

from random import Random

import pytest
import torch

from janus_med.adapters.generation import base_tensors, lora_parameters
from janus_med.checkpoint import bundled_folder
from janus_med.encoders import digest_tensors
from janus_med.engine import JanusMed
from janus_med.errors import ModelFault
from janus_med.plain_generate import generate_plainly
from janus_med.presets import build_janus, find_preset
from janus_med.reading import Reading
from janus_med.text_answers import Prompt
from janus_med.text_decoder import TextDecoder
from janus_med.text_weights import merge_text_weights
from janus_med.tokenizer import ForbidComparison, _beginning
from janus_med.training.corpus import random_plan
from janus_med.writing import MAX_NEW_TOKENS, Writer
from tests.conftest import need
from tests.model.engine.test_bundled_model import _pixels


@pytest.fixture(scope="module")
def engine() -> JanusMed:
    need((bundled_folder() / "manifest.json").exists(), "bundled weights (janus_med/weights/tiny)")
    return JanusMed.load(None, "cpu")


@pytest.fixture
def adapted(nano):
    """A nano model whose LoRA is not zero."""
    nano.add_generation()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for _, parameter in lora_parameters(nano.janus):
            parameter.normal_(0, 0.2, generator=generator)
    return nano.requires_grad_(False).eval()


def _answer(writer: Writer, plan, image: torch.Tensor, limit: int = MAX_NEW_TOKENS):
    end = writer._tokenizer.eos_token_id
    return writer._decoder.decode([writer.prompt(plan, image)], end, limit)[0]


def _images(model, seed: int, count: int) -> torch.Tensor:
    size = model.preset.image_size
    pixels = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)
    return model.image_embeddings(model.perceive(pixels).cross)["image"].pooler_output


@pytest.mark.parametrize("plans", [range(6), pytest.param(range(6, 60), marks=pytest.mark.slow)])
def test_random_plans_get_the_tokens_of_plain_generate(engine: JanusMed, plans: range) -> None:
    writer, images = engine._writer, _images(engine.model, 0, 5)
    for number in plans:
        plan, image = random_plan(Random(number)), images[number % 5]
        plain, _ = generate_plainly(engine.model, writer._tokenizer, plan, image, 64)
        assert _answer(writer, plan, image, 64).tokens == plain, f"plan {number}"


def test_a_real_film_gets_the_tokens_of_plain_generate(engine: JanusMed, chest_radiograph) -> None:
    from janus_med.planning import plan_report
    from janus_med.readings import read_findings

    perception = engine._perceive(_pixels(chest_radiograph, engine.info.image_size))
    plan = plan_report(read_findings(engine.model, perception, 0))
    image = engine.model.image_embeddings(perception.cross)["image"].pooler_output[0]
    plain, output = generate_plainly(
        engine.model, engine.tokenizer, plan, image, MAX_NEW_TOKENS, output_logits=True
    )
    answer = _answer(engine._writer, plan, image)
    shares = [float(step[0].softmax(-1)[token]) for step, token in zip(output.logits, plain, strict=True)]
    assert answer.tokens == plain
    assert answer.probabilities == pytest.approx(shares, abs=1e-4)


def test_random_weights_with_adapters_get_the_tokens_of_plain_generate(adapted, nano_tokenizer) -> None:
    writer, images = Writer(adapted, nano_tokenizer), _images(adapted, 1, 3)
    for number in range(12):
        plan, image = random_plan(Random(100 + number)), images[number % 3]
        plain, _ = generate_plainly(adapted, nano_tokenizer, plan, image, 48)
        assert _answer(writer, plan, image, 48).tokens == plain


def test_grouped_keys_and_projection_biases_are_read_as_hugging_face_reads_them(nano_tokenizer) -> None:
    from transformers import JanusForConditionalGeneration

    from janus_med.model import MedicalJanus

    preset = find_preset("nano")
    config = build_janus(preset, {"vocab_size": len(nano_tokenizer), "image": 3}).config
    config.text_config.num_key_value_heads = 1
    config.text_config.attention_bias = config.text_config.mlp_bias = True
    torch.manual_seed(8)
    janus = JanusForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in janus.model.language_model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model = MedicalJanus(janus, preset).eval()
    writer, image = Writer(model, nano_tokenizer), _images(model, 4, 1)[0]
    for number in range(4):
        plan = random_plan(Random(number))
        assert (
            _answer(writer, plan, image, 24).tokens
            == (generate_plainly(model, nano_tokenizer, plan, image, 24)[0])
        )


def test_a_batch_writes_what_each_row_writes_alone(engine: JanusMed) -> None:
    writer, images = engine._writer, _images(engine.model, 2, 6)
    prompts = [
        writer.prompt(random_plan(Random(40 + row)), image) for row, image in enumerate(images)
    ]  # of different lengths, so that padding is exercised
    assert len({len(prompt.ids) for prompt in prompts}) > 1
    end = writer._tokenizer.eos_token_id
    together = writer._decoder.decode(prompts, end, 96, capture=True)
    for prompt, answer in zip(prompts, together, strict=True):
        alone = writer._decoder.decode([prompt], end, 96, capture=True)[0]
        assert answer.tokens == alone.tokens
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-4)
        assert torch.allclose(answer.attention, alone.attention, atol=1e-5)


def test_read_batch_says_what_read_says(engine: JanusMed, chest_radiograph) -> None:
    film = _pixels(chest_radiograph, engine.info.image_size)
    batch = torch.cat([film, film.flip(-1), torch.full_like(film, float("nan"))])
    first, mirrored, broken = engine.read_batch(batch)
    assert isinstance(broken, ModelFault)
    for reading, row in ((first, 0), (mirrored, 1)):
        assert isinstance(reading, Reading)
        alone = engine.read(batch[row : row + 1])
        assert [sentence.text for sentence in reading.sentences] == [s.text for s in alone.sentences]
        assert [finding.decision for finding in reading.findings] == [f.decision for f in alone.findings]


def test_decoding_changes_no_weight_and_merging_is_exact(adapted, nano_tokenizer) -> None:
    before = digest_tensors(base_tensors(adapted.janus) | adapted.adapter_state())
    weights = merge_text_weights(adapted.janus, torch.float32)
    _answer(Writer(adapted, nano_tokenizer), random_plan(Random(0)), _images(adapted, 1, 1)[0], 8)
    assert digest_tensors(base_tensors(adapted.janus) | adapted.adapter_state()) == before
    projection = adapted.janus.model.language_model.layers[0].self_attn.q_proj
    states = torch.randn(5, weights.layers[0].mix[0].shape[1])
    merged = torch.nn.functional.linear(states, weights.layers[0].mix[0])[:, : projection.out_features]
    assert torch.allclose(merged, projection(states), atol=1e-5)


def test_a_compiled_step_that_fails_is_replaced(adapted, nano_tokenizer, monkeypatch) -> None:
    def refuse(function, **_options):
        def fail(*_args):
            raise RuntimeError("no compiler")

        return fail

    image, plan = _images(adapted, 1, 1)[0], random_plan(Random(3))
    expected = _answer(Writer(adapted, nano_tokenizer), plan, image, 16).tokens
    monkeypatch.setattr(torch, "compile", refuse)
    decoder = TextDecoder(adapted, compiled=True)
    assert decoder.is_compiled
    with pytest.warns(UserWarning, match="without a compiled step"):
        answer = _answer(Writer(adapted, nano_tokenizer, decoder), plan, image, 16)
    assert answer.tokens == expected
    assert not decoder.is_compiled


def test_the_shapes_of_a_compiled_step_give_the_same_tokens(adapted, nano_tokenizer, monkeypatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_options: function)
    writer, images = (
        Writer(adapted, nano_tokenizer, TextDecoder(adapted, compiled=True)),
        _images(adapted, 1, 2),
    )
    plain = Writer(adapted, nano_tokenizer)
    for number in range(4):  # the second use of a cache must not see the first
        plan, image = random_plan(Random(number)), images[number % 2]
        assert _answer(writer, plan, image, 24).tokens == _answer(plain, plan, image, 24).tokens


@pytest.mark.slow
def test_a_step_compiled_on_the_cpu_gives_the_same_tokens(adapted, nano_tokenizer) -> None:
    image, plan = _images(adapted, 1, 1)[0], random_plan(Random(5))
    decoder = TextDecoder(adapted, compiled=True)
    compiled = _answer(Writer(adapted, nano_tokenizer, decoder), plan, image, 24)
    need(decoder.is_compiled, "a C++ compiler for torch.compile")
    assert compiled.tokens == _answer(Writer(adapted, nano_tokenizer), plan, image, 24).tokens


def test_cuda_writes_the_tokens_of_the_cpu(adapted, nano_tokenizer) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: graphs and bfloat16 of the decoder are not run on this machine")
    image, plan = _images(adapted, 1, 1)[0], random_plan(Random(5))
    expected = _answer(Writer(adapted, nano_tokenizer), plan, image, 24).tokens
    decoder = TextDecoder(adapted.to("cuda"), dtype=torch.float32)
    assert _answer(Writer(adapted, nano_tokenizer, decoder), plan, image, 24).tokens == expected


def test_a_prompt_with_a_missing_image_is_refused(adapted, nano_tokenizer) -> None:
    writer = Writer(adapted, nano_tokenizer)
    ids = writer.prompt(random_plan(Random(0)), _images(adapted, 1, 1)[0]).ids
    with pytest.raises(ValueError, match="16 image placeholders"):
        writer._decoder.decode([Prompt(ids)], 1, 4)


def test_a_rotary_embedding_that_depends_on_the_length_is_refused(nano) -> None:
    nano.janus.config.text_config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    with pytest.raises(ValueError, match="dynamic"):
        merge_text_weights(nano.janus, torch.float32)


def test_the_ban_of_a_tail_is_the_ban_of_the_whole_text(nano_tokenizer) -> None:
    ban = ForbidComparison(nano_tokenizer, 0)
    rng = Random(2)
    for text in ("There is no lon", "Unchang", "no  ", "The heart is st", "ÄÖ new", "sin"):
        noise = [rng.randrange(len(nano_tokenizer)) for _ in range(60)]
        ids = noise + nano_tokenizer(text, add_special_tokens=False).input_ids
        whole = nano_tokenizer.decode(ids, skip_special_tokens=True)
        assert ban.forbidden_after(ids) == ban._forbidden(_beginning(whole))
