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

from pacs_bridge.results.person_names import person_name
from pacs_bridge.results.report_content import (
    Algorithm,
    Code,
    Observer,
    ReportContent,
    Section,
    Sentence,
    Verification,
    derived_uid,
)
from pacs_bridge.results.report_headings import (
    ALGORITHM_SECTION,
    ALGORITHM_STATEMENT,
    ATTESTATION,
    ATTESTATION_SECTION,
    HEADINGS,
    SOURCE_IMAGE,
)


def content_tree(content: ReportContent) -> Dataset:
    """Root container of TID 2000: language, observers, procedure, sections."""
    root = ContainerContentItem(coded(content.title), is_content_continuous=False, template_id="2000")
    children: list[ContentItem] = list(LanguageOfContentItemAndDescendants(coded(content.language)))
    children += _observers(content)
    children += _procedure(content)
    children += [_section(section) for section in content.sections if section.sentences]
    if content.algorithm is not None:
        children.append(_algorithm_section(content))
    signed = [v for v in content.verifications if v.meaning]
    if signed:
        children.append(_attestation_section(signed))
    root.ContentSequence = children
    return root


def _observers(content: ReportContent) -> list[ContentItem]:
    """TID 1002: the person, and the device when a model drafted the text."""
    return [
        *(person_observer(content.observer) if content.observer is not None else ()),
        *(device_observer(content.algorithm) if content.algorithm is not None else ()),
    ]


def person_observer(observer: Observer) -> ObserverContext:
    """Return TID 1003 of a person."""
    person = PersonObserverIdentifyingAttributes(
        name=person_name(observer.name),
        login_name=observer.login or None,
        organization_name=observer.organization or None,
    )
    return ObserverContext(coded(Code("121006", "DCM", "Person")), person)


def device_observer(model: Algorithm) -> ObserverContext:
    """Return TID 1004 of the model; its UID is the same for the same weights."""
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", model.name, model.version, model.weights_sha256),
        name=model.name,
        manufacturer_name=model.manufacturer,
        model_name=model.name,
    )
    return ObserverContext(coded(Code("121007", "DCM", "Device")), device)


def _procedure(content: ReportContent) -> list[ContentItem]:
    """Name the procedure reported: coded, or in the words of the study."""
    if content.procedure is not None:
        name = coded(Code("121058", "DCM", "Procedure reported"))
        return [CodeContentItem(name, coded(content.procedure), "HAS CONCEPT MOD")]
    if content.study.study_description:
        name = coded(Code("121065", "DCM", "Procedure Description"))
        return [TextContentItem(name, content.study.study_description, "HAS CONCEPT MOD")]
    return []


def _section(section: Section) -> ContainerContentItem:
    heading, element = HEADINGS[section.heading]
    container = ContainerContentItem(
        coded(heading), is_content_continuous=False, relationship_type="CONTAINS"
    )
    items = [_text(element, sentence) for sentence in section.sentences]
    if section.signed is not None:
        # its own author, then who signed it when with which meaning
        statement = TextContentItem(coded(ATTESTATION), section.statement, "CONTAINS")
        items = [*person_observer(section.signed.observer), statement, *items]
    container.ContentSequence = items
    return container


def _text(concept: Code, sentence: Sentence) -> TextContentItem:
    item = TextContentItem(coded(concept), sentence.text, "CONTAINS")
    if sentence.images:
        item.ContentSequence = [
            ImageContentItem(
                coded(SOURCE_IMAGE),
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
    container = ContainerContentItem(
        coded(ALGORITHM_SECTION), is_content_continuous=False, relationship_type="CONTAINS"
    )
    statement = "The text was drafted by this algorithm."
    if content.observer is not None:
        statement = "The text was drafted by this algorithm and reviewed by the person named as its observer."
    container.ContentSequence = [
        *algorithm_identification(model),
        TextContentItem(coded(ALGORITHM_STATEMENT), statement, "CONTAINS"),
    ]
    return container


def _attestation_section(verifications: list[Verification]) -> ContainerContentItem:
    """Say who signed, when, with which meaning, and the digest of the text that was signed (21 CFR 11.50)."""
    container = ContainerContentItem(
        coded(ATTESTATION_SECTION), is_content_continuous=False, relationship_type="CONTAINS"
    )
    container.ContentSequence = [
        TextContentItem(coded(ATTESTATION), verification.statement, "CONTAINS")
        for verification in verifications
    ]
    return container


def algorithm_identification(model: Algorithm) -> AlgorithmIdentification:
    """Return TID 4019 of the drafting model: name, version, digests of its weights, other parameters."""
    parameters = [f"weights sha256={model.weights_sha256}"]
    if model.adapters_sha256:
        parameters.append(f"adapters sha256={model.adapters_sha256}")
    return AlgorithmIdentification(
        name=model.name,
        version=model.version,
        parameters=[*parameters, *model.parameters],
        family=coded(Code("123110", "DCM", "Artificial Intelligence")),
        manufacturer=model.manufacturer,
    )


def coded(code: Code) -> CodedConcept:
    """Return the code as highdicom wants it."""
    return CodedConcept(code.value, code.scheme, code.meaning)
