"""The content tree of a report (PS3.16 TID 2000): language, observers, procedure, sections, algorithm."""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    TextContentItem,
)
from pydicom.dataset import Dataset

from pacs_bridge.results.report_content import Code, ReportContent, Section, Sentence, derived_uid

# heading: (concept of the container, CID 7001; concept of its text, CID 7002)
HEADINGS = {
    "history": (Code("121060", "DCM", "History"), Code("121060", "DCM", "History")),
    "indication": (
        Code("121109", "DCM", "Indications for Procedure"),
        Code("121109", "DCM", "Indications for Procedure"),
    ),
    "technique": (
        Code("121064", "DCM", "Current Procedure Descriptions"),
        Code("121065", "DCM", "Procedure Description"),
    ),
    "comparison": (
        Code("121068", "DCM", "Previous Findings"),
        Code("121069", "DCM", "Previous Finding"),
    ),
    "findings": (Code("121070", "DCM", "Findings"), Code("121071", "DCM", "Finding")),
    "impression": (Code("121072", "DCM", "Impressions"), Code("121073", "DCM", "Impression")),
    "recommendation": (
        Code("121074", "DCM", "Recommendations"),
        Code("121075", "DCM", "Recommendation"),
    ),
    "addendum": (Code("121078", "DCM", "Addendum"), Code("121078", "DCM", "Addendum")),
}
ALGORITHM_SECTION = Code("JM0001", "99JANUSMED", "Drafting algorithm")
ALGORITHM_STATEMENT = Code("JM0002", "99JANUSMED", "Statement on the drafting algorithm")
SOURCE_IMAGE = Code("121080", "DCM", "Best illustration of finding")


def content_tree(content: ReportContent) -> Dataset:
    """Root container of TID 2000: language, observers, procedure, sections."""
    root = ContainerContentItem(_concept(content.title), is_content_continuous=False, template_id="2000")
    children: list[ContentItem] = list(LanguageOfContentItemAndDescendants(_concept(content.language)))
    children += _observers(content)
    children += _procedure(content)
    children += [_section(section) for section in content.sections if section.sentences]
    if content.algorithm is not None:
        children.append(_algorithm_section(content))
    root.ContentSequence = children
    return root


def _observers(content: ReportContent) -> list[ContentItem]:
    """TID 1002: the person, and the device when a model drafted the text."""
    items: list[ContentItem] = []
    if content.observer is not None:
        person = PersonObserverIdentifyingAttributes(
            name=content.observer.name,
            login_name=content.observer.login or None,
            organization_name=content.observer.organization or None,
        )
        items += ObserverContext(_concept(Code("121006", "DCM", "Person")), person)
    if content.algorithm is not None:
        model = content.algorithm
        device = DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", model.name, model.version, model.weights_sha256),
            name=model.name,
            manufacturer_name=model.manufacturer,
            model_name=model.name,
        )
        items += ObserverContext(_concept(Code("121007", "DCM", "Device")), device)
    return items


def _procedure(content: ReportContent) -> list[ContentItem]:
    """Name the procedure reported: coded, or in the words of the study."""
    if content.procedure is not None:
        name = _concept(Code("121058", "DCM", "Procedure reported"))
        return [CodeContentItem(name, _concept(content.procedure), "HAS CONCEPT MOD")]
    if content.study.study_description:
        name = _concept(Code("121065", "DCM", "Procedure Description"))
        return [TextContentItem(name, content.study.study_description, "HAS CONCEPT MOD")]
    return []


def _section(section: Section) -> ContainerContentItem:
    heading, element = HEADINGS[section.heading]
    container = ContainerContentItem(
        _concept(heading), is_content_continuous=False, relationship_type="CONTAINS"
    )
    container.ContentSequence = [_text(element, sentence) for sentence in section.sentences]
    return container


def _text(concept: Code, sentence: Sentence) -> TextContentItem:
    item = TextContentItem(_concept(concept), sentence.text, "CONTAINS")
    if sentence.images:
        item.ContentSequence = [
            ImageContentItem(
                _concept(SOURCE_IMAGE),
                image.sop_class_uid,
                image.sop_instance_uid,
                relationship_type="INFERRED FROM",
            )
            for image in sentence.images
        ]
    return item


def _algorithm_section(content: ReportContent) -> ContainerContentItem:
    """Name the model (TID 4019) with the digests of its weights, and say what it did."""
    model = content.algorithm
    assert model is not None
    parameters = [f"weights sha256={model.weights_sha256}"]
    if model.adapters_sha256:
        parameters.append(f"adapters sha256={model.adapters_sha256}")
    container = ContainerContentItem(
        _concept(ALGORITHM_SECTION), is_content_continuous=False, relationship_type="CONTAINS"
    )
    identification = AlgorithmIdentification(
        name=model.name,
        version=model.version,
        parameters=[*parameters, *model.parameters],
        family=_concept(Code("123110", "DCM", "Artificial Intelligence")),
        manufacturer=model.manufacturer,
    )
    statement = "The text was drafted by this algorithm."
    if content.observer is not None:
        statement = "The text was drafted by this algorithm and reviewed by the person named as its observer."
    container.ContentSequence = [
        *identification,
        TextContentItem(_concept(ALGORITHM_STATEMENT), statement, "CONTAINS"),
    ]
    return container


def _concept(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning)
