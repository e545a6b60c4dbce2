"""What is covered: the training command end to end on generated films, resumption, and what enters training
at all.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from janus_med.checkpoint import verify_folder
from janus_med.engine import JanusMed
from janus_med.reading import FINDINGS
from janus_med.training.anatomy import find_lungs
from janus_med.training.cli import model_app
from janus_med.training.data import read_cases, to_chexpert
from janus_med.training.lesions import BRUSHES, insert_decoy, insert_lesion

TRAIN = ["train", "--preset", "nano", "--threads", "1", "--steps", "3"]


def _train(data: Path, out: Path, *more: str) -> str:
    result = CliRunner().invoke(model_app, [*TRAIN, "--data", str(data), "--out", str(out), *more])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def trained(film_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    _train(film_folder, out)
    return out


@pytest.mark.slow
def test_training_ends_in_a_verified_folder_that_evaluates(film_folder: Path, trained: Path) -> None:
    assert verify_folder(trained / "model").preset == "nano"
    result = CliRunner().invoke(
        model_app,
        [
            "evaluate",
            "--model",
            str(trained / "model"),
            "--data",
            str(film_folder),
            "--out",
            str(trained),
            "--samples",
            "20",
            "--card",
        ],
    )
    assert result.exit_code == 0, result.output
    figures = json.loads((trained / "evaluation.json").read_text())["figures"]
    assert 0 <= figures["scope"]["adult films refused"]["value"] <= 1
    assert figures["drafts"]["model faults"]["count"] > 0
    card = (trained / "model" / "MODEL_CARD.md").read_text()
    assert "Not for clinical use" in card
    assert verify_folder(trained / "model").sha256["model.safetensors"] in card


@pytest.mark.slow
def test_interrupted_training_resumes_to_the_same_weights(
    film_folder: Path, trained: Path, tmp_path: Path
) -> None:
    interruptions = 0
    output = _train(film_folder, tmp_path, "--minutes", "0.0001")
    while "time limit" in output:
        interruptions += 1
        output = (
            _train(film_folder, tmp_path, "--minutes", "0.0001", "--resume")
            if interruptions < 7
            else _train(film_folder, tmp_path, "--resume")
        )
    assert interruptions == 7
    for name in ("model.safetensors", "adapters.safetensors"):
        whole, resumed = load_file(trained / "model" / name), load_file(tmp_path / "model" / name)
        assert whole.keys() == resumed.keys()
        assert [key for key in whole if not whole[key].equal(resumed[key])] == []


def test_training_refuses_to_overwrite_a_run(film_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    result = CliRunner().invoke(model_app, [*TRAIN, "--data", str(film_folder), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "--resume" in result.output


def test_training_without_data_says_what_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(model_app, [*TRAIN, "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "manifest.csv" in result.output


def test_images_without_an_open_licence_are_not_read(film_folder: Path) -> None:
    names = {case.path.name for case in read_cases(film_folder)}
    assert "007.png" not in names
    assert len(names) == 47


def test_no_person_is_in_two_parts(film_folder: Path) -> None:
    parts: dict[str, set[str]] = {}
    for case in read_cases(film_folder):
        parts.setdefault(case.person, set()).add(case.part)
    assert all(len(part) == 1 for part in parts.values())
    assert set.union(*parts.values()) == {"train", "calibration", "val"}


def test_labels_of_the_source_become_the_fourteen() -> None:
    labels = dict(zip(FINDINGS, to_chexpert("Effusion;Mass"), strict=True))
    assert labels["Pleural Effusion"] == labels["Lung Lesion"] == 1
    assert labels["No Finding"] == labels["Pneumothorax"] == 0
    assert np.isnan(labels["Fracture"])
    assert np.isnan(to_chexpert("")).all()


def _film() -> np.ndarray:
    from tests.model.engine.conftest import draw_chest

    return draw_chest(np.random.default_rng(2), 128).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("brush", ["trained", "unseen"])
@pytest.mark.parametrize("finding", list(BRUSHES))
def test_lesion_changes_the_film_where_its_mask_says(finding: str, brush) -> None:
    film = _film()
    lungs = find_lungs(film)
    changed = inside = 0.0
    for seed in range(5):
        lesion = insert_lesion(finding, film, lungs, np.random.default_rng(seed), brush)
        difference = np.abs(lesion.grey - film)
        changed += float(difference.sum())
        inside += float(difference[lesion.mask].sum())
        assert finding in lesion.labels
        assert 0 <= lesion.grey.min() <= lesion.grey.max() <= 1
    assert inside > 0.4 * changed > 0


def test_lesions_repeat_with_their_seed() -> None:
    film = _film()
    lungs = find_lungs(film)
    drawn = [insert_lesion("Lung Lesion", film, lungs, np.random.default_rng(7)).grey for _ in range(2)]
    assert np.array_equal(*drawn)


def test_decoy_changes_the_film() -> None:
    film = _film()
    changed = [
        not np.array_equal(insert_decoy(film, find_lungs(film), np.random.default_rng(s)), film)
        for s in range(12)
    ]
    assert all(changed)


def test_trained_folder_reads(trained: Path) -> None:
    assert JanusMed.load(trained / "model", "cpu").info.preset == "nano"
