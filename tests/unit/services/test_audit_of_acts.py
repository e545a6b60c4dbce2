"""Every act writes its event in its own transaction: without the entry there is no act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import text

from app.domain.access import Role, service_actor
from app.domain.ai_model import ModelIdentity
from app.domain.audit import verify_chain
from app.domain.critical import Category, Communication, Means
from app.domain.department_words import DepartmentWords, Wording
from app.domain.draft import undrafted
from app.domain.errors import NotAuthorised
from app.domain.one_time import make_secret
from app.domain.patient_data import PatientKey
from app.domain.report import Section
from app.domain.sign_on import Identity
from app.domain.template import TemplateContent
from app.services import (
    ai_models,
    backup,
    critical,
    delivery,
    documents,
    drafting,
    emergency,
    erasure,
    intake,
    reading,
    second_factor,
    sign_on,
    signatures,
    signing,
    study_groups,
    templates,
    words,
)
from app.services.amending import add_addendum, correct_report
from app.services.beginning import use_template
from app.services.patient_export import begin_export
from app.services.reading import WorklistQuery
from app.services.withdrawal import withdraw
from app.store.audit_log import AuditLog
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, image, uid

AT = NOW + QUIET
LATE = AT + timedelta(hours=1)
DELIVERER = service_actor("deliver")
TEMPLATE = TemplateContent("Any", "en", "", "", {Section.TECHNIQUE: ("Radiograph.",)})


@dataclass(frozen=True)
class Act:
    """A step in the life of a study, who does it, and the events that it leaves."""

    name: str
    username: str
    events: tuple[str, ...]
    do: Callable[[House], object]


def _model(house: House) -> int:
    with house.store.begin() as tx:
        return tx.ai_models.every()[0].number


OTHER_MODEL = ModelIdentity("other", "0f" * 32, "1e" * 32)
SECRET, SUBJECT = make_secret(), "4711"
PATIENT = PatientKey("id-of-s9", "HOSPITAL")
IDENTITY = Identity(
    "https://sso.example", SUBJECT, "grace", "Dr Grace", Role.RESIDENT, "nonce 1", authenticated_at=NOW
)


STORY = (
    Act(
        "set a second factor",
        "colleague",
        ("second factor set",),
        lambda h: second_factor.enrol(
            h.store, h["colleague"], SECRET, password=PASSWORD, code=pyotp.TOTP(SECRET).at(AT), now=AT
        ),
    ),
    Act(
        "reset it",
        "admin",
        ("second factor removed",),
        lambda h: second_factor.reset(h.store, h["admin"], "colleague", now=AT),
    ),
    Act(
        "come from a provider",
        "grace",
        ("user added", "login"),
        lambda h: sign_on.admit(h.store, IDENTITY, source="10.0.0.9", longest=timedelta(hours=8), now=AT),
    ),
    Act(
        "confirm there",
        "grace",
        ("identity confirmed",),
        lambda h: sign_on.confirm(
            h.store,
            replace(IDENTITY, token="nonce 2"),
            _session(h),
            began_at=NOW,
            source="10.0.0.9",
            now=AT,
        ),
    ),
    Act(
        "come back with another name",
        "grace",
        ("user changed", "login"),
        lambda h: sign_on.admit(
            h.store,
            replace(IDENTITY, token="nonce 3", printed_name="Dr Grace H"),
            source="10.0.0.9",
            longest=timedelta(hours=8),
            now=AT,
        ),
    ),
    Act(
        "log out at the provider",
        "grace",
        ("logout",),
        lambda h: sign_on.end_by_provider(
            h.store, {"iss": IDENTITY.issuer, "sub": SUBJECT, "jti": "1"}, source="10.0.0.9", now=AT
        ),
    ),
    Act(
        "load a model",
        "janus-med/drafting",
        ("AI model loaded",),
        lambda h: ai_models.note_loaded(
            h.store, service_actor("drafting"), OTHER_MODEL, preset="tiny", card="# Card", now=AT
        ),
    ),
    Act(
        "stop it",
        "attending",
        ("AI model stopped",),
        lambda h: ai_models.stop_model(h.store, h["attending"], _model(h), "invents nodules", now=AT),
    ),
    Act(
        "let it draft again",
        "admin",
        ("AI model resumed",),
        lambda h: ai_models.resume_model(h.store, h["admin"], _model(h), now=AT),
    ),
    Act("receive", "janus-med/listener", ("study received",), lambda h: h.receive(image())),
    Act(
        "receive a conflict",
        "janus-med/listener",
        ("instance quarantined",),
        lambda h: h.receive(image(sha256="f" * 64)),
    ),
    Act(
        "refuse an instance",
        "janus-med/listener",
        ("instance quarantined",),
        lambda h: intake.record_quarantine(
            h.store, sop_uid="x", study_uid="y", sha256="e" * 64, reason="no", calling_ae="AE", now=AT
        ),
    ),
    Act(
        "refuse an association",
        "janus-med/listener",
        ("association rejected",),
        lambda h: intake.record_rejected_association(
            h.store, calling_ae="X", called_ae="Y", source="1.2.3.4", reason="unknown", now=AT
        ),
    ),
    Act("complete", "janus-med/listener", ("study completed",), lambda h: h.complete()),
    Act(
        "give up on the draft",
        "janus-med/draft",
        ("study undrafted",),
        lambda h: h.draft(content=undrafted("model unavailable")),
    ),
    Act("draft", "janus-med/draft", ("study drafted",), lambda h: h.draft()),
    Act(
        "list",
        "attending",
        ("list studies",),
        lambda h: reading.worklist(h.store, h["attending"], WorklistQuery(), now=AT),
    ),
    Act(
        "open",
        "resident",
        ("study opened", "report locked", "draft viewed"),
        lambda h: reading.open_study(h.store, h["resident"], uid("s1"), now=AT),
    ),
    Act(
        "look",
        "viewer",
        ("study opened", "draft viewed"),
        lambda h: reading.open_study(h.store, h["viewer"], uid("s1"), now=AT),
    ),
    Act(
        "edit",
        "resident",
        ("sentence edited",),
        lambda h: reading.edit_sentence(h.store, h["resident"], _report(h), "ai-1", "Nodule.", now=AT),
    ),
    Act(
        "accept",
        "resident",
        ("sentence accepted",),
        lambda h: reading.accept_sentence(h.store, h["resident"], _report(h), "ai-2", now=AT),
    ),
    Act(
        "take the decision back",
        "resident",
        ("sentence reopened",),
        lambda h: reading.reopen_sentence(h.store, h["resident"], _report(h), "ai-2", now=AT),
    ),
    Act(
        "reject",
        "resident",
        ("sentence rejected",),
        lambda h: reading.reject_sentence(h.store, h["resident"], _report(h), "ai-2", now=AT),
    ),
    Act(
        "add",
        "resident",
        ("sentence edited",),
        lambda h: reading.add_sentence(
            h.store, h["resident"], _report(h), Section.IMPRESSION, "Nodule.", now=AT
        ),
    ),
    Act(
        "add a second one",
        "resident",
        ("sentence edited",),
        lambda h: reading.add_sentence(
            h.store, h["resident"], _report(h), Section.IMPRESSION, "No effusion.", now=AT
        ),
    ),
    Act(
        "move it up",
        "resident",
        ("sentence moved",),
        lambda h: reading.move_sentence(h.store, h["resident"], _report(h), "human-2", step=-1, now=AT),
    ),
    Act(
        "write a template",
        "admin",
        ("report template changed",),
        lambda h: templates.add_template(h.store, h["admin"], TEMPLATE, now=AT),
    ),
    Act(
        "edit it",
        "admin",
        ("report template changed",),
        lambda h: templates.edit_template(
            h.store, h["admin"], _template(h), replace(TEMPLATE, name="Other"), version=1, now=AT
        ),
    ),
    Act(
        "use it",
        "resident",
        ("report template used",),
        lambda h: use_template(h.store, h["resident"], _report(h), _template(h), now=AT),
    ),
    Act(
        "put it out of use",
        "admin",
        ("report template changed",),
        lambda h: templates.switch_template(h.store, h["admin"], _template(h), is_active=False, now=AT),
    ),
    Act(
        "write a macro for everybody",
        "admin",
        ("macro changed",),
        lambda h: templates.save_department_macro(h.store, h["admin"], "nl", "No lesion.", now=AT),
    ),
    Act(
        "take the macro away",
        "admin",
        ("macro changed",),
        lambda h: templates.remove_department_macro(h.store, h["admin"], "nl", now=AT),
    ),
    Act(
        "write a word of the department",
        "admin",
        ("department words changed",),
        lambda h: words.save_words(
            h.store,
            h["admin"],
            DepartmentWords(wordings=(Wording("pneumothorax", "PTX"),)),
            version=0,
            now=AT,
        ),
    ),
    Act(
        "open a critical result",
        "resident",
        ("critical result opened",),
        lambda h: critical.open_loop(
            h.store, h["resident"], uid("s1"), "Large pneumothorax", Category.MINUTES, now=AT
        ),
    ),
    Act(
        "let its time pass",
        "janus-med/housekeeping",
        ("critical result escalated",),
        lambda h: critical.escalate_overdue(h.store, service_actor("housekeeping"), now=LATE),
    ),
    Act(
        "tell somebody",
        "attending",
        ("critical result communicated",),
        lambda h: critical.close_loop(
            h.store,
            h["attending"],
            _loop(h),
            Communication("Ada", "Dr. Ward", AT, Means.TELEPHONE),
            now=LATE,
        ),
    ),
    Act(
        "open another in error",
        "attending",
        ("critical result opened",),
        lambda h: critical.open_loop(h.store, h["attending"], uid("s1"), "A fold", Category.DAYS, now=AT),
    ),
    Act(
        "cancel it",
        "attending",
        ("critical result cancelled",),
        lambda h: critical.cancel_loop(h.store, h["attending"], _loop(h), "a skin fold", now=AT),
    ),
    Act("sign as resident", "resident", ("report signed",), lambda h: _sign(h, "resident")),
    Act(
        "open again",
        "resident",
        ("study opened", "report locked", "draft viewed"),
        lambda h: reading.open_study(h.store, h["resident"], uid("s1"), now=AT),
    ),
    Act(
        "take over",
        "attending",
        ("report taken over",),
        lambda h: reading.take_over(h.store, h["attending"], _report(h), from_user="resident", now=AT),
    ),
    Act(
        "open what was taken over",
        "attending",
        ("study opened", "draft viewed"),
        lambda h: reading.open_study(h.store, h["attending"], uid("s1"), now=AT),
    ),
    Act(
        "make a group",
        "admin",
        ("study group added",),
        lambda h: study_groups.add_group(h.store, h["admin"], "vip", now=AT),
    ),
    Act(
        "put somebody into it",
        "admin",
        ("study group changed",),
        lambda h: study_groups.change_member(h.store, h["admin"], "vip", "attending", is_member=True, now=AT),
    ),
    Act(
        "restrict the study",
        "admin",
        ("study restricted",),
        lambda h: study_groups.restrict_study(h.store, h["admin"], uid("s1"), ["vip"], "known", now=AT),
    ),
    Act("break the glass", "viewer", ("emergency access started",), lambda h: _break_glass(h, "viewer")),
    Act(
        "end it",
        "viewer",
        ("emergency access stopped",),
        lambda h: emergency.end_emergency(h.store, h["viewer"], _emergency(h), now=AT),
    ),
    Act("break it again", "viewer", ("emergency access started",), lambda h: _break_glass(h, "viewer")),
    Act(
        "let its hour pass",
        "janus-med/housekeeping",
        ("emergency access stopped",),
        lambda h: emergency.end_expired(h.store, service_actor("housekeeping"), now=LATE),
    ),
    Act("break it once more", "viewer", ("emergency access started",), lambda h: _break_glass(h, "viewer")),
    Act(
        "revoke it",
        "admin",
        ("emergency access stopped",),
        lambda h: emergency.revoke_emergency(h.store, h["admin"], _emergency(h), now=AT),
    ),
    Act(
        "lift the restriction",
        "admin",
        ("study restriction lifted",),
        lambda h: study_groups.restrict_study(h.store, h["admin"], uid("s1"), [], "asked for", now=AT),
    ),
    Act(
        "remove the group",
        "admin",
        ("study group removed",),
        lambda h: study_groups.remove_group(h.store, h["admin"], "vip", now=AT),
    ),
    Act("sign as attending", "attending", ("report signed",), lambda h: _sign(h, "attending")),
    Act(
        "verify the signatures",
        "janus-med/cli",
        ("signatures verified",),
        lambda h: signatures.verify_signatures(h.store, service_actor("cli"), now=AT),
    ),
    Act(
        "rotate the key",
        "janus-med/cli",
        ("signing key rotated",),
        lambda h: signatures.note_rotation(
            h.store, service_actor("cli"), "attestation", "ab" * 8, "cd" * 8, now=AT
        ),
    ),
    Act(
        "fail to deliver",
        "janus-med/deliver",
        ("delivery failed",),
        lambda h: delivery.record_failed(h.store, DELIVERER, _delivery(h), "away", final=True, now=AT),
    ),
    Act(
        "retry",
        "admin",
        ("work retried",),
        lambda h: delivery.retry_delivery(h.store, h["admin"], _delivery(h), now=AT),
    ),
    Act(
        "deliver",
        "janus-med/deliver",
        ("delivery sent",),
        lambda h: delivery.record_sent(h.store, DELIVERER, _delivery(h), now=AT),
    ),
    Act(
        "add an addendum",
        "attending",
        ("report addended",),
        lambda h: add_addendum(h.store, h["attending"], _report(h), text="No change.", **_once_more(h)),
    ),
    Act(
        "correct it",
        "attending",
        ("report corrected",),
        lambda h: correct_report(
            h.store,
            h["attending"],
            _report(h),
            sections={"findings": "Clear.", "impression": "Normal."},
            reason="wrong side",
            **_once_more(h),
        ),
    ),
    Act(
        "take the report away",
        "attending",
        ("report exported",),
        lambda h: documents.export_document(
            h.store, h["attending"], _report(h), kind="pdf", build=lambda _: b"%PDF-", now=AT
        ),
    ),
    Act(
        "withdraw",
        "attending",
        ("delivery cancelled", "delivery cancelled", "report withdrawn"),
        lambda h: _withdraw(h, "attending"),
    ),
    Act(
        "receive a late image",
        "janus-med/listener",
        ("study received",),
        lambda h: h.receive(image(number=2), now=AT),
    ),
    Act("complete again", "janus-med/listener", ("study completed",), lambda h: h.complete(now=AT + QUIET)),
    Act(
        "wait too long for the draft",
        "janus-med/deliver",
        ("study undrafted",),
        lambda h: drafting.decline_overdue(h.store, DELIVERER, waiting=QUIET, now=LATE),
    ),
    Act(
        "receive a second late image",
        "janus-med/listener",
        ("study received", "report superseded"),
        lambda h: h.receive(image(number=3), now=LATE),
    ),
    Act(
        "receive another patient", "janus-med/listener", ("study received",), lambda h: h.receive(image("s9"))
    ),
    Act("complete that study", "janus-med/listener", ("study completed",), lambda h: h.complete()),
    Act("draft it", "janus-med/draft", ("study drafted",), lambda h: h.draft("s9")),
    Act(
        "back up",
        "janus-med/cli",
        ("backup made",),
        lambda h: backup.note_backup(h.store, service_actor("cli"), with_keys=False, now=LATE),
    ),
    Act(
        "restore",
        "janus-med/cli",
        ("backup restored",),
        lambda h: backup.note_restored(h.store, service_actor("cli"), _head(h), now=LATE),
    ),
    Act(
        "hold the patient",
        "admin",
        ("patient held",),
        lambda house: _hold(house),  # noqa: PLW0108 - it stands further down,
    ),
    Act(
        "end the hold",
        "admin",
        ("patient hold ended",),
        lambda h: erasure.end_patient_hold(h.store, h["admin"], PATIENT, now=LATE),
    ),
    Act(
        "export the patient",
        "admin",
        ("patient exported",),
        lambda h: begin_export(h.store, h["admin"], PATIENT, now=LATE),
    ),
    Act(
        "erase the patient",
        "admin",
        ("patient erased",),
        lambda h: erasure.erase_patient(h.store, h["admin"], PATIENT, "asked for it", now=LATE),
    ),
)


def _head(house: House) -> tuple[int, str]:
    with house.store.begin() as tx:
        return tx.audit.head()


def _hold(house: House) -> None:
    erasure.hold_patient(house.store, house["admin"], PATIENT, "court case", now=LATE)
    # nobody drafts here: the work that the studies left would stand against erasing
    with house.store.begin() as tx:
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))


def _report(house: House) -> int:
    """The report of the first revision: attempts that were undone have used up numbers."""
    with house.store.begin() as tx:
        return tx.reports.summaries(uid("s1"))[0].report_id


def _template(house: House) -> int:
    with house.store.begin() as tx:
        (template,) = tx.templates.current()
    return template.template_id


def _session(house: House) -> int:
    with house.store.begin() as tx:
        (session,) = tx.users.sessions_of_provider(IDENTITY.issuer, subject=SUBJECT, sid="")
    return session.session_id


def _loop(house: House) -> int:
    with house.store.begin() as tx:
        (loop,) = tx.critical.unfinished()
    return loop.critical_id


def _break_glass(house: House, username: str) -> object:
    return emergency.start_emergency(house.store, house[username], uid("s1"), "shock room", now=AT)


def _emergency(house: House) -> int:
    with house.store.begin() as tx:
        return tx.emergencies.latest(1)[0].emergency_id


def _delivery(house: House) -> int:
    with house.store.begin() as tx:
        (delivery,) = tx.deliveries.of_report(tx.reports.summaries(uid("s1"))[0].report_id)
    return delivery.delivery_id


def _sign(house: House, username: str) -> object:
    return signing.sign(
        house.store,
        house[username],
        _report(house),
        version=house.report(_report(house)).version,
        password=PASSWORD,
        destinations=[PACS],
        now=AT,
    )


def _once_more(house: House) -> dict[str, Any]:
    """What every signature after the first one takes."""
    version = house.report(_report(house)).version
    return {"version": version, "password": PASSWORD, "destinations": (), "now": AT}


def _withdraw(house: House, username: str) -> object:
    return withdraw(
        house.store,
        house[username],
        _report(house),
        version=house.report(_report(house)).version,
        password=PASSWORD,
        reason="Images of another patient.",
        now=AT,
    )


def _everything(house: House) -> dict[str, list[str]]:
    """Every row of every table of ours, and of the queue."""
    named = text(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' "
        "AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version' ORDER BY table_name"
    )
    with house.store.begin() as tx:
        tables = tx.session.scalars(named).all()
        return {
            table: sorted(tx.session.scalars(text(f"SELECT t::text FROM {table} AS t")).all())
            for table in tables
        }


@pytest.mark.covers("A1", "T32", "T33")
def test_every_act_has_its_event_in_the_same_transaction(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each act of a study's life is tried while the log cannot be written, and then for real."""

    def cannot_be_written(*_: object) -> None:
        raise OSError("no space left for the log")

    for act in STORY:
        before, entries = _everything(house), len(house.log())
        with monkeypatch.context() as broken:
            broken.setattr(AuditLog, "append", cannot_be_written)
            with pytest.raises(OSError, match="no space"):
                act.do(house)
        assert _everything(house) == before, f"{act.name} left something without its entry"
        act.do(house)
        written = house.log()[entries:]
        assert tuple(entry.event for entry in written) == act.events, act.name
        assert {entry.username for entry in written} == {act.username}
    with house.store.begin() as tx:
        assert verify_chain(house.log(), head=tx.audit.head())[0] == len(house.log())


@pytest.mark.covers("A1", "C3")
def test_entries_about_a_study_carry_its_patient_as_a_reference_and_nothing_readable(house: House) -> None:
    for act in STORY:
        act.do(house)
    about = [entry for entry in house.log(study="s1") if entry.event != "instance quarantined"]
    with house.store.begin() as tx:
        reference = tx.audit.patient_ref("id-of-s1", "HOSPITAL")
    assert {entry.patient_ref for entry in about} == {reference}
    whole = str(house.log())
    for readable in ("Name", "id-of-s1", "acc-s1", "chest of", "House^G", "19500101", "Nodule", "lesion"):
        assert readable not in whole


def test_a_refused_act_is_recorded_although_it_did_not_happen(house: House) -> None:
    house.drafted()
    with pytest.raises(NotAuthorised):
        reading.open_study(house.store, house["auditor"], uid("s1"), now=AT)
    (entry,) = house.log("access denied")
    assert (entry.username, entry.outcome, entry.study_uid) == ("auditor", "failure", uid("s1"))
    assert house.log("study opened") == []
