"""The views, run without a browser: who gets in, who may go where, what each shows.

What happens inside the browser components (keys, canvas, autosave) is covered in `tests/e2e`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import app.ui
from app.domain.access import service_actor
from app.domain.intake import ReceivedInstance
from app.domain.order import OrderCommand, OrderContent, OrderUpdate
from app.domain.patient_data import PatientKey
from app.domain.study import Patient
from app.services import reading, signing
from app.services.intake import record_quarantine
from app.services.orders import Receipt, take_orders
from app.services.patients import correct_patient
from app.ui.room import furnish
from tests.ui import seed
from tests.ui.conftest import Browser, Hospital

MAIN = Path(app.ui.__file__).with_name("main.py")


class Page:
    """One person's page."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hospital: Hospital, token: str) -> None:
        furnish(hospital.room)
        monkeypatch.setattr("app.ui.session.session_token", lambda: token)
        monkeypatch.setattr("app.ui.session.browser_address", lambda: "127.0.0.1")
        self._app = AppTest.from_file(str(MAIN), default_timeout=60)

    def open(self, **address: str) -> Page:
        for name, value in address.items():
            self._app.query_params[name] = value
        self._app.run()
        assert not self._app.exception
        return self

    def press(self, label: str) -> Page:
        next(button for button in self._app.button if button.label == label).click().run()
        return self

    def type_into(self, key: str, text: str) -> Page:
        self._app.text_input(key=key).input(text).run()
        return self

    def component(self, name: str) -> dict[str, Any] | None:
        """What a component was given; None when it is not on the page."""
        for element in self._app.get("bidi_component"):
            if element.proto.component_name == f"janus_med_{name}":
                return json.loads(element.proto.json)
        return None

    @property
    def notes(self) -> list[str]:
        """Information and warnings on the page."""
        return [str(note.value) for note in (*self._app.warning, *self._app.info)]

    @property
    def places(self) -> list[str]:
        head = self.component("header")
        return [] if head is None else [place["title"] for place in head["places"]]

    @property
    def texts(self) -> str:
        kinds = (self._app.error, self._app.warning, self._app.success, self._app.info, self._app.markdown)
        return "\n".join(element.value for kind in kinds for element in kind)


@pytest.fixture
def page_of(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Page]:
    """Makes the page of a person who has logged in."""

    def make(username: str) -> Page:
        return Page(monkeypatch, hospital, hospital.log_in(username)[0])

    return make


@pytest.mark.parametrize("token", ["", "no-such-session"])
def test_nothing_is_shown_without_a_session(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    hospital.chest()
    page = Page(monkeypatch, hospital, token).open(view="worklist")
    assert "session has ended" in page.texts
    assert page.component("worklist") is None
    assert page.component("header") is None


@pytest.mark.covers("T36")
def test_page_that_was_open_is_dead_after_the_session_has_ended(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.services import accounts

    token, _ = hospital.log_in("ada")
    page = Page(monkeypatch, hospital, token).open()
    assert page.component("worklist") is not None
    accounts.log_out(hospital.store, token, now=datetime.now(UTC))
    page.open()
    assert page.component("worklist") is None
    assert "session has ended" in page.texts


@pytest.mark.parametrize(
    ("username", "places"),
    [
        ("vera", ["Worklist", "AI models", "Account"]),
        ("rana", ["Worklist", "Critical results", "AI models", "Account"]),
        ("ada", ["Worklist", "Critical results", "Quality", "Second reviews", "AI models", "Account"]),
        (
            "adam",
            [
                "Worklist",
                "Quality",
                "AI models",
                "Operations",
                "Rules",
                "Templates",
                "Own words",
                "Study access",
                "Users",
                "Account",
            ],
        ),
        ("aud", ["Audit", "AI models", "Account"]),
    ],
)
def test_each_role_is_offered_its_places(
    page_of: Callable[[str], Page], username: str, places: list[str]
) -> None:
    assert page_of(username).open().places == places


@pytest.mark.parametrize(("username", "view"), [("ada", "audit"), ("rana", "users"), ("aud", "worklist")])
def test_place_of_another_role_leads_home(page_of: Callable[[str], Page], username: str, view: str) -> None:
    page = page_of(username).open(view=view)
    here = page.component("header")
    assert here is not None
    assert here["here"] != view


@pytest.mark.covers("P5")
def test_worklist_says_why_there_is_no_draft_and_what_is_urgent(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    hospital.leg()
    hospital.chest(requested_priority="STAT")
    shown = page_of("ada").open().component("worklist")
    assert shown is not None
    first, second = shown["rows"]
    assert (first["priorityReason"], first["studyState"]) == ("ordered STAT", "DRAFTED")
    assert (second["studyState"], second["reason"]) == ("UNDRAFTED", "not a frontal chest radiograph")


def test_worklist_is_filtered_on_the_server(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    hospital.leg()
    hospital.chest(patient_name="Martin^Jeanne")
    page = page_of("ada").open().type_into("worklist_text", "martin")
    shown = page.component("worklist")
    assert shown is not None
    assert ([row["name"] for row in shown["rows"]], shown["total"]) == (["Martin, Jeanne"], 1)


@pytest.mark.covers("A1")
def test_looking_at_the_same_list_again_is_recorded_once(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    page_of("ada").open().open().open()
    assert [event for event, _, user in hospital.events() if user == "ada"].count("list studies") == 1


@pytest.mark.covers("U3")
def test_opening_takes_the_lock_and_the_second_reader_sees_the_owner(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.chest().study_uid
    first = page_of("ada").open(view="review", study=study).component("editor")
    second = page_of("otto").open(view="review", study=study).component("editor")
    assert first is not None
    assert second is not None
    assert (first["mayEdit"], first["signAs"]) == (True, "final")
    assert (second["mayEdit"], second["signAs"], second["lock"]["owner"]) == (False, "", "Dr. Ada Attending")


def send_order(hospital: Hospital, study: ReceivedInstance, **changes: str) -> None:
    """Let the RIS place an order for the study's accession number."""
    patient = Patient(changes.pop("patient_id", study.patient_id), "", "Some^Body", "", "")
    content = OrderContent("PL1", "FI1", study.accession_number, patient, **changes)
    take_orders(
        hospital.store,
        service_actor("hl7"),
        [OrderUpdate(OrderCommand.PLACE, content)],
        source="HL7 RIS",
        now=datetime.now(UTC),
    )


def test_review_shows_the_order_beside_the_draft(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study = hospital.chest(accession_number="A1")
    page = page_of("ada").open(view="review", study=study.study_uid)
    assert page.notes == []
    send_order(
        hospital, study, indication="Cough *since* Monday", procedure="Chest 2 views", allergies="Latex"
    )
    [order] = page.open(view="review", study=study.study_uid).notes
    assert order.startswith("**Indication** Cough \\*since\\* Monday")
    assert "**Requested procedure** Chest 2 views" in order
    assert "**Allergies** Latex" in order


def test_review_warns_of_an_order_that_names_another_patient(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.chest(accession_number="A1")
    send_order(hospital, study, patient_id="SOMEBODY ELSE", indication="Secret of somebody else")
    page = page_of("ada").open(view="review", study=study.study_uid)
    [warning] = page.notes
    assert "names another patient" in warning
    assert "Secret" not in warning


def test_corrected_name_stands_in_the_worklist(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study = hospital.chest()
    corrected = Patient(study.patient_id, study.issuer, "Married^Name", "", "")
    receipt = Receipt("RIS", "1", "ab" * 32)
    correct_patient(
        hospital.store,
        service_actor("hl7"),
        corrected,
        source="HL7 RIS",
        receipt=receipt,
        now=datetime.now(UTC),
    )
    shown = page_of("ada").open().component("worklist")
    assert shown is not None
    assert [row["name"] for row in shown["rows"]] == ["Married, Name"]


def test_going_back_to_the_worklist_puts_the_pen_down(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.chest().study_uid
    page_of("ada").open(view="review", study=study).open(view="worklist")
    shown = page_of("otto").open(view="review", study=study).component("editor")
    assert shown is not None
    assert shown["mayEdit"] is True


@pytest.mark.covers("S2")
def test_resident_signs_preliminary_and_viewer_not_at_all(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.chest().study_uid
    viewer = page_of("vera").open(view="review", study=study).component("editor")
    resident = page_of("rana").open(view="review", study=study).component("editor")
    assert viewer is not None
    assert resident is not None
    assert (viewer["signAs"], viewer["mayEdit"]) == ("", False)
    assert resident["signAs"] == "preliminary"


@pytest.mark.covers("O2", "T38")
def test_viewer_gets_model_version_and_attention_in_source_pixels(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    received = hospital.chest()
    shown = page_of("ada").open(view="review", study=received.study_uid).component("viewer")
    assert shown is not None
    assert shown["model"] == "janus-tiny (3f3f3f3f3f3f)"
    lesion = next(finding for finding in shown["findings"] if finding["name"] == "Lung Lesion")
    assert lesion["attention"]["sop"] == received.sop_uid
    assert lesion["attention"]["extent"] == [-57.0, 0.0, 1898.0, 1955.0]


@pytest.mark.covers("S4")
def test_signed_report_is_read_only_with_the_facts_of_its_signature(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = sign_as(hospital, "ada")
    shown = page_of("otto").open(view="review", study=study).component("editor")
    assert shown is not None
    assert (shown["state"], shown["mayEdit"], shown["isEditable"], shown["signAs"]) == (
        "SIGNED", False, False, ""
    )  # fmt: skip
    signature = shown["signatures"][0]
    assert (signature["printedName"], signature["problem"]) == ("Dr. Ada Attending", "")
    assert [(d["destination"], d["state"]) for d in shown["deliveries"]] == [("PACS", "PENDING")]


def sign_as(hospital: Hospital, username: str) -> str:
    """Accept and sign the chest as this person; return the study."""
    study = hospital.chest().study_uid
    _, actor = hospital.log_in(username)
    now = datetime.now(UTC)
    report = reading.open_study(hospital.store, actor, study, now=now).report
    assert report is not None
    for sentence in report.sentences:
        report = reading.accept_sentence(hospital.store, actor, report.report_id, sentence.key, now=now)
    signing.sign(
        hospital.store,
        actor,
        report.report_id,
        version=report.version,
        password=seed.PASSWORD,
        destinations=(("PACS", "report_sr"),),
        now=now,
    )
    return study


@pytest.mark.covers("O6")
def test_attending_is_asked_for_reason_and_password_before_a_withdrawal(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    """The act itself is tested below the view (`tests/unit/services/test_outbox.py`)."""
    study = sign_as(hospital, "ada")
    page = page_of("ada").open(view="review", study=study)
    page.press("Withdraw this report ...")
    assert "cannot be undone" in page.texts
    assert "Will be told: PACS" in [text.value for text in page._app.text]
    assert [field.label.split(",")[0] for field in page._app.text_input][-2:] == ["Reason", "Your password"]
    assert len(page._app.checkbox) == 1


@pytest.mark.covers("S2")
def test_resident_is_not_offered_the_withdrawal(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study = sign_as(hospital, "ada")
    page = page_of("rana").open(view="review", study=study)
    assert "Withdraw this report ..." not in [button.label for button in page._app.button]


def test_study_without_report_yet_shows_its_images_and_says_what_it_waits_for(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    received = hospital.receive("ct")
    page = page_of("ada").open(view="review", study=received.study_uid)
    shown = page.component("viewer")
    assert shown is not None
    assert [image["sop"] for image in shown["images"]] == [received.sop_uid]
    assert page.component("editor") is None
    assert "waits for its draft" in page.texts


@pytest.mark.covers("T27")
def test_names_that_are_markup_are_never_live(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    name = "<script>alert(1)</script>"
    study = hospital.chest(patient_name=name, description="![x](http://evil.example/x.png)").study_uid
    page = page_of("ada").open(view="review", study=study)
    head = page.component("header")
    assert head is not None
    assert head["patient"]["name"] == name  # as JSON, shown by textContent
    assert name not in page.texts
    assert "evil.example" not in page.texts


@pytest.mark.parametrize("study", ["", "../../x", "1.2.3.4.5"])
def test_study_that_is_none_is_refused_in_words(page_of: Callable[[str], Page], study: str) -> None:
    page = page_of("ada").open(view="review", study=study)
    assert page.texts
    assert page.component("editor") is None


@pytest.mark.covers("A1", "A3")
def test_auditor_reads_the_timeline_of_a_study_by_its_accession_number(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.chest(accession_number="A-4711").study_uid
    page_of("ada").open(view="review", study=study)
    hospital.leg()
    page = page_of("aud").open(view="audit").type_into("audit_study", "A-4711")
    page._app.session_state["audit_form"] = "Timeline"
    page._app.run()
    told = page.texts.replace("\\", "")
    order = ("study received", "study completed", "study drafted", "study opened", "audit viewed")
    places = [told.index(f"**{event}**") for event in order]
    assert places == sorted(places)
    captions = "\n".join(caption.value for caption in page._app.caption).replace("\\", "")
    assert f"study {study}" in captions
    assert hospital.received["leg"].study_uid not in captions
    assert "Dr. Ada" not in told, "the log names accounts, not people"


@pytest.mark.covers("A2")
def test_page_says_how_well_the_log_is_proved(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    hospital.chest()
    page = page_of("aud").open(view="audit")
    assert [(metric.label, metric.value) for metric in page._app.metric] == [
        ("Verified", "never"),
        ("Sealed by a checkpoint", "never"),
        ("Time-stamped", "never"),
        ("Taken away", "never"),
    ]
    page.press("Verify the log").open(view="audit")
    assert page._app.metric[0].value.endswith("ago")
    assert "since; by aud" in page._app.caption[0].value.replace("\\", "")


@pytest.mark.covers("A2")
def test_auditor_verifies_the_log_and_a_changed_entry_is_named(
    hospital: Hospital, page_of: Callable[[str], Page], database: Any
) -> None:
    import psycopg

    hospital.chest()
    page = page_of("aud").open().press("Verify the log")
    assert "entries verified" in page.texts
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE audit_log SET username = 'nobody' WHERE seq = 2")
    page.press("Verify the log")
    assert "entry 2" in page.texts.replace("\\", "")


def test_admin_sees_queues_and_adds_an_account(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    hospital.chest()
    page = page_of("adam").open(view="operations")
    assert {"To draft", "Waiting for intake", "Disk free"} <= {metric.label for metric in page._app.metric}
    users = page_of("adam").open(view="users")
    fields = {field.label: field for field in users._app.text_input}
    fields["User name"].input("nina")
    fields["Printed name"].input("Dr. Nina New")
    fields["Password"].input("a long enough secret")
    users.press("Add")
    with hospital.store.begin() as tx:
        added = tx.users.by_username("nina")
    assert added is not None
    assert added.printed_name == "Dr. Nina New"


@pytest.mark.covers("R1", "R2")
def test_admin_decides_about_quarantine_and_sees_what_does_not_run(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    record_quarantine(
        hospital.store,
        sop_uid="1.2.3",
        study_uid="1.2",
        sha256="ab" * 32,
        reason="unreadable",
        calling_ae="CT1",
        now=datetime.now(UTC),
    )
    hospital.leg()
    hospital.listener_lives()
    page = page_of("adam").open(view="operations")
    assert [tab.label for tab in page._app.tabs][3:5] == ["Quarantine (1)", "No AI draft (1)"]
    assert "Not running: drafting, delivery, housekeeping, ui." in page.texts
    shown = "\n".join(str(table.value.to_dict()) for table in page._app.dataframe)
    assert "unreadable" in shown
    assert "not a frontal chest radiograph" in shown


@pytest.mark.covers("R2")
def test_admin_sees_what_is_kept_and_who_is_held(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    hospital.leg()
    with hospital.store.begin() as tx:
        key = PatientKey("HELD-1", "")
        tx.patient_data.hold(key, reason="court case", username="adam", now=datetime.now(UTC))
    page = page_of("adam").open(view="operations")
    shown = "\n".join(str(table.value.to_dict()) for table in page._app.dataframe)
    assert "kept for ever" in shown
    assert "HELD-1" in shown
    assert "court case" in shown


@pytest.mark.covers("R2", "A1")
def test_quarantined_bytes_are_for_an_admin_alone_and_on_record(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    sha256, folder = "ab" * 32, hospital.room.settings.spool_dir / "quarantine" / "ab"
    folder.mkdir(parents=True)
    (folder / f"{sha256}.dcm").write_bytes(b"bytes")
    record_quarantine(
        hospital.store,
        sop_uid="1.2.3",
        study_uid="1.2",
        sha256=sha256,
        reason="unreadable",
        calling_ae="CT1",
        now=datetime.now(UTC),
    )
    assert browser_of("ada").get("/api/quarantine/1").status_code == 403
    assert Browser(hospital).get("/api/quarantine/1").status_code == 401
    answer = browser_of("adam").get("/api/quarantine/1")
    assert (answer.status_code, answer.content) == (200, b"bytes")
    assert "1.2.3" not in answer.headers["content-disposition"]
    assert ("quarantine inspected", "success", "adam") in hospital.events()
