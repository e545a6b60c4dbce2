"""From decisions to what the text may say: states the present, raises the undecided that stand out, denies
only the absent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from janus_med.expert import ExpertFact, ExpertPlan, describe_map

if TYPE_CHECKING:
    from janus_med.reading import FindingReading

MOST_FACTS = 5
"""The grammar knows reports of up to five findings; the most certain are kept."""

MOST_DENIALS = 5
IMPLIED_BY: dict[str, frozenset[str]] = {
    "Lung Opacity": frozenset({"Edema", "Consolidation", "Pneumonia", "Atelectasis"}),
    "Enlarged Cardiomediastinum": frozenset({"Cardiomegaly"}),
}
"""An undecided parent of CheXpert's hierarchy is left out of the text when a child is in it."""

DENIED_FIRST = ("Pneumothorax", "Pleural Effusion", "Consolidation", "Lung Lesion", "Edema")


def plan_report(findings: tuple[FindingReading, ...], *, prior: bool = False) -> ExpertPlan:
    """Plan the text of one film.

    Parameters
    ----------
    findings
        One reading a finding.
    prior
        Whether an earlier film is at hand.
    """
    by_name = {finding.name: finding for finding in findings}
    stated = [
        _fact(finding) for finding in findings if finding.name != "No Finding" and is_spoken_of(finding)
    ]
    facts = _most_certain(_without_implied(stated), by_name)
    absent = [
        finding.name for finding in findings if finding.decision == "absent" and finding.name != "No Finding"
    ]
    denied = sorted(absent, key=_denial_rank)[:MOST_DENIALS]
    abnormal = any(fact.finding != "Support Devices" for fact in facts)
    normal = not abnormal and by_name["No Finding"].decision == "present"
    told = tuple(name for name in by_name if name in denied)
    return ExpertPlan(facts, told, normal, prior, tuple(name for name in absent if name not in denied))


def is_spoken_of(finding: FindingReading) -> bool:
    """Whether a text may state or raise a finding."""
    return finding.decision == "present" or finding.raised


def _fact(finding: FindingReading) -> ExpertFact:
    return replace(describe_map(finding.name, finding.attention), certain=finding.decision == "present")


def _without_implied(facts: list[ExpertFact]) -> list[ExpertFact]:
    names = {fact.finding for fact in facts}
    return [fact for fact in facts if fact.certain or not names & IMPLIED_BY.get(fact.finding, frozenset())]


def _most_certain(facts: list[ExpertFact], by_name: dict[str, FindingReading]) -> tuple[ExpertFact, ...]:
    ranked = sorted(facts, key=lambda fact: (fact.certain, by_name[fact.finding].probability), reverse=True)
    return tuple(fact for fact in facts if fact in ranked[:MOST_FACTS])


def _denial_rank(name: str) -> int:
    return DENIED_FIRST.index(name) if name in DENIED_FIRST else len(DENIED_FIRST)
