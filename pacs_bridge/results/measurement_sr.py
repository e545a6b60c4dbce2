"""The accepted findings as Comprehensive 3D SR (PS3.3 A.35.13), TID 1500: what software can read."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.ai_label import add_ai_label
from pacs_bridge.results.document import COMPREHENSIVE_3D_SR, declare_character_set
from pacs_bridge.results.finding_content import AcceptedFinding, check_findings
from pacs_bridge.results.report_content import ReportContent
from pacs_bridge.results.sr_document import begin_sr_document, check_state


def build_measurement_sr(content: ReportContent, findings: Sequence[AcceptedFinding]) -> Dataset:
    """Build the SR that holds the accepted findings in codes and numbers.

    Each region of a finding is a group of TID 1410, a finding without region one of TID 1501. The sections of
    the report are not repeated.

    Parameters
    ----------
    content
        State, identity, observers, algorithm and evidence of the report. The same content and findings give
        the same document, byte for byte.
    findings
        What the reader accepted; at least one.

    Returns
    -------
    pydicom.Dataset
        With file meta information, explicit VR little endian.

    Raises
    ------
    Rejected
        If there is no finding, a finding or region is none, or state and verification contradict each other.
    """
    from pacs_bridge.results.measurement_tree import measurement_tree

    accepted = tuple(findings)
    check_state(content)
    check_findings(accepted)
    if not accepted:
        raise Rejected(CANNOT_UNDERSTAND, "a measurement SR needs at least one accepted finding")
    shown = [
        image
        for finding in accepted
        for image in (*finding.images, *(region.image for region in finding.regions))
    ]
    document = begin_sr_document(COMPREHENSIVE_3D_SR, content, shown, series="AI findings, reviewed")
    document.update(measurement_tree(content, accepted))
    add_ai_label(document, content)
    declare_character_set(document)
    return document
