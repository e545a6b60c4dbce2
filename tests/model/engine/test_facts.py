"""What is covered: the rule labeler on single constructions, and its agreement with the training grammar."""

from __future__ import annotations

import time
from random import Random

import pytest

from janus_med.facts import Fact, find_mentions, label_report, label_sentence
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
    ("No effusion, small left pneumothorax.", "Pneumothorax", Fact("positive", "left")),
    ("No effusion, pneumothorax, or consolidation.", "Consolidation", Fact("negative")),
    ("There is no effusion and the heart is enlarged.", "Cardiomegaly", Fact("positive")),
    ("No pneumothorax following removal of the chest tube.", "Pneumothorax", Fact("negative")),
    ("The left effusion has nearly resolved.", "Pleural Effusion", Fact("positive", "left")),
    ("The pneumothorax is no longer seen.", "Pneumothorax", Fact("negative")),
    ("No longer seen is the right pneumothorax.", "Pneumothorax", Fact("negative")),
    ("There is no increase in the left effusion.", "Pleural Effusion", Fact("positive", "left")),
    ("Right basal opacities may reflect atelectasis.", "Lung Opacity", Fact("positive", "right")),
    ("Right basal opacities may reflect atelectasis.", "Atelectasis", Fact("uncertain", "right")),
    (
        "A right opacity is likely atelectasis rather than pneumonia.",
        "Lung Opacity",
        Fact("positive", "right"),
    ),
    ("A right opacity is likely atelectasis rather than pneumonia.", "Pneumonia", Fact("negative")),
    ("Although faint, pneumonia cannot be entirely excluded.", "Pneumonia", Fact("uncertain")),
    ("Cannot exclude a small left effusion.", "Pleural Effusion", Fact("uncertain", "left")),
    ("The findings are not consistent with pneumonia.", "Pneumonia", Fact("negative")),
    ("The enteric tube has a tip that is not visualized.", "Support Devices", Fact("positive")),
    ("Interval removal of the nasogastric tube.", "Support Devices", Fact("negative")),
    ("Neither effusion nor pneumothorax is present.", "Pneumothorax", Fact("negative")),
    ("The mediastinum is normal and the heart is enlarged.", "Cardiomegaly", Fact("positive")),
    ("Moderate pleural effusion and thickening on the right.", "Pleural Other", Fact("positive", "right")),
    ("Vascular congestion without consolidation.", "Edema", Fact("positive")),
    ("The lungs are clear of airspace disease, pneumothorax, or effusion.", "Pneumothorax", Fact("negative")),
    ("The effusions and the right pneumothorax have resolved.", "Pneumothorax", Fact("negative")),
    ("The vascular engorgement is within normal limits.", "Edema", Fact("negative")),
    ("Pulmonary vascularity is not increased.", "Edema", Fact("negative")),
    ("Small bilateral effusions suspected.", "Pleural Effusion", Fact("uncertain", "bilateral")),
    ("Correlate clinically for infection.", "Pneumonia", Fact("uncertain")),
    ("Evaluate for pneumothorax.", "Pneumothorax", Fact("uncertain")),
    ("Rule out pneumonia.", "Pneumonia", Fact("uncertain")),
]
UNNAMED = [
    ("A small pericardial effusion.", "Pleural Effusion"),
    ("Soft tissue edema of the neck.", "Edema"),
    ("Sequelae of prior granulomatous infection.", "Pneumonia"),
    ("No mass effect.", "Lung Lesion"),
    ("Fracture of the second sternotomy wire.", "Fracture"),
    ("The mediastinum is normal, the heart is enlarged.", "Enlarged Cardiomediastinum"),
    ("A reticulonodular pattern.", "Lung Lesion"),
    ("Old vertebral collapse.", "Atelectasis"),
]


@pytest.mark.parametrize(("sentence", "finding"), UNNAMED, ids=[case[0] for case in UNNAMED])
def test_words_that_only_resemble_a_finding_do_not_name_it(sentence: str, finding: str) -> None:
    assert finding not in label_sentence(sentence)


def test_question_is_raised_in_a_sentence_and_left_out_of_a_report() -> None:
    text = "Please evaluate for pneumothorax. The lungs are clear."
    assert label_sentence("Please evaluate for pneumothorax.") == {"Pneumothorax": Fact("uncertain")}
    assert "Pneumothorax" not in label_report(text)


def test_mention_keeps_its_evidence() -> None:
    (mention,) = find_mentions("The heart is normal, but there is a left pleural effusion.")
    assert (mention.finding, mention.words) == ("Pleural Effusion", "effusion")
    assert mention.fact == Fact("positive", "left")
    assert not mention.asked


def test_report_without_a_single_full_stop_is_labelled_in_time() -> None:
    began = time.process_time()
    facts = label_report("no effusion and there is opacity of the left lung " * 500)
    assert facts["Lung Opacity"].polarity == "positive"
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("sentence", "finding", "expected"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES]
)
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
