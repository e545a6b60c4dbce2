"""What is covered: the rule labeler on single constructions, and its agreement with the training grammar."""

from __future__ import annotations

from random import Random

import pytest

from janus_med.facts import Fact, label_report, label_sentence
from janus_med.training.corpus import random_plan, write_report

CASES = [
    ("There is a large left pleural effusion.", "Pleural Effusion", Fact("positive", "left")),
    ("No pleural effusion or pneumothorax.", "Pleural Effusion", Fact("negative")),
    ("No pleural effusion or pneumothorax.", "Pneumothorax", Fact("negative")),
    ("Possible right lower lobe pneumonia.", "Pneumonia", Fact("uncertain", "right")),
    ("Pneumonia cannot be excluded.", "Pneumonia", Fact("uncertain")),
    ("Multiple bilateral pulmonary nodules.", "Lung Lesion", Fact("positive", "bilateral")),
    ("The heart is enlarged.", "Cardiomegaly", Fact("positive")),
    ("The heart is not enlarged.", "Cardiomegaly", Fact("negative")),
    ("The cardiac silhouette is mildly enlarged.", "Cardiomegaly", Fact("positive")),
    ("The mediastinum is widened.", "Enlarged Cardiomediastinum", Fact("positive")),
    ("The lungs are free of focal consolidation.", "Consolidation", Fact("negative")),
    ("Without evidence of pulmonary edema.", "Edema", Fact("negative")),
    ("Left basilar atelectasis versus pneumonia.", "Pneumonia", Fact("uncertain", "left")),
    (
        "No pneumothorax, but there is a right pleural effusion.",
        "Pleural Effusion",
        Fact("positive", "right"),
    ),
    ("The right pneumothorax has resolved.", "Pneumothorax", Fact("negative")),
    ("No change in the left pleural effusion.", "Pleural Effusion", Fact("positive", "left")),
    ("Blunting of the left costophrenic angle.", "Pleural Effusion", Fact("positive", "left")),
    ("Acute fracture of the right fifth rib.", "Fracture", Fact("positive", "right")),
    ("Right internal jugular central venous line in place.", "Support Devices", Fact("positive", "right")),
    ("The endotracheal tube has been removed.", "Support Devices", Fact("negative")),
    ("Biapical pleural thickening.", "Pleural Other", Fact("positive")),
    ("Patchy opacity in the left upper lobe.", "Lung Opacity", Fact("positive", "left")),
]


@pytest.mark.parametrize(("sentence", "finding", "expected"), CASES, ids=[case[0] for case in CASES])
def test_sentence_is_labelled(sentence: str, finding: str, expected: Fact) -> None:
    assert label_sentence(sentence)[finding] == expected


def test_normal_report_is_no_finding() -> None:
    facts = label_report("Heart size is normal. The lungs are clear. No pleural effusion or pneumothorax.")
    assert facts["No Finding"] == Fact("positive")
    assert {fact.polarity for name, fact in facts.items() if name != "No Finding"} == {"negative"}


def test_abnormal_report_is_not_no_finding() -> None:
    assert "No Finding" not in label_report("The heart is normal. There is a left pneumothorax.")


def test_devices_alone_leave_a_normal_film() -> None:
    assert "No Finding" in label_report("A pacemaker is in place. The lungs are clear.")


def test_positive_statement_wins_over_negative_one() -> None:
    report = "No effusion on the right. There is a left pleural effusion."
    assert label_report(report)["Pleural Effusion"] == Fact("positive", "left")


def test_both_sides_become_bilateral() -> None:
    report = "There is a left pleural effusion. There is a right pleural effusion."
    assert label_report(report)["Pleural Effusion"] == Fact("positive", "bilateral")


def test_text_without_findings_says_nothing() -> None:
    assert label_report("Please correlate clinically.") == {}


def test_labels_of_the_grammar_are_the_facts_it_was_given() -> None:
    rng = Random(11)
    for _ in range(1500):
        plan = random_plan(rng)
        if plan.prior:
            continue
        facts = {
            name: fact for name, fact in label_report(write_report(plan, rng)).items() if name != "No Finding"
        }
        expected = {
            fact.finding: Fact("positive" if fact.certain else "uncertain", fact.side or None)
            for fact in plan.facts
        }
        assert facts == expected | {name: Fact("negative") for name in plan.absent}
