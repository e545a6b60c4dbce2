"""What is covered: a compressed folder is smaller, checked, loaded like any other, and says what it is.

What is not: how well a compressed model reads; `python -m bench.compress` measures that.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import JanusForConditionalGeneration
from typer.testing import CliRunner

from janus_med.adapters.generation import base_tensors, lora_parameters
from janus_med.checkpoint import MANIFEST, WEIGHTS, load_model, save_model, verify_folder
from janus_med.compress import Compression, compress_folder
from janus_med.compress_agreement import FactCount, measure_agreement, measure_latency
from janus_med.compress_importance import Importance, measure_importance
from janus_med.compress_int8 import dequantise, holds_int8, quantise, restore_floats, save_int8
from janus_med.compress_prune import PrunePlan, plan_pruning, prune_adapters, prune_base, prune_config
from janus_med.compress_recover import Lesson, _loss, recover
from janus_med.engine import JanusMed
from janus_med.errors import Fatal, ModelUnavailable
from janus_med.model import MedicalJanus
from janus_med.presets import build_config, find_preset
from janus_med.training.cli import model_app
from janus_med.training.data import ImageStore, read_cases
from janus_med.training.samples import Sample, Sampler


@pytest.fixture
def whole(nano, nano_tokenizer, tmp_path):
    """A model folder with random weights."""
    nano.add_generation()
    with torch.no_grad():
        for name, parameter in nano.janus.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    save_model(tmp_path / "whole", nano, nano_tokenizer, "nano-test")
    return tmp_path / "whole"


class RealFilms(Sampler):
    """Films as they are: insertion of lesions takes most of the time and teaches this test nothing."""

    def __init__(self, folder, cache) -> None:
        super().__init__(ImageStore(read_cases(folder)[:12], 64, cache), "train", 4)

    def draw(self, rng, brush="trained"):
        index = int(rng.integers(len(self._store.cases)))
        labels = self._store.cases[index].labels
        return Sample(self._store.grey(index), labels, np.zeros((14, 4, 4), np.float32))


def _logits(folder, pixels):
    model, _ = load_model(folder, verify_folder(folder))
    with torch.no_grad():
        return model.perceive(pixels).understanding.logits


def test_int8_rounds_each_row_to_half_a_step() -> None:
    weight = torch.randn(6, 4, 3, 3) * torch.logspace(-3, 2, 6)[:, None, None, None]
    weight[2] = 0
    rounded, scale = quantise(weight)
    assert rounded.dtype == torch.int8
    assert scale.shape == (6,)
    error = (dequantise(rounded, scale) - weight).abs().flatten(1).amax(1)
    assert bool((error <= scale / 2 * 1.001).all())
    assert int(rounded.abs().max()) == 127


def test_int8_folder_is_loaded_like_any_and_says_nearly_the_same(whole, tmp_path, nano_pixels) -> None:
    report = compress_folder(whole, tmp_path / "small", Compression(int8=True))
    assert report["bytes"]["after"] == (tmp_path / "small" / WEIGHTS).stat().st_size
    assert report["ratio"] < 0.62  # biases, norms and scales weigh more in a model this small
    before, after = _logits(whole, nano_pixels), _logits(tmp_path / "small", nano_pixels)
    assert 0 < float((before - after).abs().max()) < 0.05 * float(before.abs().max())
    assert JanusMed.load(tmp_path / "small", "cpu").info.id == "nano-test-int8"


def test_every_matrix_of_an_int8_file_is_int8(whole, tmp_path) -> None:
    compress_folder(whole, tmp_path / "small", Compression(int8=True))
    matrices = {name for name, tensor in load_file(whole / WEIGHTS).items() if tensor.dim() >= 2}
    with safe_open(tmp_path / "small" / WEIGHTS, framework="pt") as file:
        types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert {name for name, kind in types.items() if kind == "I8"} == matrices
    assert holds_int8(tmp_path / "small" / WEIGHTS)
    assert not holds_int8(whole / WEIGHTS)


def test_a_quantiser_that_does_nothing_is_noticed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("janus_med.compress_int8.quantise", lambda weight: (weight, torch.ones(len(weight))))
    with pytest.raises(ModelUnavailable, match="not int8"):
        save_int8({"w": torch.randn(4, 4)}, tmp_path / "w.safetensors")


def test_an_int8_tensor_without_scale_is_refused(tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    save_file({"w": torch.zeros(2, 2, dtype=torch.int8)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelUnavailable, match="scale"):
        restore_floats(load_file(tmp_path / "w.safetensors"), "w.safetensors")


def test_a_changed_byte_of_an_int8_folder_is_refused(whole, tmp_path) -> None:
    compress_folder(whole, tmp_path / "small", Compression(int8=True))
    content = bytearray((tmp_path / "small" / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (tmp_path / "small" / WEIGHTS).write_bytes(bytes(content))
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        JanusMed.load(tmp_path / "small", "cpu")


def test_pruned_folder_opens_in_plain_hugging_face_and_the_manifest_tells(
    whole, tmp_path, film_folder
) -> None:
    compress_folder(whole, tmp_path / "small", Compression(prune=0.3, films=8), film_folder)
    janus, loading = JanusForConditionalGeneration.from_pretrained(
        tmp_path / "small", output_loading_info=True, dtype=torch.float32
    )
    assert type(janus) is JanusForConditionalGeneration
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert janus.config.text_config.intermediate_size == 48
    manifest = json.loads((tmp_path / "small" / MANIFEST).read_text())
    assert manifest["compression"]["prune"] == 0.3
    assert manifest["compression"]["source_sha256"] == verify_folder(whole).sha256[WEIGHTS]
    engine = JanusMed.load(tmp_path / "small", "cpu")
    assert engine.info.id == "nano-test-pruned30"


def test_pruned_and_int8_folder_takes_less_than_either(whole, tmp_path, film_folder) -> None:
    both = compress_folder(whole, tmp_path / "both", Compression(int8=True, prune=0.3, films=8), film_folder)
    int8 = compress_folder(whole, tmp_path / "int8", Compression(int8=True))
    assert both["bytes"]["after"] < int8["bytes"]["after"] < both["bytes"]["before"]
    JanusMed.load(tmp_path / "both", "cpu")


@pytest.mark.parametrize(
    ("vision_layers", "vision_left", "text_layers", "text_left"),
    [(None, 0.7, None, 0.7), (5, 0.7, 3, 0.7), (3, 0.5, 2, 0.5)],
)
def test_the_share_of_both_towers_layers_is_pruned(
    vision_layers: int | None, vision_left: float, text_layers: int | None, text_left: float
) -> None:
    preset = find_preset("tiny")
    config = build_config(preset)
    text, vision = config.text_config, config.vision_config
    inner = int(vision.hidden_size * vision.mlp_ratio)
    importance = Importance(
        tuple(torch.rand(inner) for _ in range(vision.num_hidden_layers)),
        tuple(torch.rand(text.intermediate_size) for _ in range(4)),
        tuple(torch.rand(text.num_attention_heads) for _ in range(4)),
        torch.rand(vision.num_hidden_layers),
        torch.rand(4),
    )
    pruned = prune_config(config, plan_pruning(config, importance, 0.3, vision_layers, text_layers))

    def weights(one):
        text, vision = one.text_config, one.vision_config
        channels = int(vision.hidden_size * vision.mlp_ratio)
        return (
            text.num_hidden_layers
            * (
                4 * text.hidden_size * text.head_dim * text.num_attention_heads
                + 3 * text.hidden_size * text.intermediate_size
            ),
            vision.num_hidden_layers * (4 * vision.hidden_size**2 + 2 * vision.hidden_size * channels),
        )

    for before, after, left in zip(weights(config), weights(pruned), (text_left, vision_left), strict=True):
        assert left - 0.03 < after / before <= left


def _silence(nano) -> PrunePlan:
    """Let every second channel and the first head add nothing; return what speaks."""
    with torch.no_grad():
        for layer in nano.janus.model.vision_model.encoder.layers:
            layer.mlp.fc2.weight[:, ::2] = 0
        for layer in nano.janus.model.language_model.layers:
            layer.mlp.down_proj.weight[:, ::2] = 0
            layer.self_attn.o_proj.base_layer.weight[:, :24] = 0
            layer.self_attn.o_proj.lora_A["default"].weight[:, :24] = 0
    odd = lambda count: (torch.arange(1, count, 2),) * 2  # noqa: E731
    return PrunePlan(odd(64), odd(96), (torch.tensor([1]),) * 2, 24, (0, 1), (0, 1))


def _prune(nano, plan: PrunePlan) -> MedicalJanus:
    janus = JanusForConditionalGeneration(prune_config(nano.janus.config, plan))
    janus.load_state_dict(prune_base(base_tensors(nano.janus), plan))
    small = MedicalJanus(janus.eval(), nano.preset)
    small.add_generation()
    small.load_adapter_state(prune_adapters(nano.adapter_state(), plan))
    return small


def test_a_language_layer_that_adds_nothing_is_the_one_that_goes(nano, nano_tokenizer, nano_pixels) -> None:
    nano.add_generation()
    with torch.no_grad():
        for _, parameter in lora_parameters(nano.janus):
            parameter.normal_(0, 0.1)
        silent = nano.janus.model.language_model.layers[0]
        silent.mlp.down_proj.weight.zero_()
        silent.self_attn.o_proj.base_layer.weight.zero_()
        silent.self_attn.o_proj.lora_A["default"].weight.zero_()
    importance = measure_importance(nano, nano_tokenizer, [nano_pixels], 0)
    plan = plan_pruning(nano.janus.config, importance, 0.01, text_layers=1)
    assert plan.text_layers == (1,)
    small = _prune(nano, plan)
    ids = nano_tokenizer("FINDINGS: The heart is enlarged.", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.allclose(nano.janus(input_ids=ids).logits, small.janus(input_ids=ids).logits, atol=1e-5)


def test_a_vision_layer_that_adds_nothing_is_the_one_that_goes(nano, nano_tokenizer, nano_pixels) -> None:
    nano.add_generation()
    with torch.no_grad():
        silent = nano.janus.model.vision_model.encoder.layers[0]
        for linear in (silent.mlp.fc2, silent.self_attn.projection_layer):
            linear.weight.zero_()
            linear.bias.zero_()
    importance = measure_importance(nano, nano_tokenizer, [nano_pixels], 0)
    plan = plan_pruning(nano.janus.config, importance, 0.01, vision_layers=1)
    assert plan.vision_layers == (1,)
    small = _prune(nano, plan)
    assert torch.allclose(nano.encoder.encode(nano_pixels), small.encoder.encode(nano_pixels), atol=1e-5)


def test_removing_what_adds_nothing_changes_nothing(nano, nano_tokenizer, nano_pixels) -> None:
    nano.add_generation()
    with torch.no_grad():
        for _, parameter in lora_parameters(nano.janus):
            parameter.normal_(0, 0.1)
    small = _prune(nano, _silence(nano))
    janus = small.janus
    ids = nano_tokenizer("FINDINGS: The heart is enlarged.", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.allclose(nano.encoder.encode(nano_pixels), small.encoder.encode(nano_pixels), atol=1e-5)
        assert torch.allclose(nano.janus(input_ids=ids).logits, janus(input_ids=ids).logits, atol=1e-5)
    assert sum(p.numel() for p in janus.parameters()) < sum(
        t.numel() for t in base_tensors(nano.janus).values()
    )


def test_what_adds_nothing_ranks_last(nano, nano_tokenizer, nano_pixels) -> None:
    nano.add_generation()
    plan = _silence(nano)
    importance = measure_importance(nano, nano_tokenizer, [nano_pixels], 0)
    for kind in ("vision_channels", "text_channels", "text_heads"):
        for scores, kept in zip(getattr(importance, kind), getattr(plan, kind), strict=True):
            assert set(scores.topk(len(kept)).indices.tolist()) == set(kept.tolist())


def test_recovery_brings_a_damaged_model_nearer_and_leaves_the_adapters(
    whole, tmp_path, film_folder, nano_tokenizer, monkeypatch
) -> None:
    monkeypatch.setattr("janus_med.compress_recover.BATCH", 2)
    monkeypatch.setattr("janus_med.compress_recover.PEAK_RATE", 1e-2)
    (teacher, _), (student, _) = (load_model(whole, verify_folder(whole)) for _ in range(2))
    with torch.no_grad():
        student.janus.model.vision_model.post_layernorm.weight.mul_(0.5)
    lesson = Lesson(teacher, student, nano_tokenizer, RealFilms(film_folder, tmp_path), 12, 0)
    adapters = {name: tensor.clone() for name, tensor in student.adapter_state().items()}
    with torch.no_grad():
        before = float(_loss(lesson, 999))
    recover(lesson)
    with torch.no_grad():
        after = float(_loss(lesson, 999))
    assert after < 0.9 * before
    assert all(torch.equal(adapters[name], tensor) for name, tensor in student.adapter_state().items())
    assert not any(parameter.requires_grad for parameter in student.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Compression(), "nothing to do"),
        (Compression(prune=1.5), r"\[0, 1\)"),
        (Compression(prune=0.3), "data folder"),
        (Compression(int8=True, text_layers=1), "without pruning"),
        (Compression(int8=True, vision_layers=1), "without pruning"),
        (Compression(int8=True, recover_steps=3), "nothing to recover"),
    ],
)
def test_what_makes_no_sense_is_refused(whole, tmp_path, options, message) -> None:
    with pytest.raises(Fatal, match=message):
        compress_folder(whole, tmp_path / "small", options)


def test_a_folder_with_files_is_not_overwritten_and_int8_not_compressed_again(whole, tmp_path) -> None:
    compress_folder(whole, tmp_path / "small", Compression(int8=True))
    with pytest.raises(Fatal, match="not empty"):
        compress_folder(whole, tmp_path / "small", Compression(int8=True))
    with pytest.raises(Fatal, match="int8 already"):
        compress_folder(tmp_path / "small", tmp_path / "smaller", Compression(int8=True))


def test_a_share_that_leaves_no_channel_is_refused(whole, tmp_path, film_folder) -> None:
    with pytest.raises(Fatal, match="leaves no channel"):
        compress_folder(whole, tmp_path / "small", Compression(prune=0.95, films=8), film_folder)


def test_facts_are_counted_by_finding_and_polarity() -> None:
    count = FactCount()
    count.add({"Edema": "positive", "Fracture": "negative"}, {"Edema": "positive", "Fracture": "positive"})
    count.add({"Edema": "positive"}, None)
    assert (count.hits, count.meant, count.said, count.faults) == (1, 3, 2, 1)
    assert count.f1 == pytest.approx(0.4)


def test_a_model_agrees_with_itself(whole, nano_pixels) -> None:
    engine = JanusMed.load(whole, "cpu")
    agreement = measure_agreement(engine, engine, [nano_pixels[:1]], plans=1)
    assert agreement["finding_logits"]["largest_difference"] == 0
    latency = measure_latency(engine, engine, [nano_pixels[:1]], rounds=3)
    assert 0.2 < latency["compressed / whole"]["cpu"] < 5


def test_the_command_compresses_and_prints_the_bytes(whole, tmp_path) -> None:
    out = tmp_path / "small"
    result = CliRunner().invoke(model_app, ["compress", "--model", str(whole), "--out", str(out), "--int8"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["bytes"]["after"] == (out / WEIGHTS).stat().st_size
    again = CliRunner().invoke(model_app, ["compress", "--model", str(whole), "--out", str(out), "--int8"])
    assert again.exit_code == 1


def test_the_bench_command_prints_decoding_batch_and_capture(whole, monkeypatch) -> None:
    monkeypatch.setattr("janus_med.speed.LIMIT", 8)
    result = CliRunner().invoke(model_app, ["bench", "--model", str(whole), "--rounds", "2"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown["decoding"]["same_tokens"] == shown["decoding"]["rounds"] == 2
    assert shown["batch"]["same_tokens"] is True
    assert shown["capture"]["same_tokens"] == 2
