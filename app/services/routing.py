"""Asks the routing rules about a study: facts of the database, header of its first image, one decision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from app.domain.rules import HeaderValues, RuleSet, Ruling, StudyFacts, decide
from app.domain.study import Instance, Study

ReadHeader = Callable[[Instance, Collection[str]], HeaderValues]


def rule_on(rules: RuleSet, study: Study, instances: Sequence[Instance], read_header: ReadHeader) -> Ruling:
    """Return what the rules decide for a study, and why.

    Parameters
    ----------
    instances
        Those of the revision, by series and instance number.
    read_header
        Reads the values of DICOM keywords from an instance.
    """
    first = first_image(instances)
    header = HeaderValues(problem="the study has no object")
    if first is not None:
        header = read_header(first, rules.keywords)
    return decide(rules, facts_of(study, instances), header)


def facts_of(study: Study, instances: Sequence[Instance]) -> StudyFacts:
    """Return what the rules may ask for beside the header."""
    return StudyFacts(
        calling_ae=study.calling_ae,
        called_ae=study.called_ae,
        received_at=study.received_at,
        modalities=tuple(sorted({instance.modality for instance in instances if instance.modality})),
        instance_count=len(instances),
        series_count=len({instance.series_uid for instance in instances}),
    )


def first_image(instances: Sequence[Instance]) -> Instance | None:
    """Return the first instance with pixels, or the first of all where none has any."""
    images = [instance for instance in instances if instance.is_image]
    return next(iter(images or instances), None)
