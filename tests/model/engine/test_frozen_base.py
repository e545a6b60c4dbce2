"""What is covered: the base model is plain Hugging Face Janus, untouched by adapters, frozen in training, of
DeepSeek's shapes.

What is not: real Janus-Pro weights, which are not on the test machine.
"""

from __future__ import annotations

import pytest
import torch
from transformers import JanusForConditionalGeneration

from janus_med.adapters.generation import base_tensors
from janus_med.encoders import digest_tensors
from janus_med.expert import ExpertPlan, write_prompt
from janus_med.presets import GENERATION_ONLY, build_janus, drop_image_generation, find_preset
from janus_med.tokenizer import chat_prompt


def _prompt(nano, tokenizer, rows: int = 2):
    text = chat_prompt(write_prompt(ExpertPlan(())), nano.preset.image_tokens)
    return tokenizer([text] * rows, return_tensors="pt")


def test_base_is_the_unmodified_hugging_face_class(nano) -> None:
    assert type(nano.janus) is JanusForConditionalGeneration


def test_gate_zero_gives_bit_identical_logits_and_tokens(nano, nano_tokenizer, nano_pixels) -> None:
    prompt = _prompt(nano, nano_tokenizer)
    with torch.no_grad():
        plain = nano.janus(**prompt, pixel_values=nano_pixels).logits
        plain_text = nano.janus.generate(
            **prompt, pixel_values=nano_pixels, max_new_tokens=12, do_sample=False
        )
        nano.add_generation()
        images = nano.image_embeddings(nano.perceive(nano_pixels).cross)
        composed = nano.janus(**prompt, mm_encoder_outputs=images).logits
        composed_text = nano.janus.generate(
            **prompt, mm_encoder_outputs=images, max_new_tokens=12, do_sample=False
        )
    assert torch.equal(plain, composed)
    assert torch.equal(plain_text, composed_text)


def test_opened_gate_changes_the_logits(nano, nano_tokenizer, nano_pixels) -> None:
    prompt = _prompt(nano, nano_tokenizer)
    with torch.no_grad():
        plain = nano.janus(**prompt, pixel_values=nano_pixels).logits
        nano.attention.gate.fill_(0.5)
        images = nano.image_embeddings(nano.perceive(nano_pixels).cross)
        assert not torch.equal(plain, nano.janus(**prompt, mm_encoder_outputs=images).logits)


def test_training_the_adapters_leaves_every_base_tensor(nano, nano_tokenizer, nano_pixels) -> None:
    nano.encoder.freeze()
    nano.janus.requires_grad_(False)
    adapter = nano.add_generation()
    before = digest_tensors(base_tensors(nano.janus))
    nano.train()
    trained = [parameter for parameter in nano.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.1)
    aligner_before = digest_tensors(adapter.aligner.state_dict())
    prompt = _prompt(nano, nano_tokenizer)
    for _ in range(2):
        perception = nano.perceive(nano_pixels)
        images = nano.image_embeddings(perception.cross)
        loss = nano.janus(**prompt, mm_encoder_outputs=images, labels=prompt["input_ids"]).loss
        (loss + perception.understanding.logits.square().mean()).backward()
        optimiser.step()
    assert digest_tensors(base_tensors(nano.janus)) == before
    assert digest_tensors(adapter.aligner.state_dict()) != aligner_before


def test_encoder_stays_in_evaluation_mode_after_train(nano, nano_pixels) -> None:
    nano.encoder.freeze()
    nano.train()
    first = nano.encoder.encode(nano_pixels)
    assert not nano.janus.model.vision_model.training
    assert not first.requires_grad
    assert torch.equal(first, nano.encoder.encode(nano_pixels))


def test_digest_notices_one_changed_weight(nano) -> None:
    before = nano.encoder.digest()
    with torch.no_grad():
        nano.janus.model.vision_model.post_layernorm.bias[0] += 1e-6
    assert nano.encoder.digest() != before


def test_text_does_not_need_what_draws_images(nano, nano_tokenizer, nano_pixels) -> None:
    prompt = _prompt(nano, nano_tokenizer)
    with torch.no_grad():
        whole = nano.janus(**prompt, pixel_values=nano_pixels).logits
        drop_image_generation(nano.janus)
        assert torch.equal(whole, nano.janus(**prompt, pixel_values=nano_pixels).logits)
    assert not any(name in key for key in nano.janus.state_dict() for name in GENERATION_ONLY)


@pytest.mark.parametrize(("name", "tensors", "millions"), [("pro-1b", 964, 2076.6), ("pro-7b", 1018, 7407.8)])
def test_pro_presets_have_the_published_shapes(name: str, tensors: int, millions: float) -> None:
    janus = build_janus(find_preset(name), meta=True)
    state = janus.state_dict()
    assert len(state) == tensors
    assert round(sum(parameter.numel() for parameter in janus.parameters()) / 1e6, 1) == millions
    assert all(tensor.is_meta for tensor in state.values())


def test_base_preset_has_about_120_million_parameters() -> None:
    janus = build_janus(find_preset("base"), meta=True)
    drop_image_generation(janus)
    assert 105e6 < sum(parameter.numel() for parameter in janus.parameters()) < 135e6


def test_embeddings_are_not_tied(nano) -> None:
    assert nano.janus.lm_head.weight is not nano.janus.model.language_model.embed_tokens.weight
