"""What is covered: conversion of the original layout accounts for every tensor, in every file form, and runs
nothing it finds.

What is not: a real Janus-Pro checkpoint, which is not on the test machine; its names and shapes are built by
rule and compared at full size on the meta device.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoProcessor, JanusForConditionalGeneration
from typer.testing import CliRunner

from janus_med.checkpoint import verify_folder
from janus_med.convert import RECORD, convert_folder
from janus_med.convert_files import write_shards
from janus_med.errors import ModelUnavailable
from janus_med.original_layout import plan_conversion, target_names
from janus_med.plain_folder import digest_file
from janus_med.presets import build_janus, find_preset
from janus_med.tokenizer import ASSISTANT, USER, chat_prompt
from janus_med.training.cli import model_app
from tests.model.engine import original_janus

VOCABULARY = 360
NANO = find_preset("nano")
PICKLE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return original_janus.random_tensors(original_janus.original_shapes(NANO, VOCABULARY), seed=1)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return original_janus.look_alike_tokenizer()


@pytest.fixture
def source(weights, tokenizer, tmp_path: Path) -> Path:
    return original_janus.write_original_folder(tmp_path / "original", NANO, weights, tokenizer)


def _reshape_files(folder: Path, weights: dict[str, torch.Tensor], form: str) -> None:
    """Store the weights in another form than one pickle."""
    halves = [dict(list(weights.items())[::2]), dict(list(weights.items())[1::2])]
    (folder / PICKLE).unlink()
    if form == "one safetensors":
        save_file(weights, folder / "model.safetensors")
        return
    suffix = "bin" if form == "two pickles" else "safetensors"
    base = "pytorch_model" if suffix == "bin" else "model"
    where = {}
    for number, half in enumerate(halves, 1):
        name = f"{base}-{number:05}-of-00002.{suffix}"
        torch.save(half, folder / name) if suffix == "bin" else save_file(half, folder / name)
        where |= dict.fromkeys(half, name)
    (folder / f"{base}.{suffix}.index.json").write_text(json.dumps({"weight_map": where}))


@pytest.mark.parametrize("form", ["one pickle", "two pickles", "one safetensors", "two safetensors"])
def test_every_tensor_arrives_with_its_bytes_whatever_the_files(form: str, source: Path, weights) -> None:
    if form != "one pickle":
        _reshape_files(source, weights, form)
    done = convert_folder(source, source.with_name("out"))
    assert (done.preset, done.sources, done.tensors, done.left_out) == ("nano", 312, 306, 14)
    converted = load_file(source.with_name("out") / "model.safetensors")
    assert len(converted) == 306
    for name, tensor in weights.items():
        parts = target_names(name)
        assert parts is not None
        if parts:
            joined = torch.cat([converted.pop(part) for part in parts])
            assert torch.equal(joined, tensor[0] if name.endswith("pos_embed") else tensor), name
    assert not converted


def test_bfloat16_stays_bfloat16(source: Path, weights) -> None:
    torch.save({name: tensor.bfloat16() for name, tensor in weights.items()}, source / PICKLE)
    convert_folder(source, source.with_name("out"))
    converted = load_file(source.with_name("out") / "model.safetensors")
    assert {tensor.dtype for tensor in converted.values()} == {torch.bfloat16}
    assert json.loads((source.with_name("out") / "config.json").read_text())["dtype"] == "bfloat16"


def test_converted_folder_opens_with_plain_transformers(source: Path) -> None:
    out = source.with_name("out")
    convert_folder(source, out)
    janus, report = JanusForConditionalGeneration.from_pretrained(
        out, local_files_only=True, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert janus.lm_head.weight is not janus.model.language_model.embed_tokens.weight


def test_prompt_of_hugging_faces_processor_is_ours(source: Path) -> None:
    out = source.with_name("out")
    convert_folder(source, out)
    processor = AutoProcessor.from_pretrained(out, local_files_only=True)
    content = [{"type": "image"}, {"type": "text", "text": "Write."}]
    turn = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
    assert text == f"{USER}: <image_placeholder>\nWrite.\n\n{ASSISTANT}:"
    ours = processor.tokenizer(chat_prompt("Write.", NANO.image_tokens))["input_ids"]
    film = Image.new("RGB", (64, 64))
    both = processor(text=text, images=[film], return_tensors="pt")
    assert both["input_ids"][0].tolist() == ours
    assert ours.count(processor.tokenizer.bos_token_id) == 1
    assert float(both["pixel_values"].min()) == -1.0  # black, by a mean and a deviation of one half


def test_language_settings_are_carried_over(source: Path) -> None:
    content = json.loads((source / "config.json").read_text())
    content["language_config"] |= {"rms_norm_eps": 1e-5, "rope_theta": 50_000.0}
    (source / "config.json").write_text(json.dumps(content))
    convert_folder(source, source.with_name("out"))
    janus = JanusForConditionalGeneration.from_pretrained(source.with_name("out"), local_files_only=True)
    text = janus.config.text_config
    assert text.rms_norm_eps == 1e-5
    assert text.rope_parameters["rope_theta"] == 50_000.0
    assert text.eos_token_id == janus.config.get_text_config().eos_token_id is not None


def test_digests_of_the_source_are_recorded_and_it_keeps_its_bytes(source: Path) -> None:
    before = {path.name: digest_file(path) for path in source.iterdir()}
    convert_folder(source, source.with_name("out"))
    assert {path.name: digest_file(path) for path in source.iterdir()} == before
    record = json.loads((source.with_name("out") / RECORD).read_text())
    assert record["source"] == before
    assert len(record["left_out"]) == 14


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w: w.pop("aligner.layers.2.bias"),
            r"missing in the source: model\.aligner\.hidden_layers\.0\.bias",
        ),
        (
            lambda w: w.pop("language_model.model.layers.1.mlp.up_proj.weight"),
            r"missing in the source: model\.language_model\.layers\.1\.mlp\.up_proj",
        ),
        (lambda w: w.update({"surprise.weight": torch.zeros(1)}), r"unknown in the source: surprise\.weight"),
        (
            lambda w: w.update({"language_model.model.extra": torch.zeros(1)}),
            r"without place in the target: model\.language_model\.extra",
        ),
        (
            lambda w: w.pop("vision_model.vision_tower.attn_pool.q.bias"),
            r"attn_pool: 13 expected, 12 found",
        ),
        (lambda w: w.pop("gen_vision_model.quantize.codebook_used"), r"codebook_used: 1 expected, 0 found"),
        (
            lambda w: w.update({"gen_embed.weight": torch.zeros(64, 7)}),
            r"another shape: model\.generation_embeddings\.weight \(64, 7\), not \(64, 8\)",
        ),
        (
            lambda w: w.update({"vision_model.vision_tower.blocks.0.attn.qkv.weight": torch.zeros(90, 32)}),
            r"another shape: model\.vision_model\.encoder\.layers\.0\.self_attn\.k_proj\.weight \(30, 32\)",
        ),
        (
            lambda w: w.pop("vision_model.vision_tower.blocks.1.norm1.weight"),
            r"fit no preset; nearest is nano, but vision_layers is 1, not 2",
        ),
        (lambda w: w.pop("vision_model.vision_tower.pos_embed"), "not Janus' original layout"),
    ],
)
def test_a_tensor_that_does_not_add_up_stops_the_conversion_by_name(
    change, message: str, source: Path, weights
) -> None:
    changed = dict(weights)
    change(changed)
    torch.save(changed, source / PICKLE)
    with pytest.raises(ModelUnavailable, match=message):
        convert_folder(source, source.with_name("out"))
    assert sorted(path.name for path in source.parent.iterdir()) == ["original"]


def test_a_name_in_two_files_is_refused(source: Path, weights) -> None:
    _reshape_files(source, weights, "two pickles")
    second = source / "pytorch_model-00002-of-00002.bin"
    torch.save(
        torch.load(second, weights_only=True) | {"gen_embed.weight": weights["gen_embed.weight"]}, second
    )
    first = torch.load(source / "pytorch_model-00001-of-00002.bin", weights_only=True)
    torch.save(
        first | {"gen_embed.weight": weights["gen_embed.weight"]}, source / "pytorch_model-00001-of-00002.bin"
    )
    with pytest.raises(ModelUnavailable, match=r"gen_embed\.weight is in another file too"):
        convert_folder(source, source.with_name("out"))


class Trap:
    """Creates a file when it is unpickled the trusting way."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return (os.mkdir, (str(self._path),))


def test_a_pickle_with_code_is_refused_and_not_run(source: Path, weights, tmp_path: Path) -> None:
    torch.save(weights | {"trap": Trap(tmp_path / "sprung")}, source / PICKLE)
    with pytest.raises(ModelUnavailable, match="more than tensors"):
        convert_folder(source, source.with_name("out"))
    assert not (tmp_path / "sprung").exists()


def test_a_truncated_pickle_is_refused(source: Path) -> None:
    content = (source / PICKLE).read_bytes()
    (source / PICKLE).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelUnavailable, match=PICKLE):
        convert_folder(source, source.with_name("out"))


@pytest.mark.parametrize(
    ("part", "parameters", "message"),
    [
        ("vision_config", {"pixel_mean": [0.5] * 3, "heads": 2}, "normalises pixels itself"),
        ("vision_config", {"heads": 4}, "vision_heads is 4, not 2"),
        ("aligner_config", {"projector_type": "linear"}, "'linear', not 'mlp_gelu'"),
    ],
)
def test_an_original_of_another_kind_is_refused(part: str, parameters, message: str, source: Path) -> None:
    content = json.loads((source / "config.json").read_text())
    content[part]["params"] = parameters
    (source / "config.json").write_text(json.dumps(content))
    with pytest.raises(ModelUnavailable, match=message):
        convert_folder(source, source.with_name("out"))


def test_an_index_cannot_point_outside_the_folder(source: Path) -> None:
    (source / PICKLE).rename(source.parent / PICKLE)
    (source / INDEX).write_text(json.dumps({"weight_map": {"x": f"../{PICKLE}"}}))
    with pytest.raises(ModelUnavailable, match="is missing"):
        convert_folder(source, source.with_name("out"))


def test_command_converts_and_adopts_and_says_what_it_did(source: Path, tmp_path: Path) -> None:
    converted, adopted = tmp_path / "converted", tmp_path / "adopted"
    first = CliRunner().invoke(model_app, ["convert", str(source), str(converted)])
    assert first.exit_code == 0, first.output
    assert "preset nano, 306 tensors from 312; left out: 14" in first.output
    again = CliRunner().invoke(model_app, ["convert", str(source), str(converted)])
    assert again.exit_code == 1
    assert "exists" in again.output
    second = CliRunner().invoke(model_app, ["adopt", str(converted), str(adopted)])
    assert second.exit_code == 0, second.output
    assert "not fitted" in second.output
    assert not verify_folder(adopted).fitted
    assert CliRunner().invoke(model_app, ["convert", str(converted), str(tmp_path / "x")]).exit_code == 1
    shown = json.loads(CliRunner().invoke(model_app, ["info", "--model", str(adopted)]).output)
    assert shown["fitted"] is False
    assert shown["files"]["model.safetensors"]["sha256"] == digest_file(converted / "model.safetensors")


def test_large_checkpoints_are_written_in_shards_that_transformers_reads(source: Path) -> None:
    out = source.with_name("out")
    convert_folder(source, out)
    whole = load_file(out / "model.safetensors")
    (out / "model.safetensors").unlink()
    write_shards(out, whole, most=400_000)
    assert len(list(out.glob("model-*-of-*.safetensors"))) > 2
    janus = JanusForConditionalGeneration.from_pretrained(out, local_files_only=True)
    state = janus.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize(("name", "originals", "targets"), [("pro-1b", 882, 964), ("pro-7b", 936, 1018)])
def test_names_and_shapes_of_the_original_become_those_of_the_preset(
    name: str, originals: int, targets: int
) -> None:
    preset = find_preset(name)
    shapes = original_janus.original_shapes(preset, preset.vocab_size)
    state = {key: tuple(value.shape) for key, value in build_janus(preset, meta=True).state_dict().items()}
    assert (len(shapes), len(state)) == (originals, targets)
    plan = plan_conversion(shapes, state)
    assert len(plan.left_out) == 14
    assert {part for parts in plan.parts.values() for part in parts} == state.keys()
    assert len(plan.parts) + len(plan.left_out) == originals
