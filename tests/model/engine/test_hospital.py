"""A hospital fits adapters to its own films and reports, and the base keeps every byte.

Covered: manifest and what is wrong with one, labels and turns from reports, a fit of both kinds of base from
the command line, DICOM films, resuming. Not covered: whether a fit on a real hospital's films helps.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from janus_med.checkpoint import load_model, verify_folder
from janus_med.convert import convert_folder
from janus_med.engine import JanusMed
from janus_med.errors import Fatal
from janus_med.presets import find_preset
from janus_med.reading import FINDINGS
from janus_med.training.cli import model_app
from janus_med.training.hospital_data import label_text, read_hospital
from janus_med.training.report_turns import plan_of, read_report, report_turn
from tests.model.engine import original_janus
from tests.model.engine.conftest import draw_chest, write_film

COLUMNS = ("image", "person", "report", "labels", "split")
NORMAL = "FINDINGS: The lungs are clear. No pleural effusion.\nIMPRESSION: No acute abnormality."
SICK = (
    "INDICATION: Cough, rule out pneumothorax.\nFINDINGS: There is a left pleural effusion, increased since "
    "yesterday. There is a small right nodule.\nNo pneumothorax\nIMPRESSION: Right nodule."
)


def _rows(folder: Path) -> list[dict[str, str]]:
    rng, rows = np.random.default_rng(4), []
    for index in range(24):
        name = f"films/{index}.png"
        write_film(folder / name, draw_chest(rng))
        report = NORMAL if index % 2 else SICK
        split = "calibration" if index % 6 < 2 else "train"
        rows.append({"image": name, "person": f"P{index}", "report": report, "labels": "", "split": split})
    return rows


def _write(folder: Path, rows: list[dict[str, str]]) -> Path:
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return folder / "films.csv"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return _write(tmp_path, _rows(tmp_path))


def _labels(**given: float) -> list[float]:
    return [given.get(name.replace(" ", "_"), 0.0) for name in FINDINGS]


def test_labels_are_read_from_the_report_and_silence_is_absence() -> None:
    assert label_text(NORMAL).tolist() == _labels(No_Finding=1)
    assert label_text(SICK).tolist() == _labels(Pleural_Effusion=1, Lung_Lesion=1)
    doubt = label_text("FINDINGS: Possible edema. Left consolidation.\nIMPRESSION: Consolidation.")
    assert np.isnan(doubt[FINDINGS.index("Edema")])
    assert doubt[FINDINGS.index("Lung Opacity")] == 1  # the parent of what is present


def test_report_becomes_what_the_model_shall_write() -> None:
    text = read_report(SICK)
    assert text == (
        "FINDINGS: There is a small right nodule. No pneumothorax.\nIMPRESSION: Right nodule."
    )  # neither the indication nor what compares with an earlier film
    plan = plan_of(text)
    assert [(fact.finding, fact.side, fact.certain) for fact in plan.facts] == [
        ("Lung Lesion", "right", True)
    ]
    assert (plan.absent, plan.normal) == (("Pneumothorax",), False)
    assert "Lung Lesion right" in report_turn(text)[0]
    assert plan_of(read_report(NORMAL)).normal


@pytest.mark.parametrize(
    "report",
    ["", "The lungs are clear.", "FINDINGS: Clear lungs.", f"FINDINGS: {'Clear. ' * 200}\nIMPRESSION: Ok."],
)
def test_report_without_both_sections_or_too_long_teaches_no_text(report: str) -> None:
    assert read_report(report) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "films/none.png"}, "row 5: no image 'films/none.png'"),
        ({"image": ""}, "row 5: no image ''"),
        ({"person": " "}, "row 5: no person"),
        ({"report": ""}, "row 5: neither report nor labels"),
        ({"split": "test"}, "row 5: split 'test'"),
        ({"labels": "Effusion"}, "row 5: unknown label 'Effusion'; known are No Finding"),
    ],
)
def test_bad_row_is_named(change: dict[str, str], message: str, tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    rows[3] |= change
    with pytest.raises(Fatal, match=message):
        read_hospital(_write(tmp_path, rows))


def test_labels_of_the_manifest_win_over_the_report(tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    rows[3]["labels"] = "Pneumonia; Support Devices"
    case = read_hospital(_write(tmp_path, rows))[3]
    assert case.labels.tolist() == _labels(Pneumonia=1, Support_Devices=1, Lung_Opacity=1)


def test_too_few_films_are_named(tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    with pytest.raises(Fatal, match="0 films for calibration, 2 at least"):
        read_hospital(_write(tmp_path, [row | {"split": "train"} for row in rows]))
    with pytest.raises(Fatal, match="no film for train is normal"):
        read_hospital(_write(tmp_path, [row | {"report": SICK} for row in rows]))


def test_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("image,report\n")
    with pytest.raises(Fatal, match="no column person"):
        read_hospital(tmp_path / "films.csv")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _fit(manifest: Path, base: Path, out: Path, *more: str) -> str:
    command = ["train", "--manifest", str(manifest), "--base", str(base), "--out", str(out), "--threads", "1"]
    result = CliRunner().invoke(model_app, [*command, *more])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, preset = tmp_path_factory.mktemp("plain"), find_preset("nano")
    weights = original_janus.random_tensors(original_janus.original_shapes(preset, 360), seed=2)
    tokenizer = original_janus.look_alike_tokenizer()
    original_janus.write_original_folder(folder / "original", preset, weights, tokenizer)
    convert_folder(folder / "original", folder / "base")
    return folder / "base"


@pytest.mark.filterwarnings("ignore:.*not fitted")
def test_unfitted_base_is_fitted_and_keeps_every_byte(
    manifest: Path, plain: Path, chest_radiograph: Path, tmp_path: Path
) -> None:
    shutil.copy(chest_radiograph, tmp_path / "films/dicom.dcm")
    with manifest.open("a", encoding="utf-8") as file:
        file.write("films/dicom.dcm,D1,,Lung Lesion,train\n")
    before = _bytes(plain)
    output = _fit(manifest, plain, tmp_path / "out", "--steps", "2")
    assert all(stage in output for stage in ("understanding", "scope", "generation"))
    assert not any(stage in output for stage in ("warm_up", "perception", "language"))
    assert _bytes(plain) == before
    model = JanusMed.load(tmp_path / "out/model", device="cpu")
    assert model.info.id.endswith("+hospital-0")
    assert torch.isfinite(model.model.calibration.frontal_threshold).all()
    pixels = torch.zeros(1, 3, 64, 64)
    assert len(model.read_findings(pixels)) == len(FINDINGS)


@pytest.mark.filterwarnings("ignore:.*not fitted")
def test_fit_teaches_the_adapters_and_goes_on_where_it_stood(
    manifest: Path, plain: Path, tmp_path: Path
) -> None:
    _fit(manifest, plain, tmp_path / "whole", "--steps", "3")
    assert "time limit reached" in _fit(manifest, plain, tmp_path / "parts", "--steps", "3", "--minutes", "0")
    _fit(manifest, plain, tmp_path / "parts", "--steps", "3", "--resume")
    whole, parts = (
        load_model(folder, verify_folder(folder))[0].adapter_state()
        for folder in (tmp_path / "whole/model", tmp_path / "parts/model")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.filterwarnings("ignore:.*not fitted")
def test_second_fit_begins_with_the_first(manifest: Path, plain: Path, tmp_path: Path) -> None:
    _fit(manifest, plain, tmp_path / "first", "--steps", "2")
    output = _fit(manifest, tmp_path / "first/model", tmp_path / "second", "--steps", "2")
    assert "scope" not in output  # its frontal check is fitted
    assert JanusMed.load(tmp_path / "second/model", device="cpu").info.id.endswith("+hospital-0+hospital-0")


def test_command_says_what_it_lacks(manifest: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(model_app, ["train", "--base", str(tmp_path)])
    assert result.exit_code == 1
    assert "--manifest None: no such file" in result.output
    (tmp_path / "films/0.png").write_bytes(b"not an image")
    result = CliRunner().invoke(
        model_app, ["train", "--manifest", str(manifest), "--out", str(tmp_path / "o")]
    )
    assert result.exit_code == 1
    assert "a film cannot be read: 0.png" in result.output
