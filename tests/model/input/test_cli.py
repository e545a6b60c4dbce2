"""Covered: `janus-med draft` with its exit status, messages, JSON and pictures; the reader answers by rule
here.

The trained model is used by `test_end_to_end.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import janus_med.engine
from janus_med.cli import main
from janus_med.errors import ModelUnavailable
from tests.model.input.made import RuleReader, make_radiograph, phantom_chest, replace_sentences


@pytest.fixture(autouse=True)
def _reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janus_med.engine.JanusMed, "load", lambda folder, device: RuleReader())


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = main([str(arg) for arg in args])
    shown = capsys.readouterr()
    return status, shown.out, " ".join(shown.err.split())


def test_drafted_and_undrafted_studies_are_both_success(save, leg_radiograph, tmp_path, capsys) -> None:
    chest = save(make_radiograph(phantom_chest()))
    status, out, err = run(capsys, chest, leg_radiograph, "--json", tmp_path / "deep" / "out.json")
    assert status == 0
    assert err == ""
    made = json.loads((tmp_path / "deep" / "out.json").read_text())
    assert [one["status"] for one in made["studies"]].count("drafted") == 1
    reasons = [one["reason"] for one in made["studies"] if one["status"] == "undrafted"]
    assert reasons[0].startswith("not a frontal chest radiograph")
    assert "undrafted" in out


def test_unreadable_file_is_named_and_the_others_are_handled(save, tmp_path, capsys) -> None:
    (tmp_path / "notes.dcm").write_text("hello")
    status, out, err = run(
        capsys, tmp_path / "notes.dcm", save(make_radiograph(phantom_chest())), "--json", "-"
    )
    assert status == 1
    assert "notes.dcm: not a DICOM file" in err
    assert json.loads(out)["studies"][0]["status"] == "drafted"


def test_each_unreadable_file_has_its_message(save, tmp_path, capsys) -> None:
    for name, attributes in {
        "rows": {"Rows": 0},
        "huge": {"Rows": 30000, "Columns": 30000},
        "none": {"PixelData": None},
    }.items():
        save(make_radiograph(phantom_chest(), **attributes), f"{name}.dcm")
    files = sorted(tmp_path.glob("*.dcm"))
    status, _, err = run(capsys, *files)
    assert status == 1
    for words in (
        "rows.dcm: declares 0 x 460",
        "huge.dcm: declares 30000 x 30000",
        "none.dcm: holds no pixel data",
    ):
        assert words in err


def test_missing_path_is_an_error_that_names_it(capsys) -> None:
    status, _, err = run(capsys, "/nowhere/at/all.dcm")
    assert status == 1
    assert "all.dcm: cannot be opened" in err


def test_empty_folder_is_an_error(tmp_path, capsys) -> None:
    status, _, err = run(capsys, tmp_path)
    assert status == 1
    assert "no DICOM image was found" in err


def test_missing_model_is_a_clear_error(save, monkeypatch, capsys) -> None:
    def refuse(folder: Path | None, device: str) -> RuleReader:
        raise ModelUnavailable("no model in /x: manifest.json is missing")

    monkeypatch.setattr(janus_med.engine.JanusMed, "load", refuse)
    status, out, err = run(capsys, save(make_radiograph(phantom_chest())))
    assert status == 1
    assert out == ""
    assert "manifest.json is missing" in err
    assert "Traceback" not in err


def test_pictures_are_written_for_drafted_studies_alone(save, leg_radiograph, tmp_path, capsys) -> None:
    pixels = phantom_chest()
    pixels[100:150, 60:120] = 4095
    chest = save(make_radiograph(pixels))
    status, _, _ = run(capsys, chest, leg_radiograph, "--overlays", tmp_path / "pictures")
    assert status == 0
    assert [path.suffix for path in (tmp_path / "pictures").iterdir()] == [".png"]


def test_faulty_model_with_overlays_is_a_reason_and_no_picture(save, tmp_path, monkeypatch, capsys) -> None:
    reader = RuleReader(change=replace_sentences())
    monkeypatch.setattr(janus_med.engine.JanusMed, "load", lambda folder, device: reader)
    status, out, _ = run(capsys, save(make_radiograph(phantom_chest())), "--overlays", tmp_path / "pictures")
    assert status == 0
    assert "model fault" in out
    assert not (tmp_path / "pictures").exists()


def test_no_argument_is_a_usage_error(capsys) -> None:
    assert run(capsys)[0] == 2
