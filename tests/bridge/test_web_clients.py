"""FHIR and STOW-RS over real HTTP: what counts as sent, what is sent again, and that a resend leaves one.

Covered: our own strict servers; Orthanc's DICOMweb plug-in where Debian's `orthanc-dicomweb` is installed.
Not covered: what is sent (`test_fhir_report.py`), the outbox around it (`tests/workers`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pacs_bridge.errors import MessageRefused, Rejected, Retriable
from pacs_bridge.fhir_client import send_bundle
from pacs_bridge.fhir_report import build_bundle
from pacs_bridge.results.report_content import ReportState
from pacs_bridge.results.report_sr import build_report_sr
from pacs_bridge.stow_client import store_instances
from pacs_bridge.web_client import WebPeer
from tests.bridge.reports import message
from tests.bridge.web_receivers import FhirServer, StowServer, run_web
from tests.e2e.orthanc import run_orthanc
from tests.ports import free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SR = build_report_sr(message().content)


@pytest.mark.covers("S6")
def test_resent_and_corrected_report_is_one_report() -> None:
    with run_web(FhirServer()) as server:
        peer = WebPeer(server.url, "s3cret")
        for _ in range(2):
            send_bundle(build_bundle(message()), peer)
        corrected = message(ReportState.CORRECTED, findings_text="No nodule.", message_uid="2.25.12")
        send_bundle(build_bundle(corrected), peer)
    [report] = server.of_kind("DiagnosticReport")
    assert report["status"] == "corrected"
    assert "No nodule." in report["text"]["div"]
    assert [len(server.of_kind(k)) for k in ("Observation", "Device", "Provenance")] == [2, 1, 2]
    assert set(server.tokens) == {"Bearer s3cret"}


@pytest.mark.covers("S6")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *((status, MessageRefused) for status in (400, 401, 412, 422)),
        *((status, Retriable) for status in (429, 500, 503, "lost")),
    ],
)
def test_status_decides_what_follows_and_nothing_of_the_answer_is_repeated(
    answer: int | str, expected: type[Exception]
) -> None:
    with run_web(FhirServer(script=[answer])) as server, pytest.raises(expected) as raised:
        send_bundle(build_bundle(message()), WebPeer(server.url))
    assert "Jane" not in str(raised.value)


def test_redirect_is_not_followed() -> None:
    with run_web(FhirServer(script=[307])) as server, pytest.raises(MessageRefused, match="307"):
        send_bundle(build_bundle(message()), WebPeer(server.url))


def test_web_server_that_is_not_there_may_come_back() -> None:
    nobody = WebPeer(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Retriable):
        send_bundle(build_bundle(message()), nobody)
    with pytest.raises(Retriable):
        store_instances([SR], nobody)


@pytest.mark.covers("T03")
def test_object_that_is_there_already_is_stored() -> None:
    with run_web(StowServer()) as server:
        for _ in range(3):
            store_instances([SR], WebPeer(server.url))
    assert list(server.held) == [str(SR.SOPInstanceUID)]


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (409, 0xA900, Rejected),
        (409, 0xA700, Retriable),
        (202, 0xC000, Rejected),
        (202, 0x0110, Retriable),
        (200, 0xC122, Rejected),
        (409, None, MessageRefused),
        (415, None, MessageRefused),
        (503, None, Retriable),
    ],
)
def test_failure_reason_decides_what_follows(
    status: int, reason: int | None, expected: type[Exception]
) -> None:
    with run_web(StowServer(script=[(status, reason)])) as server, pytest.raises(expected):
        store_instances([SR], WebPeer(server.url))


@pytest.mark.slow
@pytest.mark.covers("T03", "T27")
def test_orthanc_takes_the_object_by_stow_once(tmp_path: Path) -> None:
    from tests.conftest import need

    need(PLUGIN.is_file(), "Orthanc's DICOMweb plug-in (apt-get install orthanc-dicomweb)")
    with run_orthanc(tmp_path, plugins=(PLUGIN,)) as orthanc:
        peer = WebPeer(f"http://127.0.0.1:{orthanc.http_port}/dicom-web")
        for _ in range(2):
            store_instances([SR], peer)
        [held] = orthanc.reports()
    import io

    from pydicom import dcmread

    assert dcmread(io.BytesIO(held)).to_json_dict() == SR.to_json_dict()
