"""Chapters that need more than films: retrieval, questions, report text. What is not at hand is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from janus_med.evaluation.questions import questions_section
from janus_med.evaluation.retrieval import retrieval_section
from janus_med.evaluation.sections import Section
from janus_med.evaluation.text_report import text_section

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam

QUESTIONS = "vqa_rad_qa.csv"
REPORTS = "iu_xray_text/reports.csv"


def examine_retrieval(exam: Exam) -> Section:
    """Measure what films the embedding finds near each other."""
    text = retrieval_section(exam.engine, exam.store, exam.seed)
    return Section("retrieval", "Retrieval", _body(text), {})


def examine_questions(exam: Exam) -> Section:
    """Measure answers to questions of clinicians and of our own grammar."""
    if not (exam.data / QUESTIONS).is_file():
        return _not_at_hand("questions", "Questions", QUESTIONS)
    text = questions_section(exam.engine, exam.data, exam.seed)
    return Section("questions", "Questions", _body(text), {})


def examine_text(exam: Exam) -> Section:
    """Compare drafts of known facts with human reports, which no model of ours was trained on."""
    if not (exam.data / REPORTS).is_file():
        return _not_at_hand("text", "Report text", REPORTS)
    text = text_section(exam.data / REPORTS, exam.engine, samples=exam.effort.reports, seed=exam.seed)
    return Section("text", "Report text", _body(text), {})


def _not_at_hand(key: str, title: str, name: str) -> Section:
    return Section(key, title, f"Not measured: the data folder has no `{name}`.", {})


def _body(text: str) -> str:
    """Drop the heading that a part writes when it is printed alone."""
    lines = text.strip().splitlines()
    return "\n".join(lines[1:] if lines and lines[0].startswith("#") else lines).strip()
