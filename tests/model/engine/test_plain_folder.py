"""What is covered: Hugging Face Janus folders that know nothing of us are read as they are, keep every byte,
and never pass for fitted ones.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from janus_med.base_model import load_base
from janus_med.checkpoint import (
    ADAPTERS,
    CONFIG,
    MANIFEST,
    TOKENIZER,
    WEIGHTS,
    adopt_folder,
    digest_file,
    load_model,
    verify_folder,
)
from janus_med.convert import convert_folder
from janus_med.convert_files import write_shards
from janus_med.engine import JanusMed
from janus_med.errors import ModelUnavailable
from janus_med.planning import plan_report
from janus_med.presets import GENERATION_ONLY, PRESETS, build_config, find_preset
from janus_med.reading import FINDINGS, FindingReading
from janus_med.recognition import parse_config, recognise_preset
from janus_med.tokenizer import BOS, COMPARISON, EOS, IMAGE, ForbidComparison, chat_prompt, load_tokenizer
from tests.model.engine import original_janus

NANO = find_preset("nano")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    weights = original_janus.random_tensors(original_janus.original_shapes(NANO, 360), seed=2)
    stored = {name: tensor.bfloat16() for name, tensor in weights.items()}
    tokenizer = original_janus.look_alike_tokenizer()
    return original_janus.write_original_folder(folder / "original", NANO, stored, tokenizer)


@pytest.fixture
def plain(original: Path, tmp_path: Path) -> Path:
    """A bfloat16 folder as deepseek-community's: no manifest, no adapters."""
    convert_folder(original, tmp_path / "Janus-Plain")
    return tmp_path / "Janus-Plain"


def _edit(path: Path, *keys: str, value: object) -> None:
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))


def _load(folder: Path) -> JanusMed:
    with pytest.warns(UserWarning, match="not fitted"):
        return JanusMed.load(folder, "cpu")


def test_plain_folder_loads_says_that_it_is_unfitted_and_defers_every_finding(plain: Path) -> None:
    engine = _load(plain)
    assert engine.info.id == "Janus-Plain-unfitted"
    assert engine.info.preset == "nano"
    assert engine.info.weights_sha256 == digest_file(plain / WEIGHTS)
    with torch.no_grad():
        perception = engine.model.perceive(torch.randn(1, 3, 64, 64))
    calibration = engine.model.calibration
    probabilities = calibration.probabilities(100 * perception.understanding.logits)[0]
    assert set(calibration.decide(probabilities)) == {"defer"}
    readings = tuple(
        FindingReading(name, float(p), "defer", perception.cross.attention[0, 0].view(4, 4).numpy())
        for name, p in zip(FINDINGS, probabilities, strict=True)
    )
    plan = plan_report(readings)
    assert (plan.facts, plan.absent, plan.normal) == ((), (), False)


def test_two_loads_of_a_plain_folder_are_the_same_model(plain: Path) -> None:
    first, second = _load(plain), _load(plain)
    assert first.info == second.info
    one, other = first.model.adapter_state(), second.model.adapter_state()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_bfloat16_base_stays_bfloat16_and_nothing_that_draws_is_allocated(plain: Path) -> None:
    model = _load(plain).model
    base = {name: one for name, one in model.janus.named_parameters() if "lora_" not in name}
    assert {one.dtype for one in base.values()} == {torch.bfloat16}
    assert model.attention.queries.dtype == torch.float32
    assert not any(f"{part}." in name for name in base for part in GENERATION_ONLY)
    stored = load_file(plain / WEIGHTS)
    kept = [name for name in stored if not name.startswith(tuple(f"model.{one}." for one in GENERATION_ONLY))]
    assert len(base) == len(kept) < len(stored)


def test_a_folder_in_shards_gives_the_same_model_and_one_digest(plain: Path) -> None:
    whole = _load(plain)
    tensors = load_file(plain / WEIGHTS)
    (plain / WEIGHTS).unlink()
    write_shards(plain, tensors, most=200_000)
    sharded = _load(plain)
    names = verify_folder(plain).weights
    assert len(names) > 2
    assert sharded.info.weights_sha256 != whole.info.weights_sha256
    one, other = whole.model.janus.state_dict(), sharded.model.janus.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    (plain / names[1]).unlink()
    with pytest.raises(ModelUnavailable, match=r"named in model\.safetensors\.index\.json, is missing"):
        verify_folder(plain)


@pytest.mark.parametrize("inside", [False, True])
def test_adopting_changes_no_byte_of_the_base_and_is_verified_afterwards(
    inside: bool, plain: Path, tmp_path: Path
) -> None:
    before = {path.name: digest_file(path) for path in plain.iterdir()}
    folder = plain if inside else tmp_path / "ours"
    manifest = adopt_folder(plain, folder)
    after = {path.name: digest_file(path) for path in plain.iterdir()}
    assert {name: after[name] for name in before} == before
    assert verify_folder(folder) == manifest
    assert {WEIGHTS, CONFIG, TOKENIZER, ADAPTERS} <= manifest.sha256.keys()
    direct = load_model(folder, manifest)[0].adapter_state()
    assert all(torch.equal(direct[name], one) for name, one in load_file(folder / ADAPTERS).items())
    with pytest.raises(ModelUnavailable, match="there already"):
        adopt_folder(plain, folder)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, TOKENIZER])
def test_a_changed_byte_of_an_adopted_base_is_refused(name: str, plain: Path, tmp_path: Path) -> None:
    adopt_folder(plain, tmp_path / "ours")
    content = bytearray((plain / name).read_bytes())
    content[len(content) // 2] ^= 1
    (plain / name).write_bytes(content)
    with pytest.raises(ModelUnavailable, match=name):
        JanusMed.load(tmp_path / "ours", "cpu")


def test_adapters_that_lost_their_manifest_are_not_taken_for_a_plain_folder(plain: Path) -> None:
    adopt_folder(plain, plain)
    (plain / MANIFEST).unlink()
    with pytest.raises(ModelUnavailable, match=MANIFEST):
        JanusMed.load(plain, "cpu")


def test_a_manifest_cannot_name_files_outside_its_folder(plain: Path) -> None:
    adopt_folder(plain, plain)
    _edit(plain / MANIFEST, "files", "../x.safetensors", value={"sha256": "0" * 64})
    with pytest.raises(ModelUnavailable, match="outside"):
        verify_folder(plain)


def test_pickles_are_refused_with_a_way_out(plain: Path) -> None:
    torch.save(load_file(plain / WEIGHTS), plain / "pytorch_model.bin")
    (plain / WEIGHTS).unlink()
    with pytest.raises(ModelUnavailable, match="never opened here"):
        JanusMed.load(plain, "cpu")


def test_the_original_layout_names_the_command_that_converts_it(original: Path) -> None:
    with pytest.raises(ModelUnavailable, match="janus-med model convert"):
        JanusMed.load(original, "cpu")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("text_config", "num_hidden_layers"), 3, "nearest is nano, but text_layers is 3, not 2"),
        (("vision_config", "hidden_size"), 48, "nearest is nano, but vision_width is 48, not 32"),
        (("text_config", "num_key_value_heads"), 1, "text_key_value_heads is 1, not 2"),
        (("model_type",), "llava", "'llava'"),
        (("text_config", "model_type"), "mistral", "not llama|not a Janus"),
        (("image_token_id",), 7, "image_token_id is 7"),
        (("text_config", "vocab_size"), 100, "a vocabulary of 100"),
        (("auto_map",), {"AutoModel": "evil.Model"}, "could run code"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_by_name(keys, value, message: str, plain: Path) -> None:
    _edit(plain / CONFIG, *keys, value=value)
    with pytest.raises(ModelUnavailable, match=message):
        JanusMed.load(plain, "cpu")


def test_tensors_that_do_not_fit_are_listed(plain: Path) -> None:
    tensors = load_file(plain / WEIGHTS)
    tensors["model.surprise"] = torch.zeros(1)
    tensors["model.aligner.fc1.bias"] = torch.zeros(3)
    del tensors["lm_head.weight"]
    save_file(tensors, plain / WEIGHTS)
    config = parse_config(json.loads((plain / CONFIG).read_text()), "test")
    with pytest.raises(ModelUnavailable) as caught:
        load_base([plain / WEIGHTS], config)
    assert "1 missing: lm_head.weight" in str(caught.value)
    assert "1 unknown: model.surprise" in str(caught.value)
    assert "model.aligner.fc1.bias (3,), not (48,)" in str(caught.value)


def test_a_configuration_that_leaves_tying_out_keeps_both_ends(plain: Path) -> None:
    content = json.loads((plain / CONFIG).read_text())
    content.pop("tie_word_embeddings", None)
    (plain / CONFIG).write_text(json.dumps(content))
    janus, stored = _load(plain).model.janus, load_file(plain / WEIGHTS)
    assert torch.equal(janus.lm_head.weight, stored["lm_head.weight"])
    assert not torch.equal(janus.lm_head.weight, janus.model.language_model.embed_tokens.weight)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_recognised_by_its_shapes(name: str) -> None:
    content = build_config(find_preset(name)).to_diff_dict()
    assert recognise_preset(parse_config(content, "test"), "test").name == name


def test_a_pro_shape_with_another_vocabulary_is_no_janus_pro() -> None:
    content = build_config(find_preset("pro-1b")).to_diff_dict()
    content["text_config"]["vocab_size"] = 1000
    with pytest.raises(ModelUnavailable, match="nearest is pro-1b, but vocab_size is 1000, not 102400"):
        recognise_preset(parse_config(content, "test"), "test")


def test_special_tokens_may_have_any_ids_and_a_prompt_begins_once(plain: Path) -> None:
    tokenizer = load_tokenizer(plain / TOKENIZER)
    ids = tokenizer(chat_prompt("Write.", NANO.image_tokens))["input_ids"]
    assert tokenizer.convert_tokens_to_ids(BOS) > 300
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids.count(tokenizer.convert_tokens_to_ids(IMAGE)) == NANO.image_tokens
    assert tokenizer.eos_token_id not in ids
    assert max(ids) < 360


def test_image_token_may_be_deepseeks_100581(tmp_path: Path) -> None:
    inner = original_janus.look_alike_tokenizer(image_token_id=100_581)
    inner.save(str(tmp_path / TOKENIZER))
    tokenizer = load_tokenizer(tmp_path / TOKENIZER)
    assert tokenizer.convert_tokens_to_ids(IMAGE) == 100_581
    ids = tokenizer(chat_prompt("Write.", 576), return_tensors="pt")["input_ids"]
    assert int((ids == 100_581).sum()) == 576
    scores = ForbidComparison(tokenizer, ids.shape[1])(ids, torch.zeros(1, 102_400))
    assert torch.isneginf(scores).sum() == sum(
        bool(COMPARISON.search(tokenizer.decode([index])))
        for index in range(1000)
        if index not in tokenizer.all_special_ids
    )


@pytest.mark.parametrize("token", [BOS, EOS, IMAGE])
def test_a_tokenizer_without_a_special_token_is_refused(token: str, plain: Path) -> None:
    path = plain / TOKENIZER
    path.write_text(path.read_text(encoding="utf-8").replace(token, "<something>"), encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="not a tokenizer"):
        JanusMed.load(plain, "cpu")


def test_own_folders_warn_of_nothing(nano, nano_tokenizer, tmp_path: Path) -> None:
    from janus_med.checkpoint import save_model

    nano.add_generation()
    save_model(tmp_path / "nano", nano, nano_tokenizer, "ours")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert JanusMed.load(tmp_path / "nano", "cpu").info.id == "ours"
