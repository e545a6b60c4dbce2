"""What is covered: plug-ins are registered by value, held, saved and loaded by the model, start as an exact
no-op, and never touch a base tensor.

What is not: whether they answer well; that is `test_modalities_fitted.py`.
"""

from __future__ import annotations

import doctest
import json
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from janus_med import default_registry, register_modality
from janus_med.adapters.generation import base_tensors
from janus_med.checkpoint import load_model, save_model, verify_folder
from janus_med.draft import DraftFinding
from janus_med.encoders import digest_tensors
from janus_med.engine import JanusMed
from janus_med.errors import Fatal, ModelUnavailable
from janus_med.modalities import registry as registry_module
from janus_med.modalities.registry import LearnedModality
from janus_med.modalities.tiled import cut_tiles
from janus_med.reading import CHANGES, FINDINGS, MOTIONS
from janus_med.readings import read_findings
from janus_med.training.cli import model_app
from janus_med.training.modality_stage import FitPlan, StudyPool, draw_pool, fit_modality
from janus_med.training.phantom import draw_film
from janus_med.training.samples import to_pixels

LEARNED = ["cine", "multiview", "prior", "tiled", "volume"]
SHORT = FitPlan(studies=6, steps=3, batch=4)


def _pixels(count: int) -> torch.Tensor:
    return to_pixels(np.stack([draw_film(seed, 64).grey for seed in range(count)]))


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first, second)


def _assert_answer_of_the_film(answer, film) -> None:
    assert _same(answer.understanding.logits, film.understanding.logits)
    assert _same(answer.understanding.embedding, film.understanding.embedding)
    assert _same(answer.cross.attention, film.cross.attention)
    assert _same(answer.cross.tokens, film.cross.tokens)
    assert _same(answer.tokens, film.tokens)


@pytest.fixture
def learned(nano):
    """The nano model with every plug-in, none of them fitted."""
    registry = default_registry()
    for name in LEARNED:
        torch.manual_seed(1)
        nano.add_modality(registry.find(name))
    return nano.requires_grad_(False).eval()


@pytest.mark.parametrize(
    ("name", "images", "main"), [("multiview", 2, 0), ("prior", 2, 0), ("cine", 8, 4), ("tiled", 5, 0)]
)
@torch.no_grad()
def test_unfitted_plug_in_gives_the_frontal_answer_bit_for_bit(learned, name, images, main) -> None:
    pixels = _pixels(images)
    film = default_registry().find("frontal").perceive(learned, pixels[main : main + 1])
    _assert_answer_of_the_film(default_registry().find(name).perceive(learned, pixels), film)


@torch.no_grad()
def test_opened_gate_lets_a_quarter_change_the_answer(learned) -> None:
    pixels, plugin = _pixels(6), default_registry().find("tiled")
    learned.modalities["tiled"].gate.fill_(0.5)
    one, other = (plugin.perceive(learned, pixels[[0, 1, 2, 3, last]]) for last in (4, 5))
    assert not torch.equal(one.understanding.logits, other.understanding.logits)
    assert _same(one.cross.attention, other.cross.attention)  # the map is of the whole film
    assert one.shares.shape == (1, len(FINDINGS), 5)
    assert torch.allclose(one.shares.sum(-1), torch.ones(1))
    with pytest.raises(ValueError, match="four quarters expected, 2 images given"):
        plugin.perceive(learned, pixels[:2])


def test_film_is_cut_into_itself_and_its_quarters() -> None:
    film = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    whole, *quarters = cut_tiles(film)[:, 0]
    assert whole.tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert [quarter[0, 0].item() for quarter in quarters] == [0, 2, 8, 10]
    for wrong in (torch.zeros(1, 3, 4, 6), torch.zeros(1, 3, 5, 5), torch.zeros(2, 3, 4, 4)):
        with pytest.raises(ValueError, match="2 S, 2 S"):
            cut_tiles(wrong)


@torch.no_grad()
def test_unfitted_volume_gives_the_mean_of_the_slices(learned) -> None:
    pixels = _pixels(5)
    logits = default_registry().find("volume").perceive(learned, pixels).understanding.logits
    slices = learned.understand(learned.encoder.encode(pixels)).understanding.logits
    assert torch.allclose(logits[0], slices.mean(dim=0), atol=1e-5)


@torch.no_grad()
def test_unfitted_prior_and_cine_say_nothing(learned) -> None:
    pixels = _pixels(4)
    change = default_registry().find("prior").perceive(learned, pixels[:2]).change
    assert change.shape == (1, len(FINDINGS), 1 + len(CHANGES))
    assert (change.argmax(dim=-1) == 0).all()
    motion = default_registry().find("cine").perceive(learned, pixels).motion
    assert motion.shape == (1, len(MOTIONS))
    assert (motion.sigmoid() < 0.05).all()


@torch.no_grad()
def test_opened_gate_lets_the_lateral_change_the_answer(learned) -> None:
    pixels, plugin = _pixels(3), default_registry().find("multiview")
    learned.modalities["multiview"].gate.fill_(0.5)
    one, other = (plugin.perceive(learned, pixels[[0, index]]).understanding.logits for index in (1, 2))
    assert not torch.equal(one, other)


@torch.no_grad()
def test_study_of_the_frontal_film_alone_keeps_its_answer_with_an_open_gate(learned) -> None:
    learned.modalities["multiview"].gate.fill_(0.5)
    pixels = _pixels(1)
    _assert_answer_of_the_film(
        default_registry().find("multiview").perceive(learned, pixels), learned.perceive(pixels)
    )


@pytest.mark.parametrize("name", LEARNED)
def test_fitting_moves_the_plug_in_and_nothing_else(nano, name: str) -> None:
    before = digest_tensors(base_tensors(nano.janus))
    adapters = digest_tensors(nano.adapter_state())
    modality = default_registry().find(name)
    assert isinstance(modality, LearnedModality)
    record = fit_modality(nano, modality, SHORT)
    assert digest_tensors(base_tensors(nano.janus)) == before
    others = {key: value for key, value in nano.adapter_state().items() if not key.startswith("modality.")}
    assert digest_tensors(others) == adapters
    moved = digest_tensors(nano.modalities[name].state_dict())
    assert len(record.losses) == SHORT.steps
    assert not any(parameter.requires_grad for parameter in nano.parameters())
    fit_modality(nano, modality, SHORT)
    assert digest_tensors(nano.modalities[name].state_dict()) != moved


def test_equal_seeds_fit_equal_plug_ins(nano) -> None:
    modality, states = default_registry().find("prior"), []
    pool = draw_pool(nano, "prior", SHORT)
    for draw in (1, 2):
        del draw
        nano.modalities.clear()
        torch.rand(3)  # the caller's random state must not matter
        fit_modality(nano, modality, SHORT, pool)
        states.append(digest_tensors(nano.modalities["prior"].state_dict()))
    assert states[0] == states[1]


def test_fit_notices_a_frozen_tensor_that_moves(nano) -> None:
    @dataclass(frozen=True)
    class Careless:
        name: str = "careless"

        def build_adapter(self, preset):
            return nn.Linear(preset.vision_width, 2)

        def perceive(self, model, pixel_values):
            raise NotImplementedError

        def fuse(self, model, tokens):
            model.understanding.from_pool.bias.data += 1e-3
            motion = model.modalities["careless"](tokens.mean(dim=(1, 2)))
            return replace(model.understand(tokens[:, 0]), motion=motion)

    with pytest.raises(Fatal, match="frozen weight changed"):
        fit_modality(nano, Careless(), SHORT, draw_pool(nano, "cine", SHORT))


def test_modality_of_a_site_needs_studies_to_be_fitted_on(nano) -> None:
    class Other(type(default_registry().find("prior"))):
        pass

    with pytest.raises(ValueError, match="hand fit_modality a pool"):
        fit_modality(nano, Other(name="other"), SHORT)


def test_registering_leaves_the_old_registry_and_refuses_a_taken_name() -> None:
    registry = default_registry()
    again = replace(registry.find("prior"), name="second_prior")
    more = register_modality(registry, again)
    assert "second_prior" not in registry.entries
    assert more.find("second_prior") is again
    with pytest.raises(ValueError, match="already registered"):
        register_modality(more, again)
    with pytest.raises(ValueError, match="identifier"):
        register_modality(registry, replace(again, name="a.b"))
    with pytest.raises(KeyError, match="multiview"):
        registry.find("ultrasound")


def test_example_of_the_docstring_runs() -> None:
    assert doctest.testmod(registry_module).failed == 0
    assert doctest.testmod(registry_module).attempted >= 4


def test_wrong_number_of_images_is_refused(learned) -> None:
    for name, count in (("frontal", 2), ("prior", 1), ("prior", 3), ("cine", 1)):
        with pytest.raises(ValueError, match=r"expected|at least"):
            default_registry().find(name).perceive(learned, _pixels(count))


@pytest.fixture(scope="module")
def folder(nano_tokenizer, tmp_path_factory) -> Path:
    """A nano model folder without plug-ins."""
    from janus_med.training.assemble import new_model

    model = new_model("nano", 4, nano_tokenizer)
    model.janus.requires_grad_(False)
    model.add_generation()
    path = tmp_path_factory.mktemp("model") / "plain"
    save_model(path, model, nano_tokenizer, "plain-nano")
    return path


def _fit(folder: Path, out: Path, name: str = "prior") -> str:
    options = ["--model", str(folder), "--out", str(out), "--studies", "6", "--steps", "2"]
    result = CliRunner().invoke(model_app, ["fit-modality", name, *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_command_writes_a_folder_whose_base_is_the_same_file(folder: Path, tmp_path: Path) -> None:
    output = _fit(folder, tmp_path / "one")
    assert "prior fitted on 6 virtual patients" in output
    _fit(tmp_path / "one", tmp_path / "two", "multiview")
    before, after = verify_folder(folder), verify_folder(tmp_path / "two")
    assert after.id == "plain-nano+prior+multiview"
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert after.sha256[name] == before.sha256[name]
    model, _ = load_model(tmp_path / "two", after)
    assert sorted(model.modalities) == ["multiview", "prior"]
    plain, _ = load_model(folder, before)
    pixels = _pixels(1)
    with torch.no_grad():
        _assert_answer_of_the_film(model.perceive(pixels), plain.perceive(pixels))


def test_saved_plug_in_answers_as_the_one_in_memory(folder: Path, tmp_path: Path, nano_tokenizer) -> None:
    _fit(folder, tmp_path / "fitted")
    model, tokenizer = load_model(tmp_path / "fitted", verify_folder(tmp_path / "fitted"))
    save_model(tmp_path / "again", model, tokenizer, "again")
    loaded, _ = load_model(tmp_path / "again", verify_folder(tmp_path / "again"))
    pixels, plugin = _pixels(2), default_registry().find("prior")
    with torch.no_grad():
        assert torch.equal(plugin.perceive(model, pixels).change, plugin.perceive(loaded, pixels).change)


def test_command_refuses_what_it_cannot_do(folder: Path, tmp_path: Path) -> None:
    def run(name: str, out: Path) -> str:
        result = CliRunner().invoke(
            model_app, ["fit-modality", name, "--model", str(folder), "--out", str(out)]
        )
        assert result.exit_code == 1
        return result.output

    assert "registered: cine, multiview, prior, tiled, volume" in run("speech", tmp_path / "out")
    assert "no modality 'frontal' with parameters" in run("frontal", tmp_path / "out")
    assert "exists" in run("prior", tmp_path)
    assert not (tmp_path / "out").exists()


def test_folder_with_a_plug_in_nobody_registered_is_refused(nano, nano_tokenizer, tmp_path: Path) -> None:
    site = replace(default_registry().find("prior"), name="site_prior")
    nano.add_modality(site)
    nano.add_generation()
    save_model(tmp_path, nano, nano_tokenizer, "site")
    with pytest.raises(ModelUnavailable, match="site_prior"):
        JanusMed.load(tmp_path, "cpu")
    engine = JanusMed.load(tmp_path, "cpu", registry=register_modality(default_registry(), site))
    assert list(engine.model.modalities) == ["site_prior"]


def test_engine_says_what_is_missing_when_a_plug_in_was_never_fitted(folder: Path) -> None:
    engine = JanusMed.load(folder, "cpu")
    with pytest.raises(ModelUnavailable, match="fit-modality"):
        engine.read(_pixels(2), modality="prior")
    with pytest.raises(ValueError, match=r"\(1, 3, 64, 64\) expected"):
        engine.read(_pixels(2))


def _perceive_with_verdicts(learned, pixels):
    with torch.no_grad():
        learned.modalities["prior"].bias[FINDINGS.index("Edema"), 1 + CHANGES.index("worse")] = 99.0
        return default_registry().find("prior").perceive(learned, pixels)


def test_reading_carries_the_verdict_of_change_and_the_draft_its_word(learned) -> None:
    findings = read_findings(learned, _perceive_with_verdicts(learned, _pixels(2)), 0)
    assert {one.name: one.change for one in findings if one.change} == {"Edema": "worse"}
    assert DraftFinding("Edema", 0.5, "defer", change=findings[5].change).to_json()["change"] == "worse"
    assert json.loads(json.dumps(DraftFinding("Edema", 0.5, "defer").to_json()))["change"] is None


def test_pool_keeps_studies_aligned(nano) -> None:
    pool: StudyPool = draw_pool(nano, "volume", SHORT)
    assert pool.tokens.shape == (6, 12, 16, 32)
    assert pool.masks.shape == (6, 14, 12, 16)
    shown = pool.masks[:, FINDINGS.index("Lung Lesion")].amax(dim=(1, 2)) > 0
    assert torch.equal(shown, pool.labels[:, FINDINGS.index("Lung Lesion")] == 1)


def test_plug_in_of_the_documentation_is_registered_fitted_saved_and_read(
    nano, nano_tokenizer, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "modalities.md").read_text(encoding="utf-8")
    source = page.split("```python")[-1].split("```")[0]
    assert "class TwoEnergies" in source
    namespace: dict[str, object] = {"__name__": "energies"}
    module = types.ModuleType("energies")
    sys.modules["energies"] = module  # a dataclass looks its module up
    try:
        exec(compile(source, "modalities.md", "exec"), namespace)
    finally:
        del sys.modules["energies"]
    plugin = namespace["TwoEnergies"]()
    pixels = _pixels(2)
    with torch.no_grad():
        film = nano.perceive(pixels[:1])
        nano.add_modality(plugin)
        _assert_answer_of_the_film(plugin.perceive(nano, pixels), film)
        nano.modalities[plugin.name].gate.fill_(1.0)
    nano.janus.requires_grad_(False)
    nano.add_generation()
    save_model(tmp_path, nano, nano_tokenizer, "energies")
    engine = JanusMed.load(tmp_path, "cpu", registry=register_modality(default_registry(), plugin))
    with torch.no_grad():
        answer = plugin.perceive(engine.model, pixels)
    assert not torch.equal(answer.understanding.logits, film.understanding.logits)
