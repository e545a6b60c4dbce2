"""What is covered: the base model is plain Hugging Face Janus, untouched by adapters, frozen in training, of
DeepSeek's shapes.

What is not: real Janus-Pro weights, which are not on the test machine.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import JanusForConditionalGeneration

from janus_med.adapters.generation import base_tensors
from janus_med.checkpoint import adopt_folder, load_model
from janus_med.convert import convert_folder
from janus_med.encoders import digest_tensors
from janus_med.errors import Fatal
from janus_med.expert import ExpertPlan, write_prompt
from janus_med.presets import GENERATION_ONLY, build_janus, drop_image_generation, find_preset
from janus_med.tokenizer import chat_prompt
from janus_med.training.data import ImageStore, read_cases
from janus_med.training.recipe import RECIPES, STAGES
from janus_med.training.run import MAKERS, TRAINED_BASE, Limits, TrainingRun
from janus_med.training.stages import Bench
from tests.model.engine import original_janus


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_converted_folder_gives_bit_identical_logits_and_tokens(
    dtype: torch.dtype, tmp_path: Path, nano_pixels
) -> None:
    preset = find_preset("nano")
    weights = original_janus.random_tensors(original_janus.original_shapes(preset, 360), 3, dtype)
    tokenizer = original_janus.look_alike_tokenizer()
    original_janus.write_original_folder(tmp_path / "original", preset, weights, tokenizer)
    convert_folder(tmp_path / "original", tmp_path / "converted")
    manifest = adopt_folder(tmp_path / "converted", tmp_path / "ours")
    with pytest.warns(UserWarning, match="not fitted"):
        model, own = load_model(tmp_path / "ours", manifest)
    plain = JanusForConditionalGeneration.from_pretrained(
        tmp_path / "converted", local_files_only=True, dtype=dtype
    ).eval()
    prompt = _prompt(model, own)
    with torch.no_grad():
        images = model.image_embeddings(model.perceive(nano_pixels).cross)
        ours = model.janus(**prompt, mm_encoder_outputs=images).logits
        theirs = plain(**prompt, pixel_values=nano_pixels).logits
        options = {"max_new_tokens": 12, "do_sample": False}
        our_text = model.janus.generate(**prompt, mm_encoder_outputs=images, **options)
        their_text = plain.generate(**prompt, pixel_values=nano_pixels, **options)
    assert ours.dtype == theirs.dtype == dtype
    assert torch.equal(ours, theirs)
    assert torch.equal(our_text, their_text)


@pytest.fixture(scope="module")
def store(film_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return ImageStore(read_cases(film_folder), 64, tmp_path_factory.mktemp("cache"), None)


def _bench(nano, nano_tokenizer, store: ImageStore, stage: str) -> Bench:
    recipe = replace(RECIPES["nano"], pool=32)
    stages = {
        name: replace(one, steps=2 if name == stage else 0, batch=4) for name, one in recipe.stages.items()
    }
    return Bench(nano, nano_tokenizer, store, replace(recipe, stages=stages), 0)


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_a_stage_changes_nothing_of_the_base_but_what_it_trains(
    stage: str, nano, nano_tokenizer, store: ImageStore, tmp_path: Path
) -> None:
    trained = TRAINED_BASE.get(stage, ())
    before = {name: tensor.clone() for name, tensor in base_tensors(nano.janus).items()}
    run = TrainingRun(_bench(nano, nano_tokenizer, store, stage), tmp_path, lambda *_: None, Limits())
    run._run_stage(stage)
    after = base_tensors(nano.janus)
    kept = {name for name in before if not name.startswith(trained)}
    assert digest_tensors({name: before[name] for name in kept}) == digest_tensors(
        {name: after[name] for name in kept}
    )
    assert before.keys() == after.keys()
    assert bool(trained) == any(not torch.equal(before[name], after[name]) for name in before.keys() - kept)


@pytest.mark.parametrize("stage", ["understanding", "scope", "generation"])
def test_the_stages_of_a_fit_leave_the_whole_base(stage: str) -> None:
    assert stage not in TRAINED_BASE


class Careless:
    """A stage that trains a part of the base which is none of its business."""

    name = "understanding"

    def __init__(self, bench: Bench) -> None:
        self._head = bench.model.janus.lm_head.requires_grad_(True)

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        return {"head": self._head}

    def loss(self, step: int) -> torch.Tensor:
        return self._head.weight.square().sum()


def test_a_stage_that_changes_a_frozen_base_tensor_is_stopped(
    nano, nano_tokenizer, store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MAKERS, "understanding", Careless)
    bench = _bench(nano, nano_tokenizer, store, "understanding")
    run = TrainingRun(bench, tmp_path, lambda *_: None, Limits())
    with pytest.raises(Fatal, match="frozen weight changed in stage understanding"):
        run._run_stage("understanding")
