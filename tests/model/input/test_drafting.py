"""Covered: a study becomes a draft or a reason; regions and attention in it; faulty answers are never drafts.

The reader here answers by rule, so that each answer is known; `test_end_to_end.py` uses the trained model.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, generate_uid

from janus_med.dicom_input import read_studies
from janus_med.drafting import draft_study
from janus_med.preprocessing import preprocessing_sha256
from janus_med.reading import FINDINGS, FindingReading, Reading, SentenceReading
from tests.model.input.made import RuleReader, make_radiograph, phantom_chest, replace_sentences

PIXELS = phantom_chest()


def draft_files(decoder, *paths: Path, reader: RuleReader | None = None, **options):
    (study,) = read_studies(paths).studies
    return draft_study(study, reader or RuleReader(), decoder=decoder, **options)


def change_findings(**changes: dict[str, object]):
    """A change of a reading: other probabilities, decisions or maps for findings, underscores for spaces."""

    def change(reading: Reading) -> Reading:
        findings = tuple(
            dataclasses.replace(one, **changes.get(one.name.replace(" ", "_"), {}))
            for one in reading.findings
        )
        return dataclasses.replace(reading, findings=findings)

    return change


def test_json_follows_the_contract(save, decoder) -> None:
    made = draft_files(decoder, save(make_radiograph(PIXELS)), seed=7).to_json()
    json.dumps(made, allow_nan=False)
    assert {
        "study_uid",
        "status",
        "reason",
        "model",
        "findings",
        "sentences",
        "report",
        "issues",
        "timings",
    } <= set(made)
    assert made["status"] == "drafted"
    assert set(made["model"]) == {"id", "preset", "weights_sha256", "adapters_sha256"}
    assert [one["name"] for one in made["findings"]] == list(FINDINGS)
    for finding in made["findings"]:
        assert finding["decision"] in {"present", "absent", "defer"}
        assert 0 <= finding["probability"] <= 1
    region = made["findings"][5 - 1]["region"]
    assert set(region) >= {"sop_instance_uid", "box", "score"}
    assert all(isinstance(value, int) for value in region["box"])
    for sentence in made["sentences"]:
        assert set(sentence) >= {"section", "text", "findings", "confidence", "region"}
        assert sentence["section"] in {"findings", "impression"}
    assert made["report"] == {
        "findings": "There is a lung nodule. No pneumothorax.",
        "impression": "Lung nodule.",
    }
    assert set(made["timings"]) == {"decode_s", "preprocess_s", "encode_s", "generate_s"}
    assert all(value >= 0 for value in made["timings"].values())


@pytest.mark.covers("P6")
def test_draft_carries_what_a_rerun_needs(save, decoder) -> None:
    path = save(ds := make_radiograph(PIXELS))
    made = draft_files(decoder, path, seed=41)
    assert made.seed == 41
    assert made.input_sop_instance_uids == (ds.SOPInstanceUID,)
    assert made.to_json()["preprocessing_sha256"] == preprocessing_sha256()
    again = draft_files(decoder, path, seed=41)
    strip = lambda one: {key: value for key, value in one.to_json().items() if key != "timings"}  # noqa: E731
    assert strip(made) == strip(again)


def test_regions_stand_behind_positive_sentences_alone(save, decoder) -> None:
    sentences = [
        SentenceReading("findings", "Lung nodule.", ("Lung Lesion",), "positive", 0.9),
        SentenceReading("findings", "Possible lung nodule.", ("Lung Lesion",), "uncertain", 0.6),
        SentenceReading("findings", "No lung nodule.", ("Lung Lesion",), "negative", 0.9),
        SentenceReading("impression", "Normal chest.", ("Lung Lesion",), "normal", 0.9),
        SentenceReading(
            "impression", "Fracture.", ("Fracture",), "positive", 0.9
        ),  # the classifier says absent
    ]
    made = draft_files(
        decoder, save(make_radiograph(PIXELS)), reader=RuleReader(change=replace_sentences(*sentences))
    )
    assert [sentence.region is not None for sentence in made.sentences] == [True, True, False, False, False]


def test_only_present_and_deferred_findings_carry_attention(save, decoder) -> None:
    change = change_findings(Edema={"decision": "defer"}, No_Finding={"decision": "present"})
    made = draft_files(decoder, save(make_radiograph(PIXELS)), reader=RuleReader(change=change))
    shown = {finding.name for finding in made.findings if finding.attention is not None}
    assert shown == {"Lung Lesion", "Edema"}
    assert {finding.name for finding in made.findings if finding.region is not None} == shown


def test_sentence_takes_the_region_of_the_side_it_names(save, decoder) -> None:
    attention = np.zeros((24, 24), dtype=np.float32)
    attention[10:14, 4:8], attention[10:13, 16:20] = 1.0, 0.9
    sentence = SentenceReading("findings", "Left lung nodule.", ("Lung Lesion",), "positive", 0.9)

    def change(reading: Reading) -> Reading:
        return replace_sentences(sentence)(change_findings(Lung_Lesion={"attention": attention})(reading))

    made = draft_files(decoder, save(make_radiograph(PIXELS)), reader=RuleReader(change=change))
    assert made.findings[4].region.side == "right"
    assert made.sentences[0].region.side == "left"


FAULTS = {
    "not a number": change_findings(Edema={"probability": float("nan")}),
    "in [0, 1]": change_findings(Edema={"probability": 1.2}),
    "finite grid": change_findings(Edema={"attention": np.full((4, 4), np.inf, dtype=np.float32)}),
    "fourteen findings": lambda reading: dataclasses.replace(reading, findings=reading.findings[1:]),
    "embedding": lambda reading: dataclasses.replace(reading, embedding=np.full(8, np.nan, dtype=np.float32)),
    "the text is empty": replace_sentences(),
    "text is empty": replace_sentences(SentenceReading("findings", " . ", (), "normal", 0.5)),
    "confidence": replace_sentences(SentenceReading("findings", "Clear.", (), "normal", float("nan"))),
    "repeats a sentence": replace_sentences(
        *[SentenceReading("findings", "Clear lungs.", (), "normal", 0.5)] * 3
    ),
    "repeats itself": replace_sentences(SentenceReading("findings", "no acute " * 9, (), "normal", 0.5)),
    "longer than": replace_sentences(
        *[
            SentenceReading("findings", f"{number} " + "long words here and there " * 1, (), "normal", 0.5)
            for number in range(300)
        ]
    ),
}


@pytest.mark.covers("T25")
@pytest.mark.parametrize("words", FAULTS)
def test_faulty_answer_is_a_reason_and_never_a_draft(words: str, save, decoder) -> None:
    made = draft_files(decoder, save(make_radiograph(PIXELS)), reader=RuleReader(change=FAULTS[words]))
    assert made.status == "undrafted"
    assert made.reason.startswith("model fault: ")
    assert words in made.reason
    assert len(made.input_sop_instance_uids) == 1
    assert made.findings == made.sentences == ()
    assert made.unreadable == ()


@pytest.mark.covers("T25")
@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), MemoryError(), ValueError("shape")])
def test_model_that_stops_is_a_reason(error: Exception, save, decoder) -> None:
    def stop(reading: Reading) -> Reading:
        raise error

    made = draft_files(decoder, save(make_radiograph(PIXELS)), reader=RuleReader(change=stop))
    assert made.status == "undrafted"
    assert type(error).__name__ in made.reason


def test_model_may_refuse_the_picture(save, decoder) -> None:
    reader = RuleReader()
    reader.is_frontal_chest = lambda pixel_values: (False, 0.12)
    made = draft_files(decoder, save(make_radiograph(PIXELS)), reader=reader)
    assert made.reason == "not a frontal chest radiograph: the picture does not look like one (score 0.12)"
    assert reader.seen == []


def test_two_frontal_images_are_combined(save, decoder) -> None:
    study = generate_uid()
    views = {}
    for view in ("PA", "AP"):
        ds = make_radiograph(
            PIXELS if view == "PA" else PIXELS[:, ::-1].copy(), StudyInstanceUID=study, ViewPosition=view
        )
        views[view] = ds.SOPInstanceUID
        folder = save(ds, f"{view}.dcm").parent
    effusion = SentenceReading("findings", "Pleural effusion.", ("Pleural Effusion",), "positive", 0.8)
    normal = SentenceReading("impression", "Normal chest.", (), "normal", 0.8)
    denied = SentenceReading("findings", "No pleural effusion.", ("Pleural Effusion",), "negative", 0.8)

    def answer(reading: Reading) -> Reading:
        if len(reader.seen) == 1:  # the PA image is read first: normal
            return replace_sentences(denied, normal)(
                change_findings(No_Finding={"probability": 0.9})(reading)
            )
        abnormal = change_findings(Pleural_Effusion={"probability": 0.8, "decision": "present"})(reading)
        return replace_sentences(effusion)(abnormal)

    reader = RuleReader(change=answer)
    made = draft_files(decoder, folder, reader=reader)
    assert made.input_sop_instance_uids == (views["PA"], views["AP"])
    found = {finding.name: finding for finding in made.findings}
    assert found["Pleural Effusion"].decision == "present"
    assert found["Pleural Effusion"].region.sop_instance_uid == views["AP"]
    assert found["No Finding"].probability == pytest.approx(0.1)
    assert [sentence.text for sentence in made.sentences] == ["Pleural effusion."]


def damage(path: Path) -> Path:
    """Overwrite the coded data of a JPEG 2000 image behind its main header."""
    data = path.read_bytes()
    start = data.index(b"\xff\x4f\xff\x51")
    path.write_bytes(data[: start + 60] + b"\0" * (len(data) - start - 76) + data[-16:])
    return path


def test_unreadable_image_is_named_and_its_twin_still_drafted(save, decoder) -> None:
    study = generate_uid()
    save(make_radiograph(PIXELS, StudyInstanceUID=study, ViewPosition="AP"), "good.dcm")
    ds = make_radiograph(PIXELS, StudyInstanceUID=study)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    path = damage(save(ds, "damaged.dcm"))
    made = draft_files(decoder, path.parent)
    assert made.status == "drafted"
    assert len(made.input_sop_instance_uids) == 1
    assert made.unreadable[0].startswith("damaged.dcm: ")


def test_only_image_that_cannot_be_decoded_is_the_reason(save, decoder) -> None:
    ds = make_radiograph(PIXELS)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    made = draft_files(decoder, damage(save(ds, "damaged.dcm")))
    assert made.status == "undrafted"
    assert made.reason == made.unreadable[0]
    assert made.reason.startswith("damaged.dcm: ")


def test_jpeg_2000_twin_gives_the_same_draft(chest_radiograph: Path, decoder) -> None:
    twin = Path(str(get_testdata_file("RG1_J2KR.dcm", download=False)))
    reader = RuleReader()
    first, second = (draft_files(decoder, path, reader=reader) for path in (chest_radiograph, twin))
    assert bool((reader.seen[0] == reader.seen[1]).all())
    uids = [one.input_sop_instance_uids[0] for one in (first, second)]
    texts = [json.dumps({**one.to_json(), "timings": None}) for one in (first, second)]
    assert uids[0] != uids[1]
    assert texts[0].replace(uids[0], uids[1]) == texts[1]


def test_ct_series_is_not_drafted_and_not_decoded(ct_slice: Path, tmp_path: Path, decoder) -> None:
    import pydicom

    for number in range(3):
        ds = pydicom.dcmread(ct_slice)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.save_as(tmp_path / f"{number}.dcm")
    reader = RuleReader()
    made = draft_files(decoder, tmp_path, reader=reader)
    assert made.status == "undrafted"
    assert made.reason.startswith("not a frontal chest radiograph")
    assert reader.seen == []


def test_findings_are_frozen() -> None:
    finding = FindingReading("Edema", 0.5, "defer", np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.probability = 0.9


def test_a_draft_without_text_says_that_low_resource_mode_left_it_out(save, decoder) -> None:
    skip = lambda reading: dataclasses.replace(reading, sentences=(), skipped="low-resource mode")  # noqa: E731
    made = draft_files(decoder, save(make_radiograph(PIXELS)), reader=RuleReader(change=skip))
    assert (made.status, made.sentences) == ("drafted", ())
    assert [issue.message for issue in made.issues if issue.kind == "text_skipped"] == ["low-resource mode"]


def test_a_draft_without_text_and_without_a_reason_is_a_model_fault(save, decoder) -> None:
    lose = lambda reading: dataclasses.replace(reading, sentences=())  # noqa: E731
    made = draft_files(decoder, save(make_radiograph(PIXELS)), reader=RuleReader(change=lose))
    assert made.status == "undrafted"
    whole = draft_files(decoder, save(make_radiograph(PIXELS)))
    assert all(issue.kind != "text_skipped" for issue in whole.issues)
