"""A report that a person wrote becomes what the language model shall write, and the facts it is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from janus_med.expert import ExpertFact, ExpertPlan, write_prompt
from janus_med.facts import label_report
from janus_med.reading import FINDINGS
from janus_med.report_text import read_statements, split_sentences
from janus_med.tokenizer import COMPARISON

if TYPE_CHECKING:
    from janus_med.training.texts import Turn

_HEADING = re.compile(r"^[ \t]*(FINDINGS?|IMPRESSIONS?|CONCLUSIONS?)[ \t]*:", re.IGNORECASE | re.MULTILINE)
MOST_CHARACTERS = 900
"""A longer report does not fit what a draft may be."""


def read_report(report: str) -> str:
    """Return the sections findings and impression as the model writes them, or "" when it cannot learn it.

    Parameters
    ----------
    report
        With the headings FINDINGS and IMPRESSION (or CONCLUSION). Indication, technique and comparison are
        left out, and each sentence that compares with an earlier film: a draft may not compare without one.
    """
    parts = _HEADING.split(read_statements(report))
    texts = {"findings": "", "impression": ""}
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        section = "findings" if heading.lower().startswith("f") else "impression"
        kept = [one for one in split_sentences(body) if not COMPARISON.search(one)]
        texts[section] += " ".join(_finish(one) for one in kept)
    written = f"FINDINGS: {texts['findings']}\nIMPRESSION: {texts['impression']}"
    return written if all(texts.values()) and len(written) <= MOST_CHARACTERS else ""


def _finish(sentence: str) -> str:
    return sentence if sentence[-1] in ".!?" else f"{sentence}."


def report_turn(text: str) -> Turn:
    """Make a turn of what `read_report` returned: the facts that it states are what the prompt tells."""
    return write_prompt(plan_of(text)), text


def plan_of(text: str) -> ExpertPlan:
    """Return the plan that a report follows; places are as exact as its words."""
    facts = label_report(text)
    named = {name: fact for name, fact in facts.items() if name != "No Finding"}
    stated = tuple(
        ExpertFact(name, fact.polarity == "positive", fact.side or "")
        for name, fact in named.items()
        if fact.polarity != "negative"
    )
    absent = tuple(name for name in FINDINGS if name in named and named[name].polarity == "negative")
    return ExpertPlan(stated, absent, normal="No Finding" in facts and not stated)
