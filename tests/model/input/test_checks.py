"""Covered: each kind of issue is found, and a draft that agrees with itself has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from janus_med.checks import check_draft
from janus_med.draft import DraftFinding, DraftSentence
from janus_med.overlay import Region

LEFT = Region("1.2", (10, 10, 20, 20), 0.6, (15.0, 15.0), "left")


def finding(name: str, decision: str) -> DraftFinding:
    return DraftFinding(name, {"present": 0.9, "absent": 0.1, "defer": 0.5}[decision], decision)


def sentence(text: str, section: str = "findings", region: Region | None = None) -> DraftSentence:
    return DraftSentence(section, text, (), "positive", 0.9, region)


def kinds(findings, sentences, **options) -> set[tuple[str, str]]:
    return {(issue.kind, issue.severity) for issue in check_draft(findings, sentences, **options)}


def test_draft_that_agrees_with_itself_has_no_issue() -> None:
    findings = [finding("Pleural Effusion", "present"), finding("Pneumothorax", "absent")]
    sentences = [
        sentence("There is a left pleural effusion.", region=LEFT),
        sentence("No pneumothorax."),
        sentence("Left pleural effusion.", "impression", LEFT),
    ]
    assert check_draft(findings, sentences) == ()


def test_text_that_states_what_the_classifier_finds_absent_is_an_error() -> None:
    found = kinds([finding("Pneumothorax", "absent")], [sentence("There is a pneumothorax.")])
    assert found == {("text_contradicts_classifier", "error")}


def test_text_that_denies_what_the_classifier_finds_present_is_an_error() -> None:
    found = kinds([finding("Pneumothorax", "present")], [sentence("No pneumothorax.")])
    assert found == {("text_contradicts_classifier", "error")}


def test_finding_that_the_text_leaves_out_is_a_warning() -> None:
    found = kinds([finding("Cardiomegaly", "present")], [sentence("No pneumothorax.")])
    assert found == {("finding_not_in_text", "warning")}


def test_side_that_is_not_the_regions_is_an_error() -> None:
    findings = [finding("Pleural Effusion", "present")]
    assert kinds(findings, [sentence("Right pleural effusion.", region=LEFT)]) == {
        ("side_contradicts_region", "error")
    }
    assert kinds(findings, [sentence("Bilateral pleural effusions.", region=LEFT)]) == set()
    assert kinds(findings, [sentence("Pleural effusion.", region=LEFT)]) == set()


def test_one_side_in_the_text_of_a_region_over_both_is_a_warning() -> None:
    findings = [finding("Pleural Effusion", "present")]
    both = replace(LEFT, side="midline")
    assert kinds(findings, [sentence("Right pleural effusion.", region=both)]) == {
        ("side_contradicts_region", "warning")
    }
    assert kinds(findings, [sentence("Bilateral pleural effusions.", region=both)]) == set()
    assert kinds(findings, [sentence("Pleural effusion.", region=both)]) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Unchanged pleural effusion.",
        "The pleural effusion has increased since the prior study.",
        "Compared with the previous radiograph, pleural effusion.",
        "Pleural effusion, no interval change.",
        "Improving pleural effusion.",
    ],
)
def test_comparison_without_a_prior_is_a_warning(text: str) -> None:
    findings = [finding("Pleural Effusion", "present")]
    assert ("comparison_without_prior", "warning") in kinds(findings, [sentence(text)])
    assert ("comparison_without_prior", "warning") not in kinds(findings, [sentence(text)], has_prior=True)


def test_impression_that_denies_the_findings_is_an_error() -> None:
    sentences = [sentence("There is a pleural effusion."), sentence("No pleural effusion.", "impression")]
    assert ("impression_contradicts_findings", "error") in kinds([], sentences)


def test_impression_that_calls_abnormal_findings_normal_is_an_error() -> None:
    sentences = [sentence("There is a pleural effusion."), sentence("Normal chest radiograph.", "impression")]
    (issue,) = check_draft([], sentences)
    assert (issue.kind, issue.sentence) == ("impression_contradicts_findings", 1)
    assert "Pleural Effusion" in issue.message


def test_same_sentence_twice_is_a_warning_even_with_other_punctuation() -> None:
    sentences = [sentence("No pneumothorax."), sentence("no  Pneumothorax")]
    assert kinds([], sentences) == {("duplicate_sentence", "warning")}
    assert kinds([], [sentence("No pneumothorax."), sentence("No pneumothorax.", "impression")]) == set()


def test_deferred_finding_is_left_to_the_reader() -> None:
    assert kinds([finding("Edema", "defer")], [sentence("No pneumothorax.")]) == {("deferred", "info")}


def test_errors_come_first() -> None:
    findings = [finding("Edema", "defer"), finding("Pneumothorax", "absent"), finding("Fracture", "present")]
    issues = check_draft(findings, [sentence("There is a pneumothorax.")])
    assert [issue.severity for issue in issues] == ["error", "warning", "info"]


def test_finding_that_the_indication_asks_about_and_the_text_leaves_out_is_a_warning() -> None:
    findings = [finding("Pneumothorax", "absent"), finding("Fracture", "defer"), finding("Edema", "absent")]
    asked = {"indication": "Fall, rule out fracture. Pneumothorax?"}

    assert kinds(findings, [sentence("No pneumothorax.")], **asked) == {
        ("question_not_answered", "warning"),
        ("deferred", "info"),
    }
    [issue, _] = check_draft(findings, [sentence("No pneumothorax.")], **asked)
    assert "Fracture" in issue.message
    both = [sentence("No pneumothorax."), sentence("No fracture.")]
    assert ("question_not_answered", "warning") not in kinds(findings, both, **asked)
