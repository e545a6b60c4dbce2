"""The parts of a report's document: the text in force, and what was added to it or replaced by it."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.attestation import Attestation
from app.domain.delivery import DeliveryOrder
from app.domain.errors import Rejected
from app.domain.report import Section as ReportSection
from app.domain.report import Sentence as ReportSentence
from app.domain.signed_text import Replaced, SignedText, sections_of
from app.domain.study import Instance
from pacs_bridge.results.report_content import Observer, Section, Sentence, SourceInstance, Verification


def report_sections(order: DeliveryOrder, institution: str) -> list[Section]:
    """Return the text in force, and after it what was added and what was replaced, in the order of signing.

    A corrected text says first that it is one, and why.

    Raises
    ------
    Rejected
        If the sentences are not the text that was signed.
    """
    images = {instance.sop_uid: reference_to(instance) for instance in order.instances}
    in_force = [
        Section(section.value, _sentences(order, section, images))
        for section in ReportSection
        if order.sections.get(section.value)
    ]
    return [*_corrections(order.text, institution), *in_force, *_followers(order.text, institution)]


def _corrections(text: SignedText, institution: str) -> Iterator[Section]:
    if text.correction is not None:
        says = f"This text replaces the earlier one. Reason: {text.correction.content.reason}"
        yield _part("correction", (says,), text.correction.number, text.signature, institution)


def _followers(text: SignedText, institution: str) -> list[Section]:
    replaced = [
        _part("replaced text", _replaced_lines(before), before.number, before.signature, institution)
        for before in text.replaced
    ]
    added = [
        _part("addendum", (addendum.content.text,), addendum.number, addendum.attestation, institution)
        for addendum in text.addenda
    ]
    return sorted([*replaced, *added], key=lambda section: section.number)


def _replaced_lines(before: Replaced) -> tuple[str, ...]:
    lines = (f"{name.upper()}: {said}" for name, said in sections_of(before.signature).items())
    return (f"Replaced by {before.by.title}, must not be used.", *lines)


def _part(heading: str, lines: tuple[str, ...], number: int, by: Attestation, institution: str) -> Section:
    return Section(heading, tuple(map(Sentence, lines)), number, verification_of(by, institution))


def _sentences(
    order: DeliveryOrder, section: ReportSection, images: dict[str, SourceInstance]
) -> tuple[Sentence, ...]:
    """Return the sentences of a section with their images, after a check that they are what was signed."""
    chosen = sorted(
        (s for s in order.report.sentences if s.section is section), key=lambda sentence: sentence.position
    )
    if " ".join(sentence.text.strip() for sentence in chosen) != order.sections[section.value]:
        raise Rejected(f"the sentences of the section {section.value} are not the text that was signed")
    return tuple(Sentence(sentence.text.strip(), _image(sentence, images)) for sentence in chosen)


def _image(sentence: ReportSentence, images: dict[str, SourceInstance]) -> tuple[SourceInstance, ...]:
    if sentence.region is None or sentence.region.sop_uid not in images:
        return ()
    return (images[sentence.region.sop_uid],)


def observer_of(by: Attestation, institution: str) -> Observer:
    """Return the person who signed, and for whom."""
    return Observer(by.printed_name, institution or "unknown", by.username)


def verification_of(by: Attestation, institution: str) -> Verification:
    """Return a signature as documents state it."""
    return Verification(observer_of(by, institution), by.signed_at, by.meaning.value, by.sha256)


def reference_to(instance: Instance) -> SourceInstance:
    """Return an instance as documents refer to it."""
    return SourceInstance(instance.study_uid, instance.series_uid, instance.sop_class_uid, instance.sop_uid)
