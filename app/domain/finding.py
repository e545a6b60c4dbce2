"""What leaves of the model's findings: those behind sentences that the reader accepted as they stood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from app.domain.draft import DraftContent
from app.domain.report import Decision, Region, Sentence

# a statement about the whole image, not a finding of its own
_NO_FINDING = "No Finding"


class Presence(StrEnum):
    """What the accepted text says of a finding."""

    PRESENT = "PRESENT"
    POSSIBLE = "POSSIBLE"
    ABSENT = "ABSENT"


OF_POLARITY = {
    "positive": Presence.PRESENT,
    "uncertain": Presence.POSSIBLE,
    "negative": Presence.ABSENT,
    "normal": Presence.ABSENT,
}
_OF_DECISION = {"present": Presence.PRESENT, "absent": Presence.ABSENT}


@dataclass(frozen=True)
class ReleasedFinding:
    """One finding as it may leave.

    Attributes
    ----------
    probability
        As the model gave it and the reader saw it; None when the draft has none.
    regions
        Where the attention behind it lies; only of a finding that is not absent.
    """

    name: str
    presence: Presence
    probability: float | None
    regions: tuple[Region, ...] = ()


def released_findings(sentences: Sequence[Sentence], content: DraftContent) -> tuple[ReleasedFinding, ...]:
    """Return each finding behind the accepted sentences once, in reading order.

    What a sentence says of its findings (present, possible, absent) is its polarity in the draft; where two
    sentences speak of one finding the stronger statement counts.
    """
    drafted = {f"ai-{number}": raw for number, raw in enumerate(content.sentences, start=1)}
    findings = {str(finding.get("name")): finding for finding in content.findings}
    found: dict[str, ReleasedFinding] = {}
    for sentence in sentences:
        if sentence.decision is not Decision.ACCEPTED or sentence.key not in drafted:
            continue
        for name in sentence.findings:
            if name != _NO_FINDING:
                said = _finding(name, sentence, drafted[sentence.key], findings.get(name, {}))
                found[name] = _join(found[name], said) if name in found else said
    return tuple(found.values())


def _finding(
    name: str, sentence: Sentence, drafted: Mapping[str, Any], finding: Mapping[str, Any]
) -> ReleasedFinding:
    decided = _OF_DECISION.get(str(finding.get("decision")), Presence.POSSIBLE)
    presence = OF_POLARITY.get(str(drafted.get("polarity")), decided)
    probability = finding.get("probability")
    shown = sentence.region is not None and presence is not Presence.ABSENT
    return ReleasedFinding(
        name=name,
        presence=presence,
        probability=None if probability is None else float(probability),
        regions=(sentence.region,) if shown and sentence.region is not None else (),
    )


def _join(one: ReleasedFinding, other: ReleasedFinding) -> ReleasedFinding:
    presence = _strongest((one.presence, other.presence))
    return replace(one, presence=presence, regions=tuple(dict.fromkeys((*one.regions, *other.regions))))


def _strongest(presences: Iterable[Presence]) -> Presence:
    return min(presences, key=list(Presence).index)
