"""A signed report as the values of its messages: text as signed, patient and study as in the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from app.domain.delivery import DeliveryOrder
from app.domain.errors import Rejected
from app.domain.identifiers import derived_uid
from app.domain.report import Region as ReportRegion
from app.domain.report import ReportState
from app.domain.report import Section as ReportSection
from app.domain.report import Sentence as ReportSentence
from app.domain.study import Instance, Patient
from pacs_bridge.errors import Rejected as BridgeRejected
from pacs_bridge.header import read_header
from pacs_bridge.received import read_head
from pacs_bridge.results.finding_content import AcceptedFinding, Presence, Region
from pacs_bridge.results.report_content import (
    Algorithm,
    Observer,
    ReportContent,
    Section,
    Sentence,
    SourceInstance,
    SourceStudy,
    Verification,
)
from pacs_bridge.results.report_content import ReportState as WireState
from pacs_bridge.results.report_message import ReportMessage, Signature

_UNVERIFIED = frozenset({ReportState.PRELIMINARY})
_FOLLOWING = frozenset({ReportState.ADDENDED, ReportState.CORRECTED})
# documents that name the one before: Basic Text SR, Encapsulated PDF
_DOCUMENTS = {
    "report_sr": "1.2.840.10008.5.1.4.1.1.88.11",
    "encapsulated_pdf": "1.2.840.10008.5.1.4.1.1.104.1",
}


def report_content(order: DeliveryOrder, institution: str, source: Path) -> ReportContent:
    """Return what the documents of a delivery say; the same order gives the same values.

    Parameters
    ----------
    institution
        Verifying organisation; empty is allowed.
    source
        The spool object of `order.source`: patient and study are copied from it.

    Raises
    ------
    Rejected
        If the sentences are not the text that was signed.
    """
    signed = order.signed
    signer = Observer(signed.printed_name, institution or "unknown", signed.username)
    verification = Verification(signer, signed.signed_at, signed.meaning.value, signed.sha256)
    verified = () if order.state in _UNVERIFIED else (verification,)
    return ReportContent(
        state=WireState(order.state.value),
        study=_study(order, source),
        evidence=tuple(reference_to(instance) for instance in order.instances),
        sections=tuple(_sections(order)),
        written_at=signed.signed_at,
        series_uid=series_uid_of(order.delivery.sop_uid),
        sop_instance_uid=order.delivery.sop_uid,
        observer=signer,
        predecessors=tuple(_predecessors(order)),
        algorithm=_algorithm(order),
        verifications=verified,
    )


def report_message(order: DeliveryOrder, institution: str, source: Path) -> ReportMessage:
    """Return what HL7 and FHIR say; the same order gives the same values.

    Raises
    ------
    Rejected
        If the sentences are not the text that was signed.
    """
    act = order.attestation
    content = report_content(order, institution, source)
    return ReportMessage(
        content=replace(content, study=_with_patient(content.study, order.study.current_patient)),
        report_uid=derived_uid("report", order.study.study_uid, str(order.report.report_id)),
        message_uid=order.delivery.sop_uid,
        signature=Signature(act.printed_name, act.username, act.signed_at, act.meaning.value, act.sha256),
        findings=accepted_findings(order),
        withdrawal_reason=order.withdrawal_reason,
    )


def _with_patient(study: SourceStudy, patient: Patient) -> SourceStudy:
    """Return the study with the patient of the hospital's records, which a merge may have changed."""
    return replace(
        study,
        patient_id=patient.patient_id,
        issuer_of_patient_id=patient.issuer,
        patient_name=patient.name,
        patient_birth_date=patient.birth_date,
        patient_sex=patient.sex,
    )


def accepted_findings(order: DeliveryOrder) -> tuple[AcceptedFinding, ...]:
    """Return what the reader accepted of the model's findings, with the regions on images of this study."""
    images = {instance.sop_uid: reference_to(instance) for instance in order.instances}
    return tuple(
        AcceptedFinding(
            name=finding.name,
            presence=Presence(finding.presence.value),
            probability=finding.probability,
            regions=tuple(_region(region, images) for region in finding.regions if region.sop_uid in images),
        )
        for finding in order.findings
    )


def series_uid_of(sop_uid: str) -> str:
    """Return the series of an object that we sent: each has its own."""
    return derived_uid("series", sop_uid)


def reference_to(instance: Instance) -> SourceInstance:
    """Return an instance as documents refer to it."""
    return SourceInstance(instance.study_uid, instance.series_uid, instance.sop_class_uid, instance.sop_uid)


def _sections(order: DeliveryOrder) -> list[Section]:
    images = {instance.sop_uid: reference_to(instance) for instance in order.instances}
    return [
        Section(section.value, _sentences(order, section, images))
        for section in ReportSection
        if order.sections.get(section.value)
    ]


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


def _predecessors(order: DeliveryOrder) -> Iterator[SourceInstance]:
    """Return the documents that this one follows at its destination (PS3.3 C.17.2.3)."""
    sop_class = _DOCUMENTS.get(order.delivery.kind)
    for earlier in order.earlier:
        if sop_class and (earlier.is_sent or order.state in _FOLLOWING):
            series_uid = series_uid_of(earlier.sop_uid)
            yield SourceInstance(earlier.study_uid, series_uid, sop_class, earlier.sop_uid)


def _region(region: ReportRegion, images: dict[str, SourceInstance]) -> Region:
    return Region(images[region.sop_uid], region.box)


def _study(order: DeliveryOrder, source: Path) -> SourceStudy:
    """Take patient and study from the image itself; from the database where the image is gone."""
    try:
        head, offset = read_head(source)
        return SourceStudy.of(read_header(source.read_bytes()[offset:], head.transfer_syntax))
    except (OSError, ValueError, BridgeRejected):
        return SourceStudy(
            study_uid=order.study.study_uid,
            patient_id=order.patient.patient_id,
            issuer_of_patient_id=order.patient.issuer,
            patient_name=order.patient.name,
            patient_birth_date=order.patient.birth_date,
            patient_sex=order.patient.sex,
            study_date=order.study.study_date,
            study_time=order.study.study_time,
            accession_number=order.study.accession_number,
            study_description=order.study.description,
            referring_physician_name=order.study.referring_physician,
        )


def _algorithm(order: DeliveryOrder) -> Algorithm | None:
    model = order.draft_model
    if not model:
        return None
    return Algorithm(
        name=str(model["id"]),
        version=str(model.get("preset") or model["id"]),
        weights_sha256=str(model["weights_sha256"]),
        adapters_sha256=str(model.get("adapters_sha256") or ""),
    )
