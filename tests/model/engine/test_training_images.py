"""What is covered: where lungs are found, how films are drawn ahead, and what a run takes from another.

What is not covered: how well the lungs of real films are found (the data folder is not in the repository).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from janus_med.checkpoint import bundled_folder, save_model
from janus_med.errors import Fatal
from janus_med.training.anatomy import lateral_position, split_lungs, vertical_position
from janus_med.training.assemble import new_bench
from janus_med.training.cli import model_app
from janus_med.training.data import read_cases
from janus_med.training.inherit import inherit_perception, start_perception
from janus_med.training.lung_segmenter import fit_segmenter, open_segmenter
from janus_med.training.prefetch import BatchQueue
from janus_med.training.recipe import RECIPES
from janus_med.training.samples import Batch, coarsen
from tests.model.engine.conftest import draw_chest


def _two_lungs(size: int = 128) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] / size
    left, right = (
        ((rows - 0.45) / 0.33) ** 2 + ((columns - centre) / 0.15) ** 2 < 1 for centre in (0.3, 0.7)
    )
    return np.asarray(left | right)


def test_a_mask_is_parted_into_two_lungs_without_the_gas_below() -> None:
    mask = _two_lungs()
    mask[112:120, 80:92] = True
    lungs = split_lungs(mask)
    assert lungs is not None
    assert np.nonzero(lungs.left_of_image)[1].max() < 64 < np.nonzero(lungs.right_of_image)[1].min()
    assert not lungs.both[112:120].any()


@pytest.mark.parametrize("rows", [slice(0, 0), slice(40, 44)])
def test_a_mask_without_two_lungs_is_told(rows: slice) -> None:
    mask = np.zeros((128, 128), dtype=bool)
    mask[rows, 20:60] = True
    assert split_lungs(mask) is None


def test_places_in_a_lung_run_from_spine_to_wall_and_from_top_to_base() -> None:
    lungs = split_lungs(_two_lungs())
    assert lungs is not None
    for right, spine, wall in ((False, 52, 24), (True, 75, 103)):
        across = lateral_position(lungs.field(right=right), right=right)
        assert across[58, spine] < 0.2
        assert across[58, wall] > 0.8
    down = vertical_position(lungs.left_of_image)
    assert down[0, 0] == 0
    assert down[-1, 0] == 1


def test_lungs_are_learnt_from_masks() -> None:
    rng = np.random.default_rng(3)
    films = [torch.from_numpy(draw_chest(rng, 128).clip(0, 1).astype(np.float32)) for _ in range(8)]
    mask = torch.from_numpy(_two_lungs().astype(np.float32))
    segmenter = fit_segmenter([(film, mask) for film in films], steps=40)
    found = segmenter.find(draw_chest(rng, 128).clip(0, 1).astype(np.float32)).both
    shared = 2 * (found & _two_lungs()).sum() / (found.sum() + _two_lungs().sum())
    assert shared > 0.85


def test_a_data_folder_without_masks_has_no_segmenter(film_folder: Path, tmp_path: Path) -> None:
    assert open_segmenter(film_folder, tmp_path) is None


def test_films_at_hand_in_few_pixels_alone_are_read_and_known(tmp_path: Path) -> None:
    header = "image,source,subset,split,view,labels,patient_or_study_id,use"
    rows = (
        "a.png,nih_cxr14_64px,,train,frontal,Effusion,1,ok (64x64 only)",
        "b.png,nih_cxr14,,train,frontal,Effusion,2,ok",
    )
    (tmp_path / "manifest.csv").write_text("\n".join((header, *rows)))
    few, many = read_cases(tmp_path)
    assert (few.coarse, few.labelled) == (True, True)
    assert (many.coarse, many.labelled) == (False, True)


def test_a_coarse_film_has_lost_its_detail_and_kept_its_shades() -> None:
    film = np.random.default_rng(0).random((128, 128), dtype=np.float32)
    coarse = coarsen(film, 64)
    assert coarse.std() < 0.6 * film.std()
    assert abs(coarse.mean() - film.mean()) < 0.01


def _numbers(step: int) -> Batch:
    value = torch.full((1,), float(step))
    return Batch(value, value, value)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("start", [0, 3])
def test_each_step_gets_its_own_batch_wherever_a_run_begins(start: int, workers: int) -> None:
    queue = BatchQueue(_numbers, 8, workers)
    assert [float(queue.take(step).labels) for step in range(start, 8)] == list(map(float, range(start, 8)))


def test_a_run_takes_over_what_reads_the_image(film_folder: Path, tmp_path: Path) -> None:
    command = ["train", "--preset", "nano", "--threads", "1", "--steps", "1", "--data", str(film_folder)]
    first, second = tmp_path / "first", tmp_path / "second"
    assert CliRunner().invoke(model_app, [*command, "--out", str(first)]).exit_code == 0
    taken = [*command, "--out", str(second), "--seed", "1", "--perception-of", str(first)]
    result = CliRunner().invoke(model_app, taken)
    assert result.exit_code == 0, result.output
    assert "perception" not in result.output
    one, other = (load_file(run / "model" / "model.safetensors") for run in (first, second))
    eyes = [name for name in one if "vision_model" in name]
    assert all(torch.equal(one[name], other[name]) for name in eyes)
    assert any(not torch.equal(one[name], other[name]) for name in one if "language_model" in name)


def test_a_model_is_trained_further(film_folder: Path, tmp_path: Path) -> None:
    command = ["train", "--preset", "nano", "--threads", "1", "--steps", "1", "--data", str(film_folder)]
    assert CliRunner().invoke(model_app, [*command, "--out", str(tmp_path / "first")]).exit_code == 0
    first = tmp_path / "first/model"
    further = [*command, "--out", str(tmp_path / "second"), "--start-from", str(first)]
    result = CliRunner().invoke(model_app, further)
    assert result.exit_code == 0, result.output
    assert "perception" in result.output
    assert "warm_up" not in result.output
    rates = json.loads((tmp_path / "second/training.json").read_text())["stages"]
    assert rates["perception"]["rate"] == RECIPES["nano"].stages["perception"].rate / 2


def test_training_goes_on_from_the_tensors_of_the_model_and_no_other_preset(
    film_folder: Path, tmp_path: Path
) -> None:
    bench = new_bench("nano", film_folder, tmp_path, RECIPES["nano"], 1, None)
    other = new_bench("nano", film_folder, tmp_path, RECIPES["nano"], 2, None)
    other.model.add_generation()
    save_model(tmp_path / "other", other.model, other.tokenizer, "other")
    position = start_perception(bench, tmp_path / "other")
    assert (position.stage, position.step, position.seed) == ("perception", 0, 1)
    mine, theirs = bench.model.state_dict(), other.model.state_dict()
    taken = ("janus.model.vision_model", "attention", "understanding")
    eyes = [name for name in mine if name.startswith(taken)]
    assert all(torch.equal(mine[name], theirs[name].half().float()) for name in eyes)
    text = "janus.model.language_model.embed_tokens.weight"
    assert not torch.equal(mine[text], theirs[text].half().float())
    with pytest.raises(Fatal, match="preset tiny, fitted; wanted nano"):
        start_perception(bench, bundled_folder())
    with pytest.raises(Fatal, match="elsewhere"):
        start_perception(bench, tmp_path / "elsewhere")


def test_a_run_that_is_not_there_gives_nothing(film_folder: Path, tmp_path: Path) -> None:
    bench = new_bench("nano", film_folder, tmp_path, RECIPES["nano"], 0, None)
    with pytest.raises(Fatal, match="no checkpoint"):
        inherit_perception(bench, tmp_path / "elsewhere")
