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
from pydicom import dcmread

from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.store.engine import open_store
from app.store.migrate import upgrade
from app.workers.intake_loop import as_received
from app.workers.listen import listener_config, receiving_processes
from pacs_bridge.destination import Destination
from pacs_bridge.errors import AssociationRejected
from pacs_bridge.spool import Spool
from pacs_bridge.store_scu import echo, send_instances
from pacs_bridge.tls import TlsFiles
from tests.bridge.conftest import NO_FLOOR, put
from tests.bridge.peers import radiograph
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, free_port, system_settings

FILES = ("certificate", "key", "authorities")


def issue(folder: Path) -> tuple[dict[str, Path], ssl.SSLContext]:
    """Files of a server for the settings, and the context of a client of the same authority."""
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("sender")
    files = {f"dicom_tls_{name}": folder / f"{name}.pem" for name in FILES}
    server.cert_chain_pems[0].write_to_path(files["dicom_tls_certificate"])
    server.private_key_pem.write_to_path(files["dicom_tls_key"])
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


@pytest.mark.slow
@pytest.mark.covers("C1")
def test_with_tls_alone_nothing_answers_in_the_clear(data_dir: Path, tmp_path: Path, ct_slice: Path) -> None:
    files, client = issue(tmp_path)
    settings = system_settings(data_dir, dicom_tls_port=free_port(), dicom_tls_only=True, **files)
    upgrade(settings)
    with Process(settings, "listen") as listener:
        assert listener.wait_until_ready()["port"] == settings.dicom_tls_port
        assert settings.dicom_tls_port is not None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", settings.dicom_port), timeout=5)
        there = Destination(settings.ae_title, "localhost", settings.dicom_tls_port, tls=client)
        (outcome,) = send_instances([ct_slice], there, calling_ae="SENDER")
        assert outcome.status == 0x0000
        with socket.create_connection(("127.0.0.1", settings.dicom_tls_port), timeout=20) as plain:
            plain.sendall(b"\x01\0" + bytes(4))
            with suppress(ConnectionResetError):
                # at most a TLS alert (21) comes back, no PDU
                assert plain.recv(1) in {b"", b"\x15"}
        assert listener.stop() == 0
