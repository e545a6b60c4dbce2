"""Covered: real radiographs through the bundled, trained model, as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

import janus_med
from janus_med.preprocessing import preprocessing_sha256
from janus_med.reading import FINDINGS
from tests.conftest import need

pytestmark = pytest.mark.slow
WEIGHTS = Path(janus_med.__file__).parent / "weights" / "tiny" / "manifest.json"


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory, ct_slice: Path) -> dict[str, dict]:
    """One run of the command over the chest, its JPEG 2000 twin, the leg and a CT series; drafts by name."""
    need(WEIGHTS.exists(), "the bundled weights (janus_med/weights/tiny)")
    folder = tmp_path_factory.mktemp("run")
    inputs = {}
    for name, file in {"chest": "RG1_UNCR.dcm", "twin": "RG1_J2KR.dcm", "leg": "RG3_UNCR.dcm"}.items():
        ds = pydicom.dcmread(str(get_testdata_file(file, download=False)))
        ds.StudyInstanceUID = generate_uid()
        inputs[ds.StudyInstanceUID] = name
        ds.save_as(folder / f"{name}.dcm")
    study = generate_uid()
    inputs[study] = "ct"
    for number in range(4):
        ds = pydicom.dcmread(ct_slice)
        ds.StudyInstanceUID, ds.InstanceNumber = study, number
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.save_as(folder / f"ct{number}.dcm")
    out = folder.parent / "drafts.json"
    code = "import sys; from janus_med.cli import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        code,
        str(folder),
        "--json",
        str(out),
        "--overlays",
        str(folder.parent / "overlays"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    made = json.loads(out.read_text())["studies"]
    return {inputs[one["study_uid"]]: one for one in made}


def test_real_chest_radiograph_is_drafted(drafts) -> None:
    chest = drafts["chest"]
    assert chest["status"] == "drafted", chest["reason"]
    assert [one["name"] for one in chest["findings"]] == list(FINDINGS)
    assert chest["report"]["findings"]
    assert chest["report"]["impression"]
    for sentence in chest["sentences"]:
        if sentence["polarity"] in {"negative", "normal"}:
            assert sentence["region"] is None
    for finding in chest["findings"]:
        if finding["region"]:
            x0, y0, x1, y1 = finding["region"]["box"]
            assert 0 <= x0 < x1 <= 1841
            assert 0 <= y0 < y1 <= 1955


def test_jpeg_2000_twin_has_the_same_draft(drafts) -> None:
    texts = []
    for name in ("chest", "twin"):
        draft = {key: value for key, value in drafts[name].items() if key not in {"timings", "study_uid"}}
        text = json.dumps(draft, sort_keys=True)
        texts.append(text.replace(draft["input_sop_instance_uids"][0], "UID"))
    assert texts[0] == texts[1]


def test_leg_and_ct_are_not_drafted_and_say_why(drafts) -> None:
    for name in ("leg", "ct"):
        assert drafts[name]["status"] == "undrafted"
        assert drafts[name]["reason"].startswith("not a frontal chest radiograph")


@pytest.mark.covers("P6")
def test_draft_names_the_weights_that_made_it(drafts) -> None:
    manifest = WEIGHTS.read_text()
    model = drafts["chest"]["model"]
    assert model["weights_sha256"] in manifest
    assert model["adapters_sha256"] in manifest
    assert drafts["chest"]["preprocessing_sha256"] == preprocessing_sha256()
