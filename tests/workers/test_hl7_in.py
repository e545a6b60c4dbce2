"""HL7 in, from the socket to the database: nothing acknowledged is lost, nothing has its effect twice.

Covered: orders, corrections and merges over MLLP; refusals; the database away; kill -9 around the
acknowledgement; unsafe configurations; character sets into the database.
Not covered here: framing and reading (`tests/bridge`), what an order does to a study (`tests/unit/services`).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domain.access import service_actor
from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.store.connection import make_engine
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.hl7_in import OrderDesk, mllp_config
from app.workers.supervise import plan_children
from pacs_bridge.mllp import MllpServer
from pacs_bridge.mllp_config import Hl7Peer, MllpConfig
from tests.bridge.hl7_peers import APPLICATION, FACILITY, Sender, header, order, patient
from tests.ports import free_port
from tests.postgres import TEST_KEYS
from tests.workers.processes import Process, system_settings

PEER = {"application": APPLICATION, "facility": FACILITY}


@pytest.fixture
def port(store: Store) -> Iterator[int]:
    """A server in front of an empty database."""
    yield from serve(store)


def serve(store: Store) -> Iterator[int]:
    peers = (Hl7Peer(APPLICATION, FACILITY),)
    server = MllpServer(MllpConfig(peers=peers), OrderDesk(store, service_actor("hl7")))
    server.start()
    yield server.port
    server.stop()


def rows(store: Store, statement: str) -> list[tuple[object, ...]]:
    with store.begin() as tx:
        return [tuple(row) for row in tx.session.execute(text(statement))]


def test_an_order_is_in_the_database_when_it_is_acknowledged(store: Store, port: int) -> None:
    with Sender(port) as sender:
        assert sender.ask(order("M1", priority="S"))["MSA"][1:3] == ["AA", "M1"]

    assert rows(store, "SELECT accession_number, patient_id, indication, priority, state FROM orders") == [
        ("A1", "P1", "Cough", "STAT", "REQUESTED")
    ]


def test_new_change_status_and_cancel_are_followed(store: Store, port: int) -> None:
    states = []
    with Sender(port) as sender:
        for number, (control, status) in enumerate([("NW", ""), ("XO", ""), ("SC", "IP"), ("CA", "")]):
            assert sender.ask(order(f"M{number}", control=control, status=status))["MSA"][1] == "AA"
            states += rows(store, "SELECT state FROM orders")

    assert states == [("REQUESTED",), ("REQUESTED",), ("IN_PROGRESS",), ("CANCELLED",)]


@pytest.mark.covers("T27")
@pytest.mark.parametrize(
    ("charset", "encoding", "words"),
    [
        ("8859/1", "iso8859_1", "Müller & Söhne <b>|^~\\"),
        ("8859/5", "iso8859_5", "Кашель"),
        ("ASCII~ISO IR87", "iso2022_jp", "胸痛、咳嗽"),
        ("UNICODE UTF-8", "utf-8", "قباني \u202eright to left\u202c"),
    ],
)
def test_texts_reach_the_database_as_they_were_meant(
    store: Store, port: int, charset: str, encoding: str, words: str
) -> None:
    from pacs_bridge.hl7_message import escape

    message = order("M1", indication=escape(words), charset=charset)
    with Sender(port) as sender:
        assert sender.ask(message, encoding)["MSA"][1] == "AA"

    assert rows(store, "SELECT indication FROM orders") == [(words,)]


def test_a_repeated_message_is_acknowledged_again_and_has_one_effect(store: Store, port: int) -> None:
    for _ in range(3):
        with Sender(port) as sender:
            assert sender.ask(order("M1"))["MSA"][1:3] == ["AA", "M1"]

    assert rows(store, "SELECT count(*) FROM audit_log WHERE event = 'order received'") == [(1,)]


def test_the_same_message_over_many_connections_at_once_has_one_effect(store: Store, port: int) -> None:
    answers: list[str] = []

    def send() -> None:
        with Sender(port) as sender:
            answers.append(sender.ask(order("M1"))["MSA"][1])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert answers == 6 * ["AA"]
    assert rows(store, "SELECT count(*) FROM audit_log WHERE event = 'order received'") == [(1,)]


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        (header("ORU^R01", "M1") + "\r" + patient(), "200"),
        (header("ADT^A01", "M1") + "\r" + patient(), "201"),
        (header("", "M1"), "200"),
        (header("ORM^O01", "M1") + "\r" + patient(), "101"),
        (header("ADT^A40", "M1") + "\r" + patient(), "101"),
        (header("ADT^A08", "M1"), "101"),
        (order("M1", control="ZZ"), "103"),
    ],
)
def test_what_is_not_taken_is_rejected_for_good(
    store: Store, port: int, message: str, condition: str
) -> None:
    with Sender(port) as sender:
        answer = sender.ask(message)

    assert answer["MSA"][1:3] == ["AR", "M1"]
    assert answer["ERR"][3].split("^")[0] == condition
    assert rows(store, "SELECT count(*) FROM orders") == [(0,)]


def test_a_refused_sender_stands_in_the_audit_log(store: Store, port: int) -> None:
    with Sender(port) as sender:
        assert sender.ask(order("M1").replace("|RIS|", "|EVIL|"))["MSA"][1] == "AR"

    assert rows(store, "SELECT event, outcome, source FROM audit_log") == [
        ("message refused", "failure", "127.0.0.1")
    ]


def test_corrections_and_merges_are_taken(store: Store, port: int) -> None:
    with Sender(port) as sender:
        for number, kind in enumerate(("A08", "A31")):
            message = f"{header(f'ADT^{kind}', f'C{number}')}\r{patient(name=f'Name^{kind}', issuer='H')}"
            assert sender.ask(message)["MSA"][1] == "AA"
        for number, kind in enumerate(("A18", "A40")):
            merge = f"{patient('NEW', issuer='H')}\rMRG|OLD{number}^^^H^MR"
            assert sender.ask(f"{header(f'ADT^{kind}', f'M{number}')}\r{merge}")["MSA"][1] == "AA"
    with store.begin() as tx:
        corrected, merged = tx.patients.recorded("P1", "H"), tx.patients.recorded("OLD1", "H")
    assert corrected is not None
    assert merged is not None
    assert (corrected.name, merged.patient_id) == ("Name^A31", "NEW")


def test_the_sender_is_told_to_try_again_while_the_database_is_away() -> None:
    nowhere = f"host=127.0.0.1 port={free_port()} dbname=none user=none connect_timeout=2"
    away = Store(make_engine(nowhere), TEST_KEYS, conninfo=nowhere)
    for port in serve(away):
        with Sender(port) as sender:
            answer = sender.ask(order("M1"))
            assert answer["MSA"][1:3] == ["AE", "M1"]
            assert answer["ERR"][3].startswith("207^")
            assert sender.ask(order("M2").replace("|RIS|", "|EVIL|"))["MSA"][1] == "AR"


def test_unsafe_configurations_are_refused(tmp_path: Path) -> None:
    def settings(**values: object) -> Settings:
        return Settings(data_dir=tmp_path, hl7_port=1, **values)  # type: ignore[arg-type]

    with pytest.raises(ConfigurationError, match="unencrypted"):
        mllp_config(settings(hl7_host="0.0.0.0"))
    with pytest.raises(ConfigurationError, match="HL7_PEERS"):
        mllp_config(settings(hl7_peers=[{"application": "RIS", "networks": ["nowhere"]}]))
    with pytest.raises(ConfigurationError, match="no certificate"):
        mllp_config(settings(hl7_tls={"ca_file": tmp_path / "ca.pem"}))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        mllp_config(
            settings(hl7_tls={"ca_file": tmp_path / "ca.pem", "certificate_file": tmp_path / "x.pem"})
        )
    sentence = "I accept unencrypted DICOM on my network"
    assert mllp_config(settings(hl7_host="0.0.0.0", allow_plain_off_loopback=sentence)).tls is None


def test_the_process_is_supervised_only_when_it_has_a_port(tmp_path: Path) -> None:
    names = [plan.name for plan in plan_children(Settings(data_dir=tmp_path))]
    with_hl7 = [plan.name for plan in plan_children(Settings(data_dir=tmp_path, hl7_port=2575))]

    assert "hl7" not in names
    assert set(with_hl7) == {*names, "hl7"}


@pytest.mark.slow
@pytest.mark.covers("T27")
def test_killed_around_the_acknowledgement_nothing_is_lost_or_done_twice(data_dir: Path) -> None:
    settings = system_settings(data_dir, hl7_port=free_port(), hl7_peers=[PEER])
    chance = random.Random(20261126)
    sent, acknowledged, repeated = 0, set(), 0
    upgrade(settings)
    with open_store(settings) as keeper:
        for _ in range(4):
            with Process(settings, "hl7") as process:
                process.wait_until_ready()
                killer = threading.Timer(chance.uniform(0.05, 0.6), process.kill)
                killer.start()
                while True:
                    number = f"K{sent}"
                    try:
                        with Sender(settings.hl7_port) as sender:
                            while sender.ask(numbered(number))["MSA"][1:3] == ["AA", number]:
                                acknowledged.add(number)
                                sent += 1
                                number = f"K{sent}"
                    except (OSError, AssertionError):
                        repeated += 1
                        break
                killer.join()
        with Process(settings, "hl7") as process:
            process.wait_until_ready()
            with Sender(settings.hl7_port) as sender:
                assert sender.ask(numbered(f"K{sent}"))["MSA"][1] == "AA"
        kept = {str(row[0]) for row in rows(keeper, "SELECT filler_number FROM orders")}
        received = rows(
            keeper,
            "SELECT count(*), count(DISTINCT detail->>'order') FROM audit_log WHERE event = 'order received'",
        )
    assert len(acknowledged) > 20
    assert repeated == 4
    assert acknowledged <= kept
    assert kept == acknowledged | {f"K{sent}"}
    assert received == [(len(kept), len(kept))]


def numbered(number: str) -> str:
    """An order of its own."""
    return order(number, accession=f"A-{number}").replace("|PL1|FI1|", f"|P{number}|{number}|")
