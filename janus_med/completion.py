"""What the language model left out of a text although it was decided, worded by the grammar it learnt from.

A finding that the draft does not tell is a finding that the reader may not look for. The sentence is told
apart: its confidence holds no word's probability, and the draft says that it was worded by rule.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from janus_med.facts import label_sentence
from janus_med.reading import SentenceReading
from janus_med.training.corpus import conclude_fact, state_fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from janus_med.expert import ExpertFact
    from janus_med.reading import FindingReading, Polarity, Section

SECTIONS: tuple[Section, Section] = ("findings", "impression")


def complete_sentences(
    sentences: Sequence[SentenceReading], facts: Sequence[ExpertFact], findings: Sequence[FindingReading]
) -> tuple[SentenceReading, ...]:
    """Add, at the end of each section, a sentence for each planned fact that the section does not tell.

    Parameters
    ----------
    sentences
        As the language model wrote them, without what was withheld.
    facts
        Of the plan.
    findings
        Whose calibrated probabilities are the confidence of what is added.
    """
    probabilities = {finding.name: finding.probability for finding in findings}
    told = {section: _told(sentences, section) for section in SECTIONS}
    missing = [(section, fact) for section in SECTIONS for fact in facts if fact.finding not in told[section]]
    added = [_word(section, fact, probabilities[fact.finding]) for section, fact in missing]
    return tuple(sorted([*sentences, *added], key=lambda sentence: SECTIONS.index(sentence.section)))


def _told(sentences: Sequence[SentenceReading], section: Section) -> set[str]:
    return {
        name
        for sentence in sentences
        if sentence.section == section
        for name, fact in label_sentence(sentence.text).items()
        if fact.polarity != "negative"
    }


def _word(section: Section, fact: ExpertFact, probability: float) -> SentenceReading:
    chosen = Random(0)  # noqa: S311 - always the same wording
    text = state_fact(fact, chosen) if section == "findings" else conclude_fact(fact)
    polarity: Polarity = "positive" if fact.certain else "uncertain"
    return SentenceReading(section, text, (fact.finding,), polarity, probability, by_rule=True)
