"""From the worklist to the draft: DCMTK's worklist SCP, the task that asks, and what the draft was told.

Covered: the order reaches the model and the draft's provenance; another patient's order does not; no
worklist and one that is away; request attributes of the images.
Not covered here: the C-FIND itself (`tests/bridge/test_find.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from app.domain.access import service_actor
from app.domain.draft import DraftingOrder
from app.domain.errors import PeerUnavailable
from app.domain.order import NO_CONTEXT, OTHER_PATIENT, ClinicalContext
from app.domain.priority import STAT
from app.neighbours import WorklistScp
from app.services.assembly import complete_due_studies
from app.services.drafting import take_order
from app.services.intake import index_instances
from app.services.orders import clinical_context
from app.settings import Settings
from app.store.engine import Store
from app.workers.ask_worklist import AskWorklist
from app.workers.draft import DraftStudy, ModelOnDemand
from app.workers.indication import await_worklist, context_of_images
from janus_med.checkpoint import MANIFEST, bundled_folder
from janus_med.decoding import Decoder
from tests.bridge.worklist_scp import AE_TITLE, run_worklist_scp, write_entry
from tests.conftest import need
from tests.ports import free_port
from tests.unit.services.conftest import NOW, image, uid
from tests.workers.stories import receive

ACTOR = service_actor("worklist")


@pytest.fixture(scope="module")
def scp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorklistScp]:
    folder = tmp_path_factory.mktemp("worklist")
    with run_worklist_scp(folder) as port:
        write_entry(folder, "own", accession="acc-s1", patient_id="id-of-s1")
        write_entry(folder, "other", accession="acc-s2", patient_id="SOMEBODY")
        yield WorklistScp(ae_title=AE_TITLE, host="127.0.0.1", port=port)


def ask(store: Store, tmp_path: Path, scp: WorklistScp | None, name: str = "s1") -> None:
    settings = Settings(data_dir=tmp_path, worklist_scp=scp)
    AskWorklist(store, ACTOR, settings).run(study_uid=uid(name), revision=1)


def take(store: Store, name: str = "s1") -> None:
    index_instances(store, [image(name)], now=NOW)
    complete_due_studies(
        store, open_studies=frozenset(), quiet=timedelta(0), ask_worklist=True, now=NOW + timedelta(minutes=1)
    )


def context(store: Store, name: str = "s1") -> ClinicalContext:
    with store.begin() as tx:
        return clinical_context(tx, tx.studies.get(uid(name)))


def test_the_order_of_a_study_is_found_and_raises_it(store: Store, tmp_path: Path, scp: WorklistScp) -> None:
    take(store)
    ask(store, tmp_path, scp)
    ask(store, tmp_path, scp)

    found = context(store)
    assert (found.source, found.indication) == ("worklist", "Cough, rule out pneumothorax")
    assert found.allergies == "Iodinated contrast; Pacemaker"
    with store.begin() as tx:
        assert tx.studies.get(uid("s1")).priority == STAT
        assert len(tx.orders.of_accession("acc-s1")) == 1


def test_the_order_of_another_patient_is_not_attached(store: Store, tmp_path: Path, scp: WorklistScp) -> None:
    take(store, "s2")
    ask(store, tmp_path, scp, "s2")

    assert context(store, "s2") == ClinicalContext(warning=OTHER_PATIENT)


def test_a_worklist_that_is_away_is_asked_again_and_none_is_no_fault(store: Store, tmp_path: Path) -> None:
    take(store)
    ask(store, tmp_path, None)
    with pytest.raises(PeerUnavailable):
        ask(store, tmp_path, WorklistScp(ae_title="RIS", host="127.0.0.1", port=free_port()))

    assert context(store) == NO_CONTEXT


def test_a_draft_waits_no_longer_than_it_is_told(store: Store) -> None:
    take(store)
    order = take_order(store, uid("s1"), 1)
    assert order is not None
    assert order.awaits_worklist
    looks: list[int] = []

    def look_again() -> DraftingOrder | None:
        looks.append(1)
        return order

    assert await_worklist(order, look_again, seconds=0) is order
    assert looks == []


def test_the_draft_goes_on_as_soon_as_the_worklist_has_answered(store: Store) -> None:
    take(store)
    waiting = take_order(store, uid("s1"), 1)
    assert waiting is not None
    from dataclasses import replace

    study = replace(waiting.study, completed_at=datetime.now(UTC))
    waiting = replace(waiting, study=study)
    answered = replace(waiting, context=ClinicalContext(source="worklist", indication="Cough"))
    answers = iter([waiting, answered])

    assert await_worklist(waiting, lambda: next(answers), seconds=600) is answered
    assert await_worklist(waiting, lambda: None, seconds=600) is None


def test_request_attributes_of_the_images_are_read(tmp_path: Path, chest_radiograph: Path) -> None:
    dataset = dcmread(chest_radiograph)
    item = Dataset()
    item.ReasonForTheRequestedProcedure = "Husten, Müller"
    dataset.RequestAttributesSequence = Sequence([item])
    dataset.RequestedProcedureDescription = "Thorax"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.save_as(tmp_path / "x.dcm")
    (tmp_path / "none.dcm").write_bytes(b"no DICOM")

    found = context_of_images(tmp_path / "x.dcm")

    assert (found.source, found.indication, found.procedure) == ("images", "Husten, Müller", "Thorax")
    assert context_of_images(tmp_path / "none.dcm") == NO_CONTEXT
    assert context_of_images(tmp_path / "gone.dcm") == NO_CONTEXT


@pytest.mark.slow
def test_the_indication_reaches_the_model_and_the_provenance_of_the_draft(
    store: Store, tmp_path: Path, chest_radiograph: Path
) -> None:
    need((bundled_folder() / MANIFEST).is_file(), "the bundled model (janus-med model train --preset tiny)")
    settings = Settings(data_dir=tmp_path)
    named = dcmread(chest_radiograph)
    named.AccessionNumber = "acc-s1"
    named.save_as(tmp_path / "named.dcm")
    study_uid = receive(store, settings, tmp_path / "named.dcm")
    folder = tmp_path / "worklist"
    indication = "Rule out fracture. Pneumothorax? Effusion? Cardiomegaly? Oedema?"
    with run_worklist_scp(folder) as port:
        patient_id = str(named.PatientID)
        write_entry(folder, "own", accession="acc-s1", patient_id=patient_id, indication=indication)
        scp = WorklistScp(ae_title=AE_TITLE, host="127.0.0.1", port=port)
        asking = AskWorklist(store, ACTOR, Settings(data_dir=tmp_path, worklist_scp=scp))
        asking.run(study_uid=study_uid, revision=1)
    with Decoder() as decoder:
        model = ModelOnDemand(None, "cpu")
        DraftStudy(store, ACTOR, model, decoder, settings.spool_dir / "objects").run(
            study_uid=study_uid, revision=1
        )
    with store.begin() as tx:
        [draft] = tx.reports.drafts.of_revision(study_uid, 1)
    told = draft.content.provenance["clinical_context"]
    assert told == {"source": "worklist", "indication": indication, "procedure": "Chest 2 views"}
    asked = {issue["message"] for issue in draft.content.issues if issue["kind"] == "question_not_answered"}
    said = " ".join(str(sentence["text"]).lower() for sentence in draft.content.sentences)
    assert any("Fracture" in message for message in asked) == ("fractur" not in said)
