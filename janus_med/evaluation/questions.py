"""What the answering route is worth: clinicians' questions (VQA-RAD), and phrasings our grammar kept back.

VQA-RAD: Lau et al., A dataset of clinically generated visual questions and answers about radiology images,
Scientific Data 2018. Its chest films are for testing alone.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from janus_med.answer import decide_answer
from janus_med.errors import Fatal
from janus_med.evaluation.bootstrap import proportion
from janus_med.evaluation.tables import figures_table
from janus_med.evaluation.wording import WORDED, worded_figures, worded_share
from janus_med.preprocessing import preprocess_grey
from janus_med.question_scope import Refusal
from janus_med.questions import parse_question

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.answering import AnswerPlan, Reply
    from janus_med.engine import JanusMed
    from janus_med.evaluation.bootstrap import Figure
    from janus_med.questions import Question
    from janus_med.reading import FindingReading

QUESTIONS = "vqa_rad_qa.csv"
_SIDE = re.compile(r"\b(left|right|bilateral|both)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Put:
    """One question of the data with what became of it.

    Attributes
    ----------
    truth
        ``yes`` or ``no`` of a closed question, else "".
    truth_sides
        Sides that the true answer names.
    plan
        What the answer says; None when refused.
    """

    asked: str
    truth: str
    truth_sides: frozenset[str]
    parsed: Question | Refusal
    plan: AnswerPlan | None = None

    @property
    def reply(self) -> Reply:
        """Of the model; "" when refused or open."""
        return self.plan.reply if self.plan is not None else ""

    @property
    def sides(self) -> frozenset[str]:
        """Sides that the model's answer names."""
        return (
            _sides(" ".join(fact.side for fact in self.plan.facts)) if self.plan is not None else frozenset()
        )


def questions_section(engine: JanusMed, data: Path, seed: int) -> str:
    """Measure the answering route, in Markdown.

    Parameters
    ----------
    engine
        A loaded model.
    data
        Folder with ``vqa_rad_qa.csv`` and the images it names.
    seed
        Of the bootstrap and of the drawn questions.

    Raises
    ------
    Fatal
        When the folder has no such file.
    """
    rng = np.random.default_rng(seed)
    put = put_questions(engine, data)
    refused = Counter(one.parsed.reason for one in put if isinstance(one.parsed, Refusal))
    answered = [one for one in put if not isinstance(one.parsed, Refusal)]
    outside = ", ".join(f"{reason} {count}" for reason, count in refused.most_common())
    worded = worded_figures(engine.model, engine.tokenizer, seed, WORDED, rng)
    asked = [(one.asked, one.plan) for one in answered if one.plan is not None]
    spoken = worded_share(engine.model, engine.tokenizer, asked, rng)
    return "\n\n".join(
        [
            "### Questions about an image",
            f"VQA-RAD, chest films, {len(put)} questions of clinicians, none of them trained on: "
            f"{len(answered)} are in the closed vocabulary, {len(put) - len(answered)} are refused "
            f"({outside}).",
            "Closed questions in the vocabulary: share answered as the clinician did. An undecided reply "
            "counts as wrong in the first row and is left out in the second. Intervals are 95 %, "
            "bootstrapped over questions.",
            figures_table(closed_figures(answered, rng)),
            *_side_lines(answered, rng),
            "### Phrasings kept back from training",
            "Questions of our own grammar in wordings that no training saw, about drawn facts; the answer "
            "counts when it says exactly the facts.",
            figures_table({"share": worded}),
            f"Clinicians' questions, a sample of {spoken.count}: the language model's sentence says what was "
            f"decided in {spoken}; otherwise there is no answer.",
        ]
    )


def _side_lines(answered: list[Put], rng: np.random.Generator) -> list[str]:
    placed = [one for one in answered if _kind(one) == "where" and one.truth_sides]
    if not placed:
        return []
    figure = proportion(np.array([one.sides == one.truth_sides for one in placed]), rng)
    common = Counter(one.truth_sides for one in placed).most_common(1)[0][1]
    return [
        f"Where, when the clinician names a side (n = {len(placed)}): the same side {figure}; "
        f"always the most frequent one {common / len(placed):.2f}."
    ]


def put_questions(engine: JanusMed, data: Path) -> list[Put]:
    """Put every question of the data folder to the understanding side; each image is read once."""
    path = data / QUESTIONS
    if not path.is_file():
        raise Fatal(f"{data}: no {QUESTIONS}")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    readings: dict[str, tuple[FindingReading, ...] | None] = {}
    put = []
    for row in rows:
        if row["image"] not in readings:
            pixels = _read_film(data / row["image"], engine)
            frontal, _ = engine.is_frontal_chest(pixels)
            readings[row["image"]] = engine.read_findings(pixels) if frontal else None
        put.append(put_question(row["question"], row["answer"], readings[row["image"]]))
    return put


def put_question(asked: str, answer: str, findings: tuple[FindingReading, ...] | None) -> Put:
    """Put one question to the readings of one film; None when the image is not judged to be one."""
    parsed = parse_question(asked)
    word = re.match(r"\W*(yes|no)\b", answer, re.IGNORECASE)
    truth = word.group(1).lower() if word else ""
    truth_sides = _sides(answer)
    if isinstance(parsed, Refusal) or findings is None:
        refused = parsed if isinstance(parsed, Refusal) else Refusal("not_frontal")
        return Put(asked, truth, truth_sides, refused)
    return Put(asked, truth, truth_sides, parsed, decide_answer(parsed, findings))


def _read_film(path: Path, engine: JanusMed) -> torch.Tensor:
    with Image.open(path) as image:
        return preprocess_grey(np.asarray(image.convert("L"), dtype=np.float32), engine.info.image_size)


def _sides(text: str) -> frozenset[str]:
    named = {side.lower() for side in _SIDE.findall(text)}
    return frozenset({"left", "right"}) if named & {"bilateral", "both"} else frozenset(named)


def _kind(one: Put) -> str:
    return "" if isinstance(one.parsed, Refusal) else one.parsed.kind


def closed_figures(answered: list[Put], rng: np.random.Generator) -> dict[str, dict[str, Figure]]:
    """Return accuracy and its rivals by kind of question, over the closed questions in the vocabulary."""
    closed = [one for one in answered if one.truth]
    groups = {"all": closed} | {
        kind: [one for one in closed if _kind(one) == kind] for kind in sorted({_kind(one) for one in closed})
    }
    return {f"{name} (n = {len(group)})": _rows(group, rng) for name, group in groups.items() if group}


def _rows(group: list[Put], rng: np.random.Generator) -> dict[str, Figure]:
    truth = np.array([one.truth for one in group])
    reply = np.array([one.reply for one in group])
    decided = np.isin(reply, ("yes", "no"))
    frequent = Counter(truth.tolist()).most_common(1)[0][0]
    rows = {
        "as the clinician": reply == truth,
        "as the clinician, of the decided": (reply == truth)[decided],
        "always no, of the decided": (truth == "no")[decided],
        "decided": decided,
        "always yes": truth == "yes",
        "always no": truth == "no",
        f"most frequent ({frequent})": truth == frequent,
    }
    return {name.split(" (")[0]: proportion(hits, rng) for name, hits in rows.items()}
