"""A signed report as a DICOM document: the text as it was signed, patient and study as in the images."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from app.domain.attestation import Meaning
from app.domain.delivery import DeliveryOrder
from app.domain.errors import Rejected
from app.domain.identifiers import derived_uid
from app.domain.report import Section as ReportSection
from app.domain.report import Sentence as ReportSentence
from app.domain.study import Instance
from pacs_bridge.errors import Rejected as BridgeRejected
from pacs_bridge.header import read_header
from pacs_bridge.received import read_head
from pacs_bridge.results.report_content import (
    Algorithm,
    Observer,
    ReportContent,
    ReportState,
    Section,
    Sentence,
    SourceInstance,
    SourceStudy,
    Verification,
)
from pacs_bridge.results.report_sr import build_report_sr


def build_document(order: DeliveryOrder, institution: str, source: Path) -> Dataset:
    """Build the SR of a delivery; the same order gives the same document.

    Parameters
    ----------
    institution
        Verifying organisation; empty is allowed.
    source
        The spool object of `order.source`: patient and study are copied from it.

    Raises
    ------
    Rejected
        If the report is not final, or its sentences are not the text that was signed.
    pacs_bridge.errors.Rejected
        If the document cannot be built.
    """
    if order.delivery.kind != "report_sr":
        raise Rejected(f"no such result format: {order.delivery.kind}")
    if order.attestation.meaning is not Meaning.FINAL:
        raise Rejected("only a report that an attending has signed may leave")
    attestation = order.attestation
    signer = Observer(attestation.printed_name, institution or "unknown", attestation.username)
    content = ReportContent(
        state=ReportState.SIGNED,
        study=_study(order, source),
        evidence=tuple(_reference(instance) for instance in order.instances),
        sections=tuple(_sections(order)),
        written_at=attestation.signed_at,
        series_uid=derived_uid("series", order.delivery.sop_uid),
        sop_instance_uid=order.delivery.sop_uid,
        observer=signer,
        algorithm=_algorithm(order),
        verifications=(
            Verification(signer, attestation.signed_at, attestation.meaning.value, attestation.sha256),
        ),
    )
    return build_report_sr(content)


def _sections(order: DeliveryOrder) -> list[Section]:
    images = {instance.sop_uid: _reference(instance) for instance in order.instances}
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


def _reference(instance: Instance) -> SourceInstance:
    return SourceInstance(instance.study_uid, instance.series_uid, instance.sop_class_uid, instance.sop_uid)


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
