"""Readings of one or two frontal images become the findings and the text of one draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from janus_med.draft import DraftFinding, DraftSentence
from janus_med.overlay import export_grid, find_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from janus_med.overlay import Region
    from janus_med.reading import FindingReading, Reading, SentenceReading
    from janus_med.spatial import SpatialTrace
    from janus_med.study import Instance

SHOWN = frozenset({"positive", "uncertain"})


@dataclass(frozen=True, eq=False)
class ReadImage:
    """One frontal image with what the model says of it."""

    instance: Instance
    trace: SpatialTrace
    reading: Reading
    decode_s: float = 0.0
    preprocess_s: float = 0.0


def merge_findings(images: Sequence[ReadImage]) -> tuple[DraftFinding, ...]:
    """Take each finding from the image that speaks loudest for it.

    ``No Finding`` is the exception: one abnormal image is enough, so the lowest probability counts.

    Parameters
    ----------
    images
        At least one, best view first.

    Returns
    -------
    tuple of DraftFinding
        In the order of the model; regions and attention for present and deferred findings alone.
    """
    merged = []
    for index, first in enumerate(images[0].reading.findings):
        rank = min if first.name == "No Finding" else max
        image = rank(images, key=lambda one: one.reading.findings[index].probability)
        merged.append(_draft_finding(image.reading.findings[index], image))
    return tuple(merged)


def merge_sentences(
    images: Sequence[ReadImage], findings: Sequence[DraftFinding]
) -> tuple[DraftSentence, ...]:
    """Take the text of the best image and add what the other one alone shows.

    A sentence that the addition contradicts (it denies the finding, or calls the study normal) gives way.

    Parameters
    ----------
    images
        At least one, best view first.
    findings
        From `merge_findings`: a sentence gets a region only for a finding that is present or deferred.

    Returns
    -------
    tuple of DraftSentence
        Findings first, then impression.
    """
    kept = list(images[0].reading.sentences)
    for image in images[1:]:
        said = {name for sentence in kept if sentence.polarity in SHOWN for name in sentence.findings}
        shown = [one for one in image.reading.sentences if one.polarity in SHOWN]
        added = [one for one in shown if not said & set(one.findings)]
        names = {name for sentence in added for name in sentence.findings}
        if names:
            kept = [one for one in kept if one.polarity != "normal" and not _denies(one, names)] + added
    kept.sort(key=lambda sentence: sentence.section != "findings")
    regions = {finding.name: finding for finding in findings}
    return tuple(_draft_sentence(sentence, regions) for sentence in kept)


def _draft_finding(finding: FindingReading, image: ReadImage) -> DraftFinding:
    if finding.decision == "absent" or finding.name == "No Finding":
        return DraftFinding(finding.name, finding.probability, finding.decision, change=finding.change)
    regions = find_regions(finding.attention, image.trace, image.instance.sop_instance_uid)
    return DraftFinding(
        finding.name,
        finding.probability,
        finding.decision,
        region=regions[0] if regions else None,
        more_regions=regions[1:],
        attention=export_grid(finding.attention, image.trace, image.instance),
        change=finding.change,
    )


def _draft_sentence(sentence: SentenceReading, findings: dict[str, DraftFinding]) -> DraftSentence:
    region = None
    if sentence.polarity in SHOWN:
        candidates = [findings[name] for name in sentence.findings if name in findings]
        region = _choose_region(sentence.text, [one for one in candidates if one.region is not None])
    return DraftSentence(
        sentence.section,
        sentence.text,
        sentence.findings,
        sentence.polarity,
        sentence.confidence,
        region,
        by_rule=sentence.by_rule,
    )


def _choose_region(text: str, findings: Sequence[DraftFinding]) -> Region | None:
    """The region on the side that the sentence names, otherwise the strongest of its first finding."""
    if not findings:
        return None
    lowered = text.lower()
    sides = [side for side in ("left", "right") if f"{side} " in lowered or f"{side}-" in lowered]
    if len(sides) == 1:
        for finding in findings:
            for region in (finding.region, *finding.more_regions):
                if region is not None and region.side == sides[0]:
                    return region
    return findings[0].region


def _denies(sentence: SentenceReading, names: set[str]) -> bool:
    return sentence.polarity == "negative" and bool(names & set(sentence.findings))
