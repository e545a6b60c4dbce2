"""The C-FIND requestor: answers, their bound, their character sets, and which failure is worth another try.

Covered: DCMTK's worklist SCP with Latin, Cyrillic and Japanese entries; a scripted pynetdicom SCP for every
status, for more answers than wanted, and for silence.
Not covered: Study Root against an archive (the priors' tests do that).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from pacs_bridge import AssociationRejected, Destination, Rejected, Retriable, Timeouts
from pacs_bridge.find import InformationModel, find
from pacs_bridge.worklist import ask_worklist
from tests.bridge.worklist_scp import AE_TITLE, run_worklist_scp, write_entry

QUICK = Timeouts(connection=3, acse=3, dimse=1.5, network=10)


@pytest.fixture(scope="module")
def worklist(tmp_path_factory):
    """Entries in several character sets behind DCMTK's worklist SCP; gives it as a destination."""
    folder = tmp_path_factory.mktemp("worklist")
    with run_worklist_scp(folder) as port:
        write_entry(folder, "latin", accession="A1")
        write_entry(
            folder, "cyrillic", accession="A2", name="Люкceмбypг", charset="ISO_IR 144", encoding="iso8859_5"
        )
        write_entry(
            folder, "umlaut", accession="A3", name="Müller^Jörg", charset="ISO_IR 100", encoding="latin_1"
        )
        write_entry(folder, "japanese", accession="A4", name="Yamada^Tarou=山田^太郎", indication="胸痛")
        write_entry(folder, "second", accession="A5", procedure="Chest 2 views")
        write_entry(folder, "third", accession="A5", procedure="Ribs left")
        yield Destination(AE_TITLE, "127.0.0.1", port)


@pytest.fixture
def scripted():
    """A pynetdicom SCP that answers C-FIND as told; gives its address and the cancels that it saw."""
    servers = []

    def start(answer, *, heeds_cancel=True, aborted=None):
        cancelled = threading.Event()

        def on_find(event):
            for status, identifier in answer:
                if heeds_cancel and event.is_cancelled:
                    cancelled.set()
                    yield 0xFE00, None
                    return
                yield status, identifier

        ae = AE("ARCHIVE")
        for model in InformationModel:
            ae.add_supported_context(str(model))
        handlers = [(evt.EVT_C_FIND, on_find)]
        if aborted is not None:
            handlers.append((evt.EVT_ABORTED, lambda event: aborted.set()))
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        servers.append(server)
        return Destination("ARCHIVE", "127.0.0.1", server.server_address[1]), cancelled

    yield start
    for server in servers:
        server.shutdown()


def study(number: int) -> Dataset:
    answer = Dataset()
    answer.QueryRetrieveLevel = "STUDY"
    answer.StudyID = str(number)
    return answer


def ask(destination, timeouts=QUICK, **options):
    model = InformationModel.STUDY_ROOT
    return find(destination, model, study(0), calling_ae="JANUSMED", timeouts=timeouts, **options)


def test_the_order_behind_an_accession_number_is_found(worklist):
    (entry,) = ask_worklist(worklist, "A1", calling_ae="JANUSMED", timeouts=QUICK)

    assert entry.procedure == "Chest 2 views"
    assert entry.procedure_code == "RPID2503"
    assert entry.indication == "Cough, rule out pneumothorax"
    assert entry.priority == "STAT"
    assert entry.requesting_physician == "Order^Olga"
    assert entry.scheduled_step == "Chest upright"
    assert entry.pregnancy == "not pregnant"
    assert entry.allergies == "Iodinated contrast; Pacemaker"
    assert (entry.patient_id, entry.patient_name, entry.birth_date, entry.sex) == (
        "P1",
        "Example^Person",
        "19700101",
        "F",
    )
    assert (entry.placer_number, entry.filler_number, entry.requested_procedure_id) == ("PL1", "FI1", "RP1")


@pytest.mark.parametrize(
    ("accession", "name", "indication"),
    [
        ("A2", "Люкceмбypг", "Cough, rule out pneumothorax"),
        ("A3", "Müller^Jörg", "Cough, rule out pneumothorax"),
        ("A4", "Yamada^Tarou", "胸痛"),
    ],
)
def test_answers_are_read_in_their_own_character_set(worklist, accession, name, indication):
    (entry,) = ask_worklist(worklist, accession, calling_ae="JANUSMED", timeouts=QUICK)

    assert (entry.patient_name, entry.indication) == (name, indication)


def test_every_requested_procedure_of_an_accession_number_is_found(worklist):
    entries = ask_worklist(worklist, "A5", calling_ae="JANUSMED", timeouts=QUICK)

    assert sorted(entry.procedure for entry in entries) == ["Chest 2 views", "Ribs left"]


@pytest.mark.parametrize("accession", ["UNKNOWN", "A*", "?1", "A1\\A2"])
def test_nothing_is_found_for_a_number_that_no_order_has(worklist, accession):
    assert ask_worklist(worklist, accession, calling_ae="JANUSMED", timeouts=QUICK) == []


def test_answers_come_in_order_until_success(scripted):
    destination, _ = scripted([(0xFF00, study(1)), (0xFF01, study(2))])

    assert [answer.StudyID for answer in ask(destination)] == ["1", "2"]


def answers_until(ended: Callable[[], bool]) -> Iterator[tuple[int, Dataset]]:
    """Give answers at a pace that leaves the peer time to read: pynetdicom sends all it has first."""
    number = 0
    while not ended():
        yield 0xFF00, study(number)
        number += 1
        time.sleep(0.005)


def test_more_answers_than_wanted_are_cancelled(scripted):
    destination, cancelled = scripted(answers_until(lambda: False))

    found = ask(destination, limit=5, timeouts=Timeouts(connection=3, acse=3, dimse=30, network=60))

    assert [answer.StudyID for answer in found] == ["0", "1", "2", "3", "4"]
    assert cancelled.wait(10)


def test_a_peer_that_answers_on_after_the_cancel_is_aborted(scripted):
    aborted = threading.Event()
    destination = scripted(answers_until(aborted.is_set), heeds_cancel=False, aborted=aborted)[0]

    found = ask(destination, limit=5)

    assert len(found) == 5
    assert aborted.wait(10)


def test_exactly_as_many_answers_as_wanted_cancel_nothing(scripted):
    destination, cancelled = scripted([(0xFF00, study(n)) for n in range(5)])

    assert len(ask(destination, limit=5)) == 5
    assert not cancelled.is_set()


@pytest.mark.parametrize("status", [0xA700, 0x0110])
def test_a_peer_that_cannot_search_now_is_asked_again_later(scripted, status):
    destination, _ = scripted([(status, None)])

    with pytest.raises(Retriable, match="cannot search now"):
        ask(destination)


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0xC123, 0x0122, 0xFE00])
def test_a_peer_that_refuses_the_question_is_not_asked_again(scripted, status):
    destination, _ = scripted([(status, None)])

    with pytest.raises(Rejected, match="refuses the C-FIND"):
        ask(destination)


def test_a_failure_after_some_answers_is_a_failure(scripted):
    destination, _ = scripted([(0xFF00, study(1)), (0xA700, None)])

    with pytest.raises(Retriable):
        ask(destination)


def test_silence_is_worth_another_try(scripted):
    stop = threading.Event()

    def silent():
        stop.wait(20)
        yield 0xFF00, study(1)

    destination, _ = scripted(silent())
    with pytest.raises(Retriable, match="did not answer"):
        ask(destination)
    stop.set()


def test_a_peer_without_the_model_or_without_us_is_rejected(scripted):
    ae = AE("ARCHIVE")
    ae.add_supported_context("1.2.840.10008.1.1")
    server = ae.start_server(("127.0.0.1", 0), block=False)
    destination = Destination("ARCHIVE", "127.0.0.1", server.server_address[1])
    try:
        with pytest.raises(Rejected, match="none of the object types"):
            ask(destination)
    finally:
        server.shutdown()
    strict = AE("ARCHIVE")
    strict.require_calling_aet = ["SOMEBODY"]
    strict.add_supported_context(str(InformationModel.STUDY_ROOT))
    server = strict.start_server(("127.0.0.1", 0), block=False)
    try:
        with pytest.raises(AssociationRejected, match="calling AE title"):
            ask(Destination("ARCHIVE", "127.0.0.1", server.server_address[1]))
    finally:
        server.shutdown()


def test_nobody_at_home_is_worth_another_try(tmp_path: Path):
    with pytest.raises(Retriable, match="cannot be reached"):
        ask(Destination("ARCHIVE", "127.0.0.1", 9))
