"""A report as the message builders get it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pacs_bridge.results.finding_content import AcceptedFinding, Presence
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
from pacs_bridge.results.report_message import ReportMessage, Signature

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SIGNER = Observer("Attending^Ada^^Dr.", "Test Hospital", "ada")
STUDY = SourceStudy(
    study_uid="1.2.826.0.1.3680043.8.498.1",
    patient_id="PID|1",
    issuer_of_patient_id="HOSPITAL",
    patient_name="Müller^Jörg^M^Dr^Jr=山田^太郎=やまだ^たろう",
    patient_birth_date="19500101",
    patient_sex="M",
    study_date="20261126",
    study_time="081500.123",
    accession_number="ACC&1",
    study_description="Chest ^ pa",
    referring_physician_name="House^Gregory",
)
IMAGE = SourceInstance(STUDY.study_uid, "1.2.3.1", "1.2.840.10008.5.1.4.1.1.1", "1.2.3.2")
UNVERIFIED = frozenset({ReportState.DRAFTED, ReportState.PRELIMINARY})


def message(
    state: ReportState = ReportState.SIGNED,
    findings_text: str = "Nodule in the left lung.",
    impression: str = "Possible lesion.",
    **changes: Any,
) -> ReportMessage:
    """A report in some state."""
    content = ReportContent(
        state=state,
        study=STUDY,
        evidence=(IMAGE,),
        sections=(
            Section("findings", (Sentence(findings_text),)),
            Section("impression", (Sentence(impression),)),
        ),
        written_at=NOW,
        series_uid="2.25.10",
        sop_instance_uid="2.25.11",
        observer=SIGNER,
        algorithm=Algorithm("janus", "tiny", "ab" * 32),
        verifications=() if state in UNVERIFIED else (Verification(SIGNER, NOW),),
        predecessors=(replace(IMAGE, sop_instance_uid="2.25.9"),) if state.endswith("ED") else (),
    )
    made = ReportMessage(
        content=content,
        report_uid="2.25.1",
        message_uid="2.25.11",
        signature=Signature(
            "Dr. Ada Attending", "ada", NOW, "final report, reviewed and approved", "cd" * 32
        ),
        findings=(
            AcceptedFinding("Lung Lesion", probability=0.91),
            AcceptedFinding("Pneumothorax", Presence.ABSENT, probability=0.02),
        ),
        withdrawal_reason="Images of another patient." if state is ReportState.WITHDRAWN else "",
    )
    return replace(made, **changes)
