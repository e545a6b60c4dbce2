"""A signed report as the values of its messages: text as signed, patient and study as in the images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from app.domain.attestation import Attestation
from app.domain.delivery import DeliveryOrder
from app.domain.finding import ReleasedFinding
from app.domain.identifiers import derived_uid
from app.domain.report import Region as ReportRegion
from app.domain.report import ReportState
from app.domain.study import Patient
from app.workers.report_sections import observer_of, reference_to, report_sections, verification_of
from pacs_bridge.errors import Rejected as BridgeRejected
from pacs_bridge.header import read_header
from pacs_bridge.received import read_head
from pacs_bridge.results.finding_content import AcceptedFinding, Presence, Region
from pacs_bridge.results.report_content import (
    Algorithm,
    ReportContent,
    SourceInstance,
    SourceStudy,
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
    signatures = tuple(verification_of(signature, institution) for signature in order.text.signatures)
    predecessors = tuple(_predecessors(order))
    return ReportContent(
        state=WireState(order.state.value),
        study=_study(order, source),
        evidence=tuple(reference_to(instance) for instance in order.instances),
        sections=tuple(report_sections(order, institution)),
        written_at=signatures[-1].verified_at,
        series_uid=series_uid_of(order.delivery.sop_uid),
        sop_instance_uid=order.delivery.sop_uid,
        observer=observer_of(order.signed, institution),
        predecessors=predecessors,
        is_first=not predecessors,
        algorithm=_algorithm(order),
        verifications=() if order.state in _UNVERIFIED else signatures,
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
        signature=_signature(act),
        findings=accepted_findings(order),
        retracted_findings=_retracted(order),
        also_signed=_also_signed(order),
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
    return _findings(order, order.findings)


def first_findings(order: DeliveryOrder) -> tuple[AcceptedFinding, ...]:
    """Return what the first signature accepted, and a correction may have left out."""
    return _findings(order, order.first_findings)


def _findings(order: DeliveryOrder, findings: Iterable[ReleasedFinding]) -> tuple[AcceptedFinding, ...]:
    images = {instance.sop_uid: reference_to(instance) for instance in order.instances}
    return tuple(
        AcceptedFinding(
            name=finding.name,
            presence=Presence(finding.presence.value),
            probability=finding.probability,
            regions=tuple(_region(region, images) for region in finding.regions if region.sop_uid in images),
        )
        for finding in findings
    )


def _retracted(order: DeliveryOrder) -> tuple[str, ...]:
    """Return the findings that an earlier message carried and a correction left out."""
    still = {finding.name for finding in order.findings}
    return tuple(finding.name for finding in order.first_findings if finding.name not in still)


def series_uid_of(sop_uid: str) -> str:
    """Return the series of an object that we sent: each has its own."""
    return derived_uid("series", sop_uid)


def _signature(by: Attestation) -> Signature:
    return Signature(by.printed_name, by.username, by.signed_at, by.meaning.value, by.sha256)


def _also_signed(order: DeliveryOrder) -> tuple[Signature, ...]:
    if not order.text.amendments:
        return ()
    return tuple(_signature(by) for by in order.text.signatures if by != order.attestation)


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
