"""What is covered: the command end to end with every bar in its document, an evaluation that can fail, and
the films it makes.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from janus_med.checkpoint import bundled_folder
from janus_med.engine import JanusMed
from janus_med.evaluation.bootstrap import macro
from janus_med.evaluation.boxes import box_mask, boxed_films
from janus_med.evaluation.decoder_maps import decoder_maps
from janus_med.evaluation.drafts import Drafted, compare_facts, compare_sides, true_side, with_parents
from janus_med.evaluation.faithful import delete_steps
from janus_med.evaluation.films import erased_pairs, inserted_films, move_elsewhere
from janus_med.evaluation.inserted import LEAST, finding_areas
from janus_med.evaluation.measure import Exam, Said, ask
from janus_med.evaluation.places import locate
from janus_med.evaluation.randomised import shuffle_cascade
from janus_med.evaluation.report import Request, open_exam
from janus_med.evaluation.sections import Bar
from janus_med.facts import label_report
from janus_med.reading import FINDINGS
from janus_med.training.attenuation import Brush
from janus_med.training.cli import model_app
from janus_med.training.samples import Sample

BARS = (
    "Real labels, all sources: macro AUROC |",
    "macro AUROC above HOG + logistic regression",
    "whose interval lies above 0.5",
    "Inserted lesions, trained brush: macro AUROC",
    "Inserted lesions, unseen brush: macro AUROC",
    "Decoys not called disease",
    "pointing game",
    "pointing over chance",
    "pointing over raw decoder attention",
    "pointing above the place prior",
    "mIoU",
    "CNR",
    "drop when the lesion is erased over change elsewhere",
    "deletion AUC, share of random",
    "deletion AUC below the place prior",
    "all weights shuffled, below that of random pairs",
    "macro-F1 of the text's facts minus the adapter's own",
    "side right, given the finding",
    "expected calibration error",
    "thresholds set by conformal prediction",
    "Conformal coverage, all thresholds",
    "least certain 20 % are dropped",
)


@pytest.fixture(scope="module")
def nano_folder(film_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano model after one step of every stage."""
    out = tmp_path_factory.mktemp("nano")
    arguments = ["train", "--preset", "nano", "--threads", "1", "--steps", "1"]
    result = CliRunner().invoke(model_app, [*arguments, "--data", str(film_folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out / "model"


@pytest.fixture(scope="module")
def exam(nano_folder: Path, film_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Exam:
    request = Request(nano_folder, film_folder, tmp_path_factory.mktemp("exam"), quick=True)
    return open_exam(request, nano_folder)


def test_every_bar_stands_in_the_document(nano_folder: Path, film_folder: Path, tmp_path: Path) -> None:
    document = tmp_path / "model_evaluation.md"
    arguments = ["evaluate", "--quick", "--card", "--doc", str(document), "--model", str(nano_folder)]
    result = CliRunner().invoke(model_app, [*arguments, "--data", str(film_folder), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    text = document.read_text()
    assert [bar for bar in BARS if bar not in text] == []
    assert "missed" in text  # a model of one step cannot meet them all
    for fact in ("| date |", "| commit |", "| machine |", "| seed |", "adult films refused", "few"):
        assert fact in text
    bars = json.loads((tmp_path / "evaluation.json").read_text())["bars"]
    assert len(bars) == len(BARS)
    card = (nano_folder / "MODEL_CARD.md").read_text()
    assert "docs/model_evaluation.md" in card
    assert len(card) < len(text)


def _rolled(engine: JanusMed) -> JanusMed:
    """The same model with every finding's head and query moved on to another finding."""
    model = copy.deepcopy(engine.model)
    heads = model.understanding
    with torch.no_grad():
        for part in (heads.from_pool.weight, heads.from_pool.bias, heads.from_queries, heads.from_evidence):
            part.copy_(part.roll(5, dims=0))
        model.attention.queries.copy_(model.attention.queries.roll(5, dims=0))
    return JanusMed(model, engine._tokenizer, engine.info)


@pytest.mark.slow
def test_model_with_moved_heads_misses_what_the_bundled_one_tells(film_folder: Path, tmp_path: Path) -> None:
    folder = bundled_folder()
    whole = open_exam(Request(folder, film_folder, tmp_path, samples=72, quick=True), folder)
    moved = replace(whole, engine=_rolled(whole.engine))
    areas = {}
    for name, exam in (("whole", whole), ("moved", moved)):
        areas[name] = macro(list(finding_areas(exam.trained, exam.trained.probabilities).values()))
    assert Bar("moved", areas["moved"].figure, LEAST["trained"]).verdict == "missed"
    assert abs(areas["moved"].value - 0.5) < 0.15
    assert areas["whole"].value > areas["moved"].value + 0.1


def _said_with(exam: Exam, maps: np.ndarray) -> Said:
    return replace(exam.trained, maps=maps.astype(np.float32))


def test_perfect_maps_hit_and_random_maps_do_not(exam: Exam) -> None:
    masks = np.nan_to_num(exam.trained.masks)
    levels = dict.fromkeys(FINDINGS, 0.05)
    perfect = locate(exam, _said_with(exam, masks), levels)
    noise = np.random.default_rng(0).random(masks.shape)
    random = locate(exam, _said_with(exam, noise), levels)
    for name, row in perfect.items():
        assert row["pointing"].value == 1
        assert row["IoU, size known"].value == 1
        assert row["CNR"].value > random[name]["CNR"].value
    chance = np.mean([row["chance"].value for row in random.values()])
    assert abs(np.mean([row["pointing"].value for row in random.values()]) - chance) < 0.15


@pytest.mark.parametrize("brush", get_args(Brush))
def test_lesions_are_inserted_into_films_of_the_asked_part_alone(exam: Exam, brush: Brush) -> None:
    for part in ("val", "train"):
        films = inserted_films(exam.store, exam.grid, brush, 12, 0, part)
        allowed = {case.person for case in exam.store.cases if case.part == part and case.normal}
        assert set(films.persons) <= allowed
        again = inserted_films(exam.store, exam.grid, brush, 12, 0, part)
        assert all(np.array_equal(a.grey, b.grey) for a, b in zip(films.samples, again.samples, strict=True))


def test_pair_differs_by_its_lesion(exam: Exam) -> None:
    for pair in erased_pairs(exam.store, exam.grid, "trained", 9, 0):
        assert pair.mask.max() > 0
        assert not np.array_equal(pair.present, pair.erased)
        assert not np.array_equal(pair.present, pair.elsewhere)


def test_place_elsewhere_has_the_same_shape_and_no_overlap() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:20, 5:12] = True
    moved = move_elsewhere(mask)
    assert moved.sum() == mask.sum()
    assert not (moved & mask).any()


def test_deletion_starts_at_the_film_and_ends_alike_for_every_order(exam: Exam) -> None:
    grey = exam.trained.films.samples[1].grey
    rng = np.random.default_rng(0)
    first, second = (delete_steps(exam.model, grey, rng.random((exam.grid, exam.grid)), 2) for _ in range(2))
    assert first[0] == second[0] == pytest.approx(ask(exam.model, [grey]).probabilities[0, 2])
    assert first[-1] == pytest.approx(second[-1])


def test_decoder_map_is_a_share_of_attention_and_leaves_the_model_as_it_was(exam: Exam) -> None:
    language = exam.model.janus.model.language_model
    before = language.config._attn_implementation
    films = [sample.grey for sample in exam.trained.films.samples[:3]]
    maps = decoder_maps(exam.model, exam.tokenizer, films, ["Edema", "Lung Lesion", "Cardiomegaly"])
    assert maps.shape == (3, exam.grid, exam.grid)
    assert (maps >= 0).all()
    assert ((maps.sum(axis=(1, 2)) > 0) & (maps.sum(axis=(1, 2)) < 1)).all()
    assert language.config._attn_implementation == before


def test_cascade_shuffles_a_copy_down_to_the_embedding(exam: Exam) -> None:
    kept = exam.model.attention.queries.clone()
    steps = list(shuffle_cascade(exam.model, 0))
    assert [name for name, _ in steps] == [
        "finding queries",
        "encoder layer 2",
        "encoder layer 1",
        "patch embedding, all weights",
    ]
    assert exam.model.attention.queries.equal(kept)
    assert not steps[-1][1].attention.queries.equal(kept)


def test_box_covers_the_patches_of_a_padded_film() -> None:
    box = {"x": 0, "y": 50, "w": 25, "h": 50}
    mask = box_mask(box, (50, 100), 4)  # 25 pixels of padding on the left and on the right
    assert mask.sum() == pytest.approx(2)
    assert mask[2:, 1].tolist() == [1, 1]


def test_folder_without_boxes_has_none(exam: Exam, film_folder: Path) -> None:
    assert boxed_films(exam.store, film_folder, exam.grid) == []


def _drafted(text: str, present: dict[str, str], spoken: tuple[str, ...]) -> Drafted:
    labels, masks = np.zeros(14, np.float32), np.zeros((14, 4, 4), np.float32)
    for name, side in present.items():
        labels[FINDINGS.index(name)] = 1
        masks[FINDINGS.index(name), 1:3, slice(2, 4) if side == "left" else slice(0, 2)] = 1
    called = np.array([name in spoken for name in FINDINGS])
    return Drafted(label_report(text), {}, called, Sample(np.zeros((4, 4)), labels, masks), text)


def test_facts_and_sides_of_texts_are_counted_by_hand(exam: Exam) -> None:
    drafted = [
        _drafted("There is a left pneumothorax.", {"Pneumothorax": "left"}, ("Pneumothorax",)),
        _drafted("There is a left pneumothorax.", {"Pneumothorax": "right"}, ()),
        _drafted("There is a pneumothorax.", {"Edema": ""}, ("Edema",)),
        _drafted("No pneumothorax.", {"Pneumothorax": "left"}, ("Pneumothorax",)),
    ]
    rows = compare_facts(exam, drafted)
    assert rows["Pneumothorax"]["text"].value == pytest.approx(2 * 2 / (3 + 3))
    assert rows["Pneumothorax"]["adapter"].value == pytest.approx(2 * 2 / (2 + 3))
    assert rows["Pneumothorax"]["always all"].value == pytest.approx(2 * 3 / (4 + 3))
    assert rows["Edema"]["text"].value == 0
    assert rows["Lung Opacity"]["adapter"].value == 1  # edema is an opacity
    sides = compare_sides(exam, drafted)
    assert sides["side right"].value == 0.5
    assert sides["side right"].count == 2


def test_side_of_a_mask_is_the_patients() -> None:
    sample = _drafted("", {"Pneumothorax": "left", "Edema": "left"}, ()).sample
    assert true_side(sample, "Pneumothorax") == "left"
    assert true_side(sample, "Edema") == ""  # has no side
    assert true_side(sample, "Atelectasis") == ""  # is absent


def test_stated_child_states_its_parent() -> None:
    present = np.array([[name == "Consolidation" for name in FINDINGS]])
    closed = with_parents(present)
    assert [name for name, value in zip(FINDINGS, closed[0], strict=True) if value] == [
        "Lung Opacity",
        "Consolidation",
    ]
