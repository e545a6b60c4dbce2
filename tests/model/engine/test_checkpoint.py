"""What is covered: model folders are exact, verified before use, and refuse to run code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import JanusForConditionalGeneration

from janus_med.checkpoint import (
    ADAPTERS,
    CONFIG,
    MANIFEST,
    WEIGHTS,
    digest_file,
    load_model,
    save_model,
    verify_folder,
)
from janus_med.engine import JanusMed
from janus_med.errors import ModelUnavailable
from janus_med.training.calibrate import round_weights


@pytest.fixture
def saved(nano, nano_tokenizer, tmp_path: Path) -> Path:
    nano.add_generation()
    with torch.no_grad():
        nano.attention.gate.fill_(0.25)
    round_weights(nano)
    save_model(tmp_path / "nano", nano, nano_tokenizer, "test-nano")
    return tmp_path / "nano"


def _restamp(folder: Path, name: str) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name]["sha256"] = digest_file(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_loaded_model_equals_the_saved_one(saved: Path, nano, nano_pixels) -> None:
    loaded, tokenizer = load_model(saved, verify_folder(saved))
    assert len(tokenizer) == nano.janus.config.text_config.vocab_size
    own, other = nano.adapter_state(), loaded.adapter_state()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[name], other[name]) for name in own)
    with torch.no_grad():
        first, second = nano.perceive(nano_pixels), loaded.perceive(nano_pixels)
    assert torch.equal(first.understanding.logits, second.understanding.logits)
    assert torch.equal(first.cross.tokens, second.cross.tokens)


def test_a_folder_of_before_raises_from_even_odds_on_as_it_did(saved: Path) -> None:
    state = load_file(saved / ADAPTERS)
    del state["calibration.raise_above"]
    save_file(state, saved / ADAPTERS)
    _restamp(saved, ADAPTERS)
    loaded, _ = load_model(saved, verify_folder(saved))
    assert loaded.calibration.raises(torch.tensor([0.49, 0.5] + [0.1] * 12))[:3] == [False, True, False]


def test_base_loads_with_plain_transformers(saved: Path) -> None:
    janus, report = JanusForConditionalGeneration.from_pretrained(
        saved, local_files_only=True, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert hasattr(janus.model, "vqmodel")


@pytest.mark.parametrize("name", [WEIGHTS, ADAPTERS, CONFIG, "tokenizer.json"])
def test_a_changed_byte_is_refused(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(ModelUnavailable, match=name):
        JanusMed.load(saved, "cpu")


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS, ADAPTERS, CONFIG])
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelUnavailable, match=name):
        JanusMed.load(saved, "cpu")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        JanusMed.load(tmp_path / "nowhere", "cpu")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": 9, "id": "x", "preset": "nano", "files": {}}']
)
def test_a_broken_manifest_is_refused(saved: Path, text: str) -> None:
    (saved / MANIFEST).write_text(text)
    with pytest.raises(ModelUnavailable):
        verify_folder(saved)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("key", ["auto_map", "_attn_implementation_internal"])
def test_configuration_that_could_run_code_is_refused(saved: Path, key: str, nested: bool) -> None:
    config = json.loads((saved / CONFIG).read_text())
    (config["vision_config"] if nested else config)[key] = {"AutoModel": "evil.Model"}
    (saved / CONFIG).write_text(json.dumps(config))
    _restamp(saved, CONFIG)
    with pytest.raises(ModelUnavailable, match=key):
        JanusMed.load(saved, "cpu")


def test_adapters_of_another_preset_are_refused(saved: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(saved / ADAPTERS)
    tensors.pop("attention.gate")
    save_file(tensors, saved / ADAPTERS)
    _restamp(saved, ADAPTERS)
    with pytest.raises(ModelUnavailable, match="does not fit"):
        JanusMed.load(saved, "cpu")


def test_a_pickle_is_never_opened(saved: Path) -> None:
    (saved / WEIGHTS).unlink()
    torch.save({"x": torch.zeros(1)}, saved / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable):
        JanusMed.load(saved, "cpu")


def test_folder_may_move(saved: Path, tmp_path: Path) -> None:
    moved = shutil.move(saved, tmp_path / "elsewhere")
    assert JanusMed.load(Path(moved), "cpu").info.id == "test-nano"
