"""What the listener process makes of its settings: titles, ports, TLS and processes.

Covered: the announced number of instances on its way to intake; a second called AE title and TLS alone, from
the settings to an association with the running process; which combinations are refused. Not covered: the TLS
profile itself (tests/bridge/test_tls_profile).
"""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from app.domain.errors import ConfigurationError
from app.domain.retention import SELF_TEST_TITLE
from app.settings import Settings
from app.store.engine import open_store
from app.store.migrate import upgrade
from app.workers.fetch_priors import prior_source
from app.workers.intake_loop import as_received
from app.workers.listen import listener_config, receiving_processes, report_contexts, self_test_peers
from app.workers.own_listener import own_listener
from app.workers.supervise import plan_children
from pacs_bridge.archived_study import PriorQuery
from pacs_bridge.destination import Destination
from pacs_bridge.errors import AssociationRejected, Retriable
from pacs_bridge.spool import Spool
from pacs_bridge.store_scu import echo, send_instances
from pacs_bridge.tls import TlsFiles
from tests.bridge.conftest import NO_FLOOR, put
from tests.bridge.peers import radiograph
from tests.ports import free_port
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings

FILES = ("certificate", "key", "authorities")
SENTENCE = "I accept unencrypted DICOM on my network"


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def issue(folder: Path) -> tuple[dict[str, Path], ssl.SSLContext]:
    """Files of a server for the settings, and the context of a client of the same authority."""
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("sender")
    files = {f"dicom_tls_{name}": folder / f"{name}.pem" for name in FILES}
    server.cert_chain_pems[0].write_to_path(files["dicom_tls_certificate"])
    server.private_key_pem.write_to_path(files["dicom_tls_key"])
    files["dicom_tls_key"].chmod(0o600)
    authority.cert_pem.write_to_path(files["dicom_tls_authorities"])
    context = ssl.create_default_context()
    authority.configure_trust(context)
    client.configure_cert(context)
    return files, context


@pytest.mark.parametrize(("processes", "expected"), [(1, 1), (2, 2), (5, 5)])
def test_as_many_processes_receive_as_are_set(processes: int, expected: int) -> None:
    assert receiving_processes(Settings(listener_processes=processes)) == expected


@pytest.mark.parametrize(("processors", "expected"), [(None, 1), (1, 1), (2, 2), (64, 2)])
def test_without_a_number_no_more_processes_receive_than_help(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, expected: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert receiving_processes(Settings()) == expected


@pytest.mark.parametrize("missing", FILES)
def test_a_tls_port_needs_every_file(missing: str) -> None:
    files = {f"dicom_tls_{name}": Path(f"{name}.pem") for name in FILES if name != missing}
    settings = Settings(dicom_tls_port=2762).model_copy(update=files)
    with pytest.raises(ConfigurationError, match=f"JANUS_MED_DICOM_TLS_{missing.upper()}"):
        listener_config(settings)


def test_peer_with_certificates_may_send_and_is_called_over_tls(tmp_path: Path) -> None:
    files, _ = issue(tmp_path)
    tls = {"ca_file": files["dicom_tls_authorities"], "certificate_file": files["dicom_tls_certificate"]}
    peer = {"ae_title": "CT1", "host": "ct1", "port": 2762}
    settings = Settings(
        peers=[{**peer, "tls": {**tls, "key_file": files["dicom_tls_key"]}}, {**peer, "ae_title": "CT2"}]
    )

    contexts = report_contexts(settings)

    assert contexts.keys() == {"CT1"}
    assert contexts["CT1"].minimum_version is ssl.TLSVersion.TLSv1_2
    assert contexts["CT1"].check_hostname
    assert {peer.ae_title for peer in listener_config(settings).peers} >= {"CT1", "CT2"}


def test_certificates_of_a_peer_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    settings = Settings(peers=[{"ae_title": "CT1", "tls": {"ca_file": tmp_path / "missing.pem"}}])
    with pytest.raises(ConfigurationError, match="JANUS_MED_PEERS, CT1"):
        report_contexts(settings)


@pytest.mark.parametrize("method", ["move", "get"])
def test_archive_is_asked_over_tls(tmp_path: Path, method: str) -> None:
    files, _ = issue(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files["dicom_tls_certificate"], files["dicom_tls_key"])
    ae = AE("ARCHIVE")
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    study = Dataset()
    study.StudyInstanceUID, study.PatientID, study.QueryRetrieveLevel = "1.2.3", "P1", "STUDY"
    study.ModalitiesInStudy, study.StudyDate, study.NumberOfStudyRelatedInstances = "DX", "20260101", 1
    find = [(evt.EVT_C_FIND, lambda event: iter([(0xFF00, study)]))]
    archive = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=find, ssl_context=server)
    port = archive.socket.getsockname()[1]
    entry = {"method": method, "ae_title": "ARCHIVE", "host": "localhost", "port": port}
    try:
        over_tls = Settings(archive={**entry, "tls": {"ca_file": files["dicom_tls_authorities"]}})
        assert over_tls.archive is not None
        found = prior_source(over_tls.archive, over_tls).find(PriorQuery("P1"))
        plain = Settings(archive={**entry, "timeout_seconds": 3})
        assert plain.archive is not None
        with pytest.raises(Retriable):
            list(prior_source(plain.archive, plain).find(PriorQuery("P1")))
    finally:
        archive.shutdown()
    assert [study.study_uid for study in found] == ["1.2.3"]


def test_a_certificate_that_cannot_be_read_is_named_before_anybody_is_called(tmp_path: Path) -> None:
    files, _ = issue(tmp_path)
    files["dicom_tls_key"].write_text("no key")
    settings = Settings(dicom_tls_port=2762).model_copy(update={"dicom_tls_only": True, **files})
    with pytest.raises(ConfigurationError, match="JANUS_MED_DICOM_TLS_CERTIFICATE"):
        own_listener(settings)


@pytest.mark.parametrize(
    ("host", "called", "sources"),
    [
        ("127.0.0.1", "127.0.0.1", {"127.0.0.1"}),
        ("0.0.0.0", "127.0.0.1", {"127.0.0.1"}),
        ("::", "::1", {"127.0.0.1"}),
        ("192.0.2.7", "192.0.2.7", {"127.0.0.1", "192.0.2.7"}),
    ],
)
def test_the_self_test_calls_where_the_listener_is_and_is_let_in_from_there(
    host: str, called: str, sources: set[str]
) -> None:
    settings = Settings(dicom_host=host, selftest_minutes=15)
    (peer,) = self_test_peers(settings)
    assert own_listener(settings).host == called
    addresses = ("127.0.0.1", "192.0.2.7", "192.0.2.8")
    assert {address for address in addresses if peer.may_call_from(address)} == sources


def test_tls_alone_needs_a_tls_port() -> None:
    with pytest.raises(ConfigurationError, match="needs JANUS_MED_DICOM_TLS_PORT"):
        listener_config(Settings(dicom_tls_only=True))


def test_tls_stands_beside_plain_dicom_or_alone() -> None:
    files = {f"dicom_tls_{name}": Path(f"{name}.pem") for name in FILES}
    settings = Settings(dicom_port=104, dicom_tls_port=2762).model_copy(update=files)
    beside = listener_config(settings)
    assert (beside.port, beside.tls_port) == (104, 2762)
    assert beside.tls == TlsFiles(*files.values())
    alone = listener_config(settings.model_copy(update={"dicom_tls_only": True, "dicom_host": "0.0.0.0"}))
    assert (alone.port, alone.tls_port, alone.address) == (2762, None, "0.0.0.0")
    assert alone.tls == beside.tls
    assert listener_config(Settings(dicom_port=104)).tls is None


@pytest.mark.covers("L11")
def test_the_announced_number_of_instances_reaches_intake(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", floor=NO_FLOOR)
    put(spool, radiograph(NumberOfStudyRelatedInstances=7))
    (spooled,) = spool.incoming()
    assert as_received(spooled).expected_count == 7


def test_the_side_of_an_image_reaches_intake(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", floor=NO_FLOOR)
    put(spool, radiograph(ImageLaterality="L"))
    (spooled,) = spool.incoming()
    assert as_received(spooled).laterality == "L"


@pytest.mark.slow
@pytest.mark.covers("L4")
def test_a_second_called_title_is_ours_and_the_study_keeps_it(data_dir: Path, ct_slice: Path) -> None:
    settings = system_settings(data_dir, ae_titles=("TRAUMA",))
    upgrade(settings)
    with Process(settings, "listen") as listener, open_store(settings) as store:
        listener.wait_until_ready()

        def called(title: str) -> Destination:
            return Destination(title, "127.0.0.1", settings.dicom_port)

        echo(called(settings.ae_title), calling_ae="SENDER")
        with pytest.raises(AssociationRejected):
            echo(called("OTHER"), calling_ae="SENDER")
        send_instances([ct_slice], called("TRAUMA"), calling_ae="SENDER")

        study_uid = str(dcmread(ct_slice, stop_before_pixels=True).StudyInstanceUID)

        def titles() -> list[str]:
            with store.begin() as unit:
                return [study.called_ae for study in unit.studies.lock_existing([study_uid]).values()]

        wait_until(lambda: titles() == ["TRAUMA"])
        assert listener.stop() == 0


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no loopback of IPv6 (::1)")
def test_a_listener_on_every_address_of_ipv6_answers_our_own_call(data_dir: Path) -> None:
    settings = system_settings(
        data_dir, dicom_host="::", ui_host="::", selftest_minutes=15, allow_plain_off_loopback=SENTENCE
    )
    upgrade(settings)
    with Process(settings, "listen") as listener:
        listener.wait_until_ready()
        echo(own_listener(settings), calling_ae=SELF_TEST_TITLE)
        assert listener.stop() == 0
    (ui,) = (plan for plan in plan_children(settings) if plan.name == "ui")
    assert ui.url == f"http://[::1]:{settings.ui_port}/live"


@pytest.mark.slow
@pytest.mark.covers("C1")
def test_with_tls_alone_nothing_answers_in_the_clear(data_dir: Path, tmp_path: Path, ct_slice: Path) -> None:
    files, client = issue(tmp_path)
    settings = system_settings(
        data_dir, dicom_tls_port=free_port(), dicom_tls_only=True, selftest_minutes=15, **files
    )
    upgrade(settings)
    with Process(settings, "listen") as listener:
        assert listener.wait_until_ready()["port"] == settings.dicom_tls_port
        assert settings.dicom_tls_port is not None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", settings.dicom_port), timeout=5)
        there = Destination(settings.ae_title, "localhost", settings.dicom_tls_port, tls=client)
        (outcome,) = send_instances([ct_slice], there, calling_ae="SENDER")
        assert outcome.status == 0x0000
        # the self-test, and what a C-GET or a web archive hands over
        echo(own_listener(settings), calling_ae=SELF_TEST_TITLE)
        with socket.create_connection(("127.0.0.1", settings.dicom_tls_port), timeout=20) as plain:
            plain.sendall(b"\x01\0" + bytes(4))
            with suppress(ConnectionResetError):
                # at most a TLS alert (21) comes back, no PDU
                assert plain.recv(1) in {b"", b"\x15"}
        assert listener.stop() == 0
