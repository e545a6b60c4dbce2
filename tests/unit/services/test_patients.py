"""Corrections and merges: studies follow, images and signatures do not change, nothing is forgotten.

Covered: A08/A31 and A40/A18 before and after the study, aliases in the worklist, chains, late images, orders
that waited for a merge, the signed report, what the audit log says.
"""

from __future__ import annotations

import json
from dataclasses import replace

from sqlalchemy import text

from app.domain.access import service_actor
from app.domain.patient import PatientMerge
from app.domain.study import Patient, Study, StudyState
from app.domain.worklist import WorklistQuery
from app.services.delivery import load_order
from app.services.orders import Receipt
from app.services.patients import correct_patient, current_patient, merge_patients
from app.services.reading import worklist
from tests.unit.services.conftest import NOW, House, image, uid
from tests.unit.services.test_orders import context, send

RIS = service_actor("hl7")
SEEN = Patient("id-of-s1", "HOSPITAL", "Name^S1", "19500101", "F")
CORRECTED = replace(SEEN, name="Married^Name", birth_date="19500102")
SURVIVING = Patient("NEW", "HOSPITAL", "Real^Name", "19600101", "M")


def study_of(house: House, name: str = "s1") -> Study:
    with house.store.begin() as tx:
        return tx.studies.get(uid(name))


def correct(house: House, patient: Patient = CORRECTED, number: str = "C1") -> bool:
    receipt = Receipt("RIS|H", number, "ab" * 32)
    return correct_patient(house.store, RIS, patient, source="HL7 RIS|H", receipt=receipt, now=NOW)


def merge(house: House, former: str = "id-of-s1", surviving: Patient = SURVIVING, number: str = "M1") -> bool:
    receipt = Receipt("RIS|H", number, "ab" * 32)
    merges = [PatientMerge(surviving, former, "HOSPITAL")]
    return merge_patients(house.store, RIS, merges, source="HL7 RIS|H", receipt=receipt, now=NOW)


def found(house: House, words: str) -> list[str]:
    page = worklist(house.store, house["attending"], WorklistQuery(text=words), now=NOW)
    return [row.study.current_patient.name for row in page.rows]


def facts(house: House, event: str) -> list[dict[str, object]]:
    with house.store.begin() as tx:
        rows = tx.session.execute(
            text("SELECT patient_ref, study_uid, detail FROM audit_log WHERE event = :e ORDER BY seq"),
            {"e": event},
        )
        return [dict(row._mapping) for row in rows]


def test_a_correction_shows_in_the_worklist_and_the_images_keep_their_patient(house: House) -> None:
    house.receive(image())

    assert correct(house)

    study = study_of(house)
    assert study.patient == SEEN
    assert current_patient(study) == CORRECTED
    assert found(house, "married") == ["Married^Name"]
    assert found(house, "Name^S1") == ["Married^Name"]


def test_a_correction_that_came_before_the_study_counts_from_its_completion(house: House) -> None:
    correct(house)
    house.receive(image())
    house.complete()

    assert current_patient(study_of(house)) == CORRECTED


def test_what_a_correction_leaves_empty_stays(house: House) -> None:
    house.receive(image())
    correct(house, Patient("id-of-s1", "HOSPITAL", "Married^Name", "", ""))

    assert current_patient(study_of(house)) == replace(SEEN, name="Married^Name")


def test_a_correction_back_to_what_the_images_say_leaves_nothing_corrected(house: House) -> None:
    house.receive(image())
    correct(house)
    correct(house, SEEN, "C2")

    assert study_of(house).corrected is None


def test_a_correction_of_somebody_else_changes_nothing(house: House) -> None:
    house.receive(image())
    correct(house, replace(CORRECTED, issuer="ELSEWHERE"))

    assert study_of(house).corrected is None


def test_without_an_authority_a_wholly_different_person_is_held_back(house: House) -> None:
    house.receive(image(issuer=""))
    correct(house)

    assert study_of(house).corrected is None
    assert [fact["detail"] for fact in facts(house, "patient corrected")] == [{"studies": 0, "held_back": 1}]
    correct(house, replace(CORRECTED, birth_date="19500101"), "C2")
    assert current_patient(study_of(house)).name == "Married^Name"


def test_late_images_still_belong_to_a_corrected_study(house: House) -> None:
    house.receive(image())
    house.complete()
    merge(house)
    report = house.receive(image(number=2))

    assert report.refusals == ()
    assert study_of(house).state is StudyState.RECEIVING
    assert current_patient(study_of(house)) == SURVIVING


def test_a_merge_takes_the_studies_along_and_the_former_identifier_still_finds_them(house: House) -> None:
    house.receive(image("s1"), image("s2"))
    merge(house)

    assert current_patient(study_of(house)) == SURVIVING
    assert study_of(house).patient == SEEN
    assert study_of(house, "s2").corrected is None
    assert found(house, "id-of-s1") == found(house, "NEW") == ["Real^Name"]


def test_studies_that_come_under_a_former_identifier_follow_through_a_chain(house: House) -> None:
    merge(house, "id-of-s1", replace(SURVIVING, patient_id="MIDDLE"))
    merge(house, "MIDDLE", SURVIVING, "M2")
    house.receive(image())
    house.complete()

    assert current_patient(study_of(house)).patient_id == "NEW"


def test_a_correction_of_a_former_identifier_does_not_undo_its_merge(house: House) -> None:
    house.receive(image())
    merge(house)
    correct(house)

    assert current_patient(study_of(house)) == SURVIVING


def test_a_merge_there_and_back_ends(house: House) -> None:
    house.receive(image())
    merge(house)
    merge(house, "NEW", SEEN, "M2")

    assert current_patient(study_of(house)) == SEEN
    house.receive(image("s2", patient_id="NEW"))
    house.complete()
    assert current_patient(study_of(house, "s2")).patient_id == "id-of-s1"


def test_the_same_merge_again_has_no_effect(house: House) -> None:
    house.receive(image())
    assert merge(house)
    before = len(facts(house, "patient merged"))
    assert not merge(house)

    assert len(facts(house, "patient merged")) == before


def test_an_order_that_named_the_surviving_patient_is_found_after_the_merge(house: House) -> None:
    house.receive(image())
    send(house, patient=SURVIVING, priority="STAT")
    assert not context(house).is_known
    merge(house)

    assert context(house).indication == "Cough, rule out pneumothorax"
    assert study_of(house).priority_reason == "ordered STAT"


def test_the_audit_log_names_references_only(house: House) -> None:
    house.receive(image())
    merge(house)
    correct(house, replace(SURVIVING, name="Other^Name"))

    entries = [*facts(house, "patient merged"), *facts(house, "patient corrected")]
    said = json.dumps([{**entry, "study_uid": ""} for entry in entries])
    for word in ("id-of-s1", "NEW", "Real", "Other", "Name", "HOSPITAL", "1960"):
        assert word not in said
    with house.store.begin() as tx:
        former = tx.audit.patient_ref("id-of-s1", "HOSPITAL")
        surviving = tx.audit.patient_ref("NEW", "HOSPITAL")
    merged = facts(house, "patient merged")
    assert [(fact["patient_ref"], fact["study_uid"]) for fact in merged] == [
        (former, uid("s1")),
        (surviving, ""),
    ]
    assert merged[1]["detail"] == {"studies": 1, "former": former}


def test_a_signed_report_is_untouched_and_leaves_with_the_patient_of_the_images(house: House) -> None:
    signed = house.signed()
    with house.store.begin() as tx:
        before = tx.reports.attestations.of_report(signed.report_id)
        [delivery] = tx.deliveries.of_report(signed.report_id)
    merge(house)

    with house.store.begin() as tx:
        assert tx.reports.attestations.of_report(signed.report_id) == before
        assert tx.reports.get(signed.report_id).sentences == signed.sentences
    order = load_order(house.store, service_actor("delivery"), delivery.delivery_id, now=NOW)
    assert order is not None
    assert order.patient == SEEN
    assert current_patient(order.study) == SURVIVING
