"""What is covered: the mapping of published labels onto the findings, the counting of right and wrong
facts, and the labeler's agreement with 1,000 published reports.

What is not covered: doubts against statements; the reference cannot tell them apart (`text_reference`).
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.facts import download
from janus_med.errors import UnreadableInput
from janus_med.evaluation.text_facts import (
    JUDGED,
    Agreement,
    by_rules,
    by_words,
    compare_facts,
    constant_labeler,
    facts_section,
    measure_agreement,
)
from janus_med.evaluation.text_reference import LabelledReport, map_matches, read_reference
from janus_med.reading import FINDINGS

FLOORS = {
    "development": {"micro": 0.950, "macro": 0.939, "denied": 0.960},
    "held-out": {"micro": 0.954, "macro": 0.927, "denied": 0.968},
}
"""Micro-F1, macro-F1 and F1 of denials as measured once the rules were finished; nothing in them is
random."""


def match(disease: str, label: str, *places: int) -> dict[str, object]:
    return {"disease": disease, "alias": disease, "label": label, "start_ix": list(places)}


def test_every_finding_but_no_finding_is_judged() -> None:
    assert set(JUDGED) == set(FINDINGS) - {"No Finding"}


def test_strongest_status_of_a_finding_wins() -> None:
    matches = [
        match("pulmonary_edema", "definitely absent", 3),
        match("pulmonary_congestion_pulmonary_venous_congestion", "uncertain", 9),
        match("tortuous_aorta", "definitely present", 12),
    ]
    assert map_matches(matches) == {"Edema": "uncertain"}


def test_words_of_consolidation_are_no_lung_opacity() -> None:
    consolidation = [
        match("consolidation", "definitely present", 4),
        match("air_space_opacity", "definitely present", 4),
    ]
    assert map_matches(consolidation) == {"Consolidation": "positive"}
    opacity = match("air_space_opacity", "definitely present", 7, 8)
    assert map_matches([*consolidation, opacity]) == {"Consolidation": "positive", "Lung Opacity": "positive"}


def test_denial_read_as_statement_is_wrong_and_missed() -> None:
    found, meant = {"Edema": "asserted", "Fracture": "denied"}, {"Edema": "denied", "Fracture": "denied"}
    agreement = compare_facts([found], [meant])
    assert agreement.counts.sum(axis=(0, 1, 2)).tolist() == [1, 1, 1]
    assert agreement.micro() == pytest.approx(0.5)
    assert agreement.macro() == pytest.approx(0.5)
    assert agreement.denied() == pytest.approx(2 / 3)
    assert agreement.of_finding("Fracture").micro() == 1.0


def test_interval_holds_the_figure() -> None:
    rng = np.random.default_rng(2)
    agreement = Agreement(rng.integers(0, 2, (60, len(JUDGED), 2, 3)))
    low, high = agreement.interval(Agreement.micro, seed=0)
    assert low < agreement.micro() < high


def test_baselines_deny_nothing_and_repeat_themselves() -> None:
    reports = [LabelledReport("a", "No edema.", {"Edema": "negative"})] * 3
    assert by_words("No edema.") == {"Edema": "asserted"}
    assert constant_labeler(reports)("anything") == {"Edema": "denied"}
    assert measure_agreement(reports, by_rules).micro() == 1.0


def test_halves_are_told_by_name_alone() -> None:
    halves = [LabelledReport(f"synth_{number:04}", "", {}).half for number in range(1, 1001)]
    assert halves.count("development") == 516
    assert halves == [LabelledReport(f"synth_{number:04}", "other", {}).half for number in range(1, 1001)]


def test_other_file_than_the_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other/data.json", json.dumps({}))
    with pytest.raises(UnreadableInput, match=r"other\.whl"):
        read_reference(wheel)
    with pytest.raises(UnreadableInput, match="missing"):
        read_reference(tmp_path / "missing.whl")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return download(tmp_path_factory.mktemp("radlabels"))
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or error).strip().splitlines()[-1:]
        pytest.skip(f"the labelled reports cannot be fetched: {said}")


@pytest.mark.slow
@pytest.mark.parametrize("half", FLOORS)
def test_labeler_agrees_with_published_labels(wheel: Path, half: str) -> None:
    reports = [report for report in read_reference(wheel) if report.half == half]
    agreement, words = measure_agreement(reports, by_rules), measure_agreement(reports, by_words)
    measured = {"micro": agreement.micro(), "macro": agreement.macro(), "denied": agreement.denied()}
    below = {name: value for name, value in measured.items() if value < FLOORS[half][name]}
    assert not below, measured
    assert agreement.micro() > words.micro() + 0.1


@pytest.mark.slow
def test_section_names_both_halves_and_every_finding(wheel: Path) -> None:
    section = facts_section(wheel, seed=0)
    assert all(f"| {name} |" in section for name in JUDGED)
    assert section.count("| held-out |") == section.count("| development |") == 3
