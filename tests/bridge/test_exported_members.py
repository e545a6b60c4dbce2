"""The public names, and what the package must not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pacs_bridge
import pacs_bridge.results
from tests.conftest import ROOT


def test_public_names_are_these():
    assert pacs_bridge.__all__ == sorted(pacs_bridge.__all__)
    assert set(pacs_bridge.__all__) == {
        *("AssociationFacts", "AssociationRejected", "BridgeError", "Destination", "Disposition", "Fatal"),
        *("CommitmentEvents", "CommitmentLoop", "CommitmentReport", "CommitmentRequest", "CommitmentSCU"),
        *("CommitmentService", "LoggedCommitments"),
        *("FreeSpaceFloor", "InstanceHeader", "InstanceSink", "JanitorReport", "Limits", "Listener"),
        *(
            "ListenerConfig",
            "ListenerEvents",
            "ListenerGroup",
            "LoggedEvents",
            "NormalizedCommand",
            "NormalizedRequest",
            "NormalizedService",
        ),
        *("Peer", "QuarantinedInstance"),
        *("ReceivedInstance", "Rejected", "Rejection", "Retriable", "SendOutcome", "Spool", "SpoolSink"),
        *(
            "SpooledInstance",
            "StoreOutcome",
            "Timeouts",
            "TlsFiles",
            "TransportLimits",
            "echo",
            "read_header",
        ),
        "send_instances",
    }
    for name in pacs_bridge.__all__:
        assert getattr(pacs_bridge, name).__doc__


def test_public_names_of_results_are_these():
    assert set(pacs_bridge.results.__all__) == {
        *("Algorithm", "Code", "Observer", "ReportContent", "ReportState", "Section", "Sentence"),
        *("SourceInstance", "SourceStudy", "Verification", "build_report_sr", "derived_uid"),
        *("AcceptedFinding", "Laterality", "LossyCompression", "Presence", "Region", "SourceImage"),
        *("RejectionContent", "RejectionReason", "build_encapsulated_pdf", "build_measurement_sr"),
        *("build_presentation_state", "build_rejection_note", "build_secondary_capture", "group_images"),
        *("person_name", "printed_name"),
    }
    for name in pacs_bridge.results.__all__:
        assert getattr(pacs_bridge.results, name).__doc__


@pytest.mark.slow
def test_naming_the_builders_loads_none_of_their_libraries():
    heavy = ["highdicom", "reportlab"]
    script = f"import pacs_bridge.results, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_listening_loads_neither_models_nor_databases_nor_report_building():
    """A listener starts at once and stays small."""
    heavy = ["torch", "monai", "transformers", "sqlalchemy", "streamlit", "highdicom", "app", "janus_med"]
    script = f"import pacs_bridge, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
