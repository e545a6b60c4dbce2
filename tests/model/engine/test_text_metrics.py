"""What is covered: BLEU-4, ROUGE-L and CIDEr against figures of the reference programs, the rivals, the
plan made from facts, and the section of the evaluation on made-up reports.

What is not covered: the Indiana reports themselves; they are not in the repository.
"""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from janus_med.engine import JanusMed
from janus_med.errors import UnreadableInput
from janus_med.evaluation.text import score_texts, tokenize
from janus_med.evaluation.text_corpus import HumanReport, Rivals, read_reports
from janus_med.evaluation.text_drafts import TextPath, plan_from_facts
from janus_med.evaluation.text_report import prior_table, split_reports, text_section
from janus_med.expert import ExpertFact
from janus_med.facts import Fact, label_report
from janus_med.planning import MOST_DENIALS, MOST_FACTS
from janus_med.reading import FINDINGS

WRITTEN = [
    "The heart is enlarged. No pneumothorax.",
    "There is a small left pleural effusion. The lungs are clear.",
    "The lungs are clear. No pneumothorax.",
]
REFERENCES = [
    "The heart is mildly enlarged. There is no pneumothorax.",
    "There is a left pleural effusion with atelectasis. The right lung is clear.",
    "The heart is normal. The lungs are clear. No pneumothorax.",
]


def report(findings: str, *terms: str, impression: str = "As above.", compared: bool = False) -> HumanReport:
    return HumanReport(findings, impression, frozenset(terms), compared)


def test_words_are_lower_case_and_sentences_end_with_a_stop() -> None:
    assert tokenize("The Port-A-Cath's tip, 4.5 cm (deep).  Clear") == [
        *("the", "port-a-cath's", "tip", "4", "5", "cm", "deep", "."),
        *("clear", "."),
    ]


def test_scores_are_those_of_coco_caption_and_sacrebleu() -> None:
    scores = score_texts(WRITTEN, REFERENCES)
    assert scores.bleu() == pytest.approx(0.3610064422, abs=1e-9)  # sacrebleu 2.6.0 and pycocoevalcap 1.2
    assert scores.rouge == pytest.approx([0.81879195, 0.70520231, 0.73053892], abs=1e-8)
    assert scores.cider == pytest.approx([2.50875091, 2.47624538, 5.44090529], abs=1e-8)


def test_text_equal_to_its_reference_scores_full_marks() -> None:
    scores = score_texts(REFERENCES, REFERENCES)
    assert scores.bleu() == pytest.approx(1.0)
    assert scores.rouge == pytest.approx([1.0] * 3)
    assert scores.cider == pytest.approx([10.0] * 3)


def test_empty_text_scores_nothing() -> None:
    scores = score_texts(["", *WRITTEN[1:]], REFERENCES)
    assert (scores.rouge[0], scores.cider[0]) == (0.0, 0.0)
    assert 0 < scores.bleu() < score_texts(WRITTEN, REFERENCES).bleu()
    assert score_texts([""], ["No effusion."]).bleu() == 0.0


def test_scores_of_picked_reports_are_theirs() -> None:
    picked = score_texts(WRITTEN, REFERENCES).take(np.array([2, 2]))
    assert picked.rouge == pytest.approx([0.73053892] * 2, abs=1e-8)
    assert picked.bleu() == pytest.approx(score_texts(WRITTEN[2:], REFERENCES[2:]).bleu())


def test_scores_agree_with_sacrebleu_when_it_is_installed() -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="extra `evaluate` is not installed")
    texts, references = ([" ".join(tokenize(text)) for text in group] for group in (WRITTEN, REFERENCES))
    theirs = sacrebleu.corpus_bleu(texts, [references], tokenize="none", smooth_method="none", force=True)
    assert score_texts(WRITTEN, REFERENCES).bleu() == pytest.approx(theirs.score / 100)


def test_rivals_choose_by_frequency_likeness_and_terms() -> None:
    rivals = Rivals(
        [
            report("Left effusion. The heart is normal.", "Effusion/left"),
            report("Clear lungs.", "normal"),
            report("Clear lungs.", "normal"),
            report("Left effusion. The heart is large. Lungs are clear.", "Effusion/left", "Cardiomegaly"),
            report("The heart is large. The lungs are clear.", "Cardiomegaly"),
        ]
    )
    assert rivals.most_common().findings == "Clear lungs."
    assert rivals.medoid(among=[0, 3, 4]).findings.startswith("Left effusion. The heart is large")
    assert rivals.same_terms(report("", "normal")) == [1, 2]
    assert rivals.same_terms(report("", "Effusion/left", "Other")) == [0]
    assert rivals.random(np.random.default_rng(0), among=[4]).terms == {"Cardiomegaly"}


def test_plan_says_the_facts_within_its_limits() -> None:
    facts = {name: Fact("positive", "left") for name in FINDINGS[1:4]}
    facts |= {name: Fact("uncertain", "left") for name in FINDINGS[4:8]}
    facts |= {name: Fact("negative") for name in FINDINGS[8:]}
    plan = plan_from_facts(facts)
    assert len(plan.facts) == MOST_FACTS
    assert [fact.certain for fact in plan.facts] == [True, True, True, False, False]
    assert plan.facts[0] == ExpertFact("Enlarged Cardiomediastinum")
    assert plan.facts[2] == ExpertFact("Lung Opacity", side="left")
    assert len(plan.absent) == MOST_DENIALS
    assert {"Pneumothorax", "Pleural Effusion"} <= set(plan.absent)
    assert not plan.normal
    assert plan_from_facts({"No Finding": Fact("positive")}).normal


@pytest.fixture(scope="module")
def engine() -> JanusMed:
    """The bundled model."""
    return JanusMed.load(None, "cpu")


def test_draft_of_given_facts_states_them(engine: JanusMed) -> None:
    plan = plan_from_facts({"Pleural Effusion": Fact("positive", "left"), "Pneumothorax": Fact("negative")})
    findings, impression = TextPath(engine).write(plan)
    facts = label_report(f"FINDINGS: {findings}\nIMPRESSION: {impression}")
    assert facts["Pleural Effusion"] == Fact("positive", "left")
    assert facts["Pneumothorax"] == Fact("negative")


def test_judged_reports_are_whole_and_not_in_the_pool() -> None:
    reports = [report(f"Text {number}.", impression="x" if number % 2 else "") for number in range(20)]
    judged, pool = split_reports([*reports, report("")], 5, np.random.default_rng(0))
    assert len(judged) == 5
    assert len(pool) == 15
    assert all(one.impression for one in judged)
    assert not {one.findings for one in judged} & {one.findings for one in pool}


def test_words_of_comparison_are_counted_apart() -> None:
    table = prior_table(
        [report("No effusion.")],
        [report("Unchanged effusion.", compared=True)],
        [report("No effusion, again."), report("Clear.")],
    )
    lines = table.splitlines()[2:]
    assert [line.split(" | ")[1:3] for line in lines] == [["0", "1"], ["1", "2"], ["1", "1"]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twenty made-up reports in the table's form."""
    path = tmp_path / "reports.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("findings", "impression", "comparison", "mesh_major"))
        writer.writeheader()
        for number in range(20):
            side = ("left", "right")[number % 2]
            writer.writerow(
                {
                    "findings": f"There is a {side} pleural effusion. The heart is normal, case {number}.",
                    "impression": f"{side} effusion.",
                    "comparison": "None." if number % 3 else "Film of last week.",
                    "mesh_major": f"Pleural Effusion/{side};Heart",
                }
            )
    return path


def test_table_and_wheel_are_read_alike(tmp_path: Path, table: Path) -> None:
    content = (
        b"<eCitation><Abstract><AbstractText Label='COMPARISON'>None.</AbstractText>"
        b"<AbstractText Label='FINDINGS'>There is a right pleural effusion. The heart is normal, case 1."
        b"</AbstractText><AbstractText Label='IMPRESSION'>right effusion.</AbstractText></Abstract>"
        b"<MeSH><major>Pleural Effusion/right</major><major>Heart</major></MeSH></eCitation>"
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as files:
        member = tarfile.TarInfo("ecgen-radiology/1.xml")
        member.size = len(content)
        files.addfile(member, io.BytesIO(content))
    wheel = tmp_path / "torchxrayvision.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("torchxrayvision/data/NLMCXR_reports.tgz", packed.getvalue())
    assert read_reports(wheel) == (read_reports(table)[1],)
    assert [one.compared for one in read_reports(table)[:3]] == [True, False, False]


def test_other_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UnreadableInput, match=r"other\.csv"):
        read_reports(tmp_path / "other.csv")


@pytest.mark.slow
def test_section_sets_the_draft_beside_its_rivals(table: Path, engine: JanusMed) -> None:
    section = text_section(table, engine, samples=3, seed=0)
    names = ("most common report", "medoid", "random other report", "MeSH retrieval, random", "our draft")
    assert all(name in section for name in names)
    assert "3 reports judged, 17 in the rivals' pool" in section
    assert "| our drafts, no earlier film | 0 | 3 | 0.000 |" in section
