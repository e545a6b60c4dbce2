"""What is covered: from maps and decisions to what the prompt tells the language model, and back from text to
sentences.
"""

from __future__ import annotations

import numpy as np
import pytest

from janus_med.errors import ModelFault
from janus_med.expert import count_peaks, describe_location
from janus_med.modalities import FrontalRadiograph, default_registry, register_modality
from janus_med.planning import plan_report
from janus_med.reading import FINDINGS, FindingReading
from janus_med.router import Budget, choose_route
from janus_med.writing import Written, read_sentences


def _map(*patches: tuple[int, int]) -> np.ndarray:
    heat = np.full((14, 14), 0.01, dtype=np.float32)
    for patch in patches:
        heat[patch] = 1.0
    return heat


def _findings(**changes: tuple[float, str]) -> tuple[FindingReading, ...]:
    readings = []
    for name in FINDINGS:
        probability, decision = changes.get(name.replace(" ", "_"), (0.02, "absent"))
        raised = decision == "defer" and probability >= 0.5
        readings.append(FindingReading(name, probability, decision, _map((11, 11)), raised=raised))
    return tuple(readings)


@pytest.mark.parametrize(
    ("patches", "side", "zone"),
    [
        ([(3, 2)], "right", "upper"),  # the left of the image is the patient's right
        ([(3, 11)], "left", "upper"),
        ([(11, 11)], "left", "lower"),
        ([(7, 1)], "right", "mid"),
        ([(7, 2), (7, 11)], "bilateral", ""),
    ],
)
def test_place_of_a_map_in_words(patches, side: str, zone: str) -> None:
    fact = describe_location("Consolidation", _map(*patches))
    assert (fact.side, fact.zone) == (side, zone)


def test_heart_has_no_side() -> None:
    assert describe_location("Cardiomegaly", _map((8, 8))).side == ""


def test_separate_peaks_are_counted_and_touching_ones_joined() -> None:
    assert count_peaks(_map((2, 2), (2, 10), (11, 5))) == 3
    assert count_peaks(_map((2, 2), (3, 3))) == 1


def test_several_peaks_of_a_lesion_are_multiple() -> None:
    assert describe_location("Lung Lesion", _map((2, 2), (9, 3))).count == "multiple"
    assert describe_location("Lung Lesion", _map((2, 2))).count == "single"


def test_present_is_stated_deferred_is_raised_only_when_it_stands_out() -> None:
    plan = plan_report(
        _findings(Pleural_Effusion=(0.9, "present"), Edema=(0.6, "defer"), Fracture=(0.1, "defer"))
    )
    assert [(fact.finding, fact.certain) for fact in plan.facts] == [
        ("Edema", False),
        ("Pleural Effusion", True),
    ]
    assert "Fracture" not in plan.absent
    assert "Pneumothorax" in plan.absent


def test_a_film_is_normal_only_when_that_is_decided_and_nothing_else_is_said() -> None:
    assert plan_report(_findings(No_Finding=(0.9, "present"))).normal
    assert not plan_report(_findings(No_Finding=(0.6, "defer"))).normal
    assert not plan_report(_findings(No_Finding=(0.9, "present"), Edema=(0.9, "present"))).normal


def test_a_child_of_the_hierarchy_stands_for_an_undecided_parent() -> None:
    undecided = plan_report(_findings(Lung_Opacity=(0.6, "defer"), Consolidation=(0.9, "present")))
    assert [fact.finding for fact in undecided.facts] == ["Consolidation"]
    decided = plan_report(_findings(Lung_Opacity=(0.9, "present"), Consolidation=(0.9, "present")))
    assert [fact.finding for fact in decided.facts] == ["Lung Opacity", "Consolidation"]


def test_sentences_carry_section_findings_polarity_and_confidence() -> None:
    text = "FINDINGS: There is a left pleural effusion. No pneumothorax.\nIMPRESSION: Left pleural effusion."
    written = Written(text, (0.5,) * len(text))
    sentences = read_sentences(
        written, _findings(Pleural_Effusion=(0.8, "present"), Pneumothorax=(0.1, "absent"))
    )
    assert [(s.section, s.polarity, s.findings) for s in sentences] == [
        ("findings", "positive", ("Pleural Effusion",)),
        ("findings", "negative", ("Pneumothorax",)),
        ("impression", "positive", ("Pleural Effusion",)),
    ]
    assert sentences[0].confidence == pytest.approx(0.5 * 0.8)
    assert sentences[1].confidence == pytest.approx(0.5 * 0.9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "There is an effusion.",
        "FINDINGS: \nIMPRESSION: x.",
        "FINDINGS: No edema.",
        "FINDINGS: No edema. No edema. No edema.\nIMPRESSION: No edema.",
    ],
)
def test_text_without_sections_or_with_repeats_is_a_model_fault(text: str) -> None:
    with pytest.raises(ModelFault):
        read_sentences(Written(text, (0.9,) * len(text)), _findings())


def test_text_is_skipped_only_where_the_site_allows_it() -> None:
    assert choose_route("generate", cleared=True).text
    assert choose_route("generate", Budget(skip_text_for_normal=True), cleared=False).text
    skipped = choose_route("generate", Budget(skip_text_for_normal=True), cleared=True)
    assert not skipped.text
    assert skipped.reason


def test_open_impression_claims_nothing() -> None:
    text = "FINDINGS: No edema.\nIMPRESSION: No definite abnormality stated; please review the film."
    last = read_sentences(Written(text, (1.0,) * len(text)), _findings(No_Finding=(0.4, "defer")))[-1]
    assert (last.polarity, last.findings) == ("uncertain", ())
    assert last.confidence == pytest.approx(0.5)


def test_a_modality_is_registered_once() -> None:
    registry = default_registry()
    assert registry.find("frontal") == FrontalRadiograph()
    with pytest.raises(ValueError, match="already registered"):
        register_modality(registry, FrontalRadiograph())
    with pytest.raises(KeyError, match="frontal"):
        registry.find("ultrasound")
    assert register_modality(registry, FrontalRadiograph("copy")).find("copy").name == "copy"
    assert "copy" not in registry.entries
