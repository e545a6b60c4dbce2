"""The content tree of TID 1500: language, observers, procedure, a measurement group per region."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import numpy as np
from highdicom.sr import (
    FindingSite,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset

from pacs_bridge.results import finding_codes as codes
from pacs_bridge.results.document import check_line
from pacs_bridge.results.finding_content import AcceptedFinding, Region
from pacs_bridge.results.report_content import Code, ReportContent
from pacs_bridge.results.report_tree import algorithm_identification, coded, device_observer, person_observer
from pacs_bridge.results.sr_document import FLAGS

Group: TypeAlias = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations


def measurement_tree(content: ReportContent, findings: tuple[AcceptedFinding, ...]) -> Dataset:
    """Return the root container of TID 1500."""
    context = ObservationContext(
        person_observer(content.observer) if content.observer is not None else None,
        device_observer(content.algorithm) if content.algorithm is not None else None,
    )
    groups = [group for finding in findings for group in _groups(content, finding)]
    report = MeasurementReport(
        observation_context=context,
        procedure_reported=coded(content.procedure or codes.IMAGING),
        imaging_measurements=groups,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(coded(content.language)),
    )
    return report[0]


def _groups(content: ReportContent, finding: AcceptedFinding) -> list[Group]:
    if not finding.regions:
        return [_group_without_region(content, finding)]
    return [_group_of_region(content, finding, number) for number in range(len(finding.regions))]


def _group_without_region(
    content: ReportContent, finding: AcceptedFinding
) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501 with the images that the finding rests on."""
    images = [
        SourceImageForMeasurementGroup(image.sop_class_uid, image.sop_instance_uid)
        for image in finding.images
    ]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(content, finding, 0),
        finding_type=coded(_code(finding)),
        finding_sites=_sites(finding),
        algorithm_id=_algorithm(content, finding),
        measurements=_certainty(finding),
        qualitative_evaluations=_evaluations(content, finding),
        source_images=images or None,
    )


def _group_of_region(
    content: ReportContent, finding: AcceptedFinding, number: int
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410 with one attention region."""
    attention = QualitativeEvaluation(coded(codes.REGION_KIND), coded(codes.ATTENTION))
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(content, finding, number),
        referenced_region=_rectangle(finding.regions[number]),
        finding_type=coded(_code(finding)),
        finding_sites=_sites(finding),
        algorithm_id=_algorithm(content, finding),
        measurements=_certainty(finding),
        qualitative_evaluations=[*_evaluations(content, finding), attention],
        geometric_purpose=coded(codes.BOUNDED_BY),
    )


def _rectangle(region: Region) -> ImageRegion:
    """Close a POLYLINE around the box: PS3.3 C.18.6.1.2 knows no rectangle.

    Column and row as they are: (0, 0) is the top left corner of the top left pixel there as well.
    """
    x0, y0, x1, y1 = region.box
    return ImageRegion(
        graphic_type="POLYLINE",
        graphic_data=np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], dtype=np.float64),
        source_image=SourceImageForRegion(
            region.image.sop_class_uid,
            region.image.sop_instance_uid,
            [region.frame] if region.frame is not None else None,
        ),
    )


def _tracking(content: ReportContent, finding: AcceptedFinding, number: int) -> TrackingIdentifier:
    suffix = f" {number + 1}" if len(finding.regions) > 1 else ""
    return TrackingIdentifier(
        finding.tracking_uid(content.study.study_uid, number), f"{finding.name}{suffix}"
    )


def _code(finding: AcceptedFinding) -> Code:
    code, _ = codes.code_of(finding.name)
    check_line(code.meaning)
    return code


def _sites(finding: AcceptedFinding) -> list[FindingSite] | None:
    """Name the site with its side; a side without a site has nothing to stand on (TID 1501 row 8)."""
    _, site = codes.code_of(finding.name)
    if site is None and finding.laterality is None:
        return None
    side = coded(codes.LATERALITIES[finding.laterality]) if finding.laterality is not None else None
    return [FindingSite(coded(site or codes.CHEST), laterality=side)]


def _certainty(finding: AcceptedFinding) -> list[Measurement] | None:
    """Give the probability in percent (111012 DCM); by decimal, so that 0.07 is not 7.000000000000001."""
    if finding.probability is None:
        return None
    percent = float(Decimal(repr(float(finding.probability))) * 100)
    return [Measurement(coded(codes.CERTAINTY), percent, coded(codes.PERCENT))]


def _evaluations(content: ReportContent, finding: AcceptedFinding) -> list[QualitativeEvaluation]:
    signed = FLAGS[content.state][1] == "VERIFIED"
    return [
        QualitativeEvaluation(coded(codes.PRESENCE), coded(codes.PRESENCES[finding.presence])),
        QualitativeEvaluation(coded(codes.REVIEW), coded(codes.ACCEPTED if signed else codes.DRAFTED)),
    ]


def _algorithm(content: ReportContent, finding: AcceptedFinding) -> object | None:
    """Name the model where it is the origin: what the reader wrote has no probability and no region."""
    from_model = finding.probability is not None or finding.regions
    if content.algorithm is None or not from_model:
        return None
    return algorithm_identification(content.algorithm)
