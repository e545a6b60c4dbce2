"""Role by use case: who may do what, below the user interface, and every refusal on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from types import FunctionType, ModuleType

import pytest

from app.domain.access import Action, Actor, Role, may, service_actor
from app.domain.critical import Category, Communication, Means
from app.domain.department_words import DepartmentWords
from app.domain.errors import JanusMedError, NotAuthorised, NotFound
from app.domain.one_time import make_secret
from app.domain.patient_data import PatientKey
from app.domain.report import Section
from app.domain.second_review import Score
from app.domain.spoken_text import HeardWord
from app.domain.template import TemplateContent
from app.services import (
    accounts,
    ai_models,
    amending,
    asking,
    critical,
    delivery,
    documents,
    erasure,
    macros,
    prior_viewing,
    quality,
    reading,
    second_factor,
    second_review,
    second_review_priors,
    signing,
    similar,
    templates,
    words,
)
from app.services.beginning import use_template
from app.services.dictation import DictationDesk, take_dictation
from app.services.patient_export import begin_export
from app.services.reading import WorklistQuery, open_study
from app.services.reading_time import add_times
from app.services.withdrawal import withdraw
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, image, uid

AT = NOW + QUIET
ROLES = ("viewer", "resident", "attending", "admin", "auditor", "service")
PATIENT = PatientKey("id-of-s1", "HOSPITAL")
TEMPLATE = TemplateContent("Any", "en", "", "", {Section.FINDINGS: ("Clear.",)})
UseCase = Callable[[House, Actor], object]


class Deaf:
    """A recogniser that hears nothing."""

    def hear(self, samples: bytes) -> tuple[HeardWord, ...]:
        return ()

    def close(self) -> None:
        """There is nothing to stop."""


USE_CASES: dict[str, tuple[Action, UseCase]] = {
    "worklist": (
        Action.LIST_STUDIES,
        lambda h, a: reading.worklist(h.store, a, WorklistQuery(), now=AT),
    ),
    "refresh_worklist": (
        Action.LIST_STUDIES,
        lambda h, a: reading.refresh_worklist(h.store, a, WorklistQuery(), now=AT),
    ),
    "open_study": (Action.OPEN_STUDY, lambda h, a: open_study(h.store, a, uid("s1"), now=AT)),
    "refresh": (Action.OPEN_STUDY, lambda h, a: reading.refresh(h.store, a, uid("s1"), now=AT)),
    "may_see_pixels": (
        Action.OPEN_STUDY,
        lambda h, a: reading.may_see_pixels(h.store, a, uid("s1", "image", 1), now=AT),
    ),
    "export_document": (
        Action.OPEN_STUDY,
        lambda h, a: documents.export_document(h.store, a, 1, kind="pdf", build=lambda _: b"", now=AT),
    ),
    "renew_lock": (Action.EDIT_REPORT, lambda h, a: reading.renew_lock(h.store, a, 1, now=AT)),
    "look_at_pen": (Action.OPEN_STUDY, lambda h, a: reading.look_at_pen(h.store, a, 1, now=AT)),
    "activity_of_pen": (
        Action.TAKE_OVER,
        lambda h, a: reading.activity_of_pen(h.store, a, 1, lease=QUIET, now=AT),
    ),
    "release_lock": (Action.EDIT_REPORT, lambda h, a: reading.release_lock(h.store, a, 1, now=AT)),
    "edit_sentence": (
        Action.EDIT_REPORT,
        lambda h, a: reading.edit_sentence(h.store, a, 1, "ai-1", "No.", now=AT),
    ),
    "accept_sentence": (
        Action.EDIT_REPORT,
        lambda h, a: reading.accept_sentence(h.store, a, 1, "ai-1", now=AT),
    ),
    "reject_sentence": (
        Action.EDIT_REPORT,
        lambda h, a: reading.reject_sentence(h.store, a, 1, "ai-1", now=AT),
    ),
    "add_sentence": (
        Action.EDIT_REPORT,
        lambda h, a: reading.add_sentence(h.store, a, 1, Section.FINDINGS, "No.", now=AT),
    ),
    "take_over": (
        Action.TAKE_OVER,
        lambda h, a: reading.take_over(h.store, a, 1, from_user="colleague", now=AT),
    ),
    "sign": (
        Action.SIGN_PRELIMINARY,
        lambda h, a: signing.sign(h.store, a, 1, version=1, password=PASSWORD, destinations=[PACS], now=AT),
    ),
    "withdraw": (
        Action.WITHDRAW_REPORT,
        lambda h, a: withdraw(h.store, a, 1, version=1, password=PASSWORD, reason="wrong patient", now=AT),
    ),
    "add_addendum": (
        Action.ADD_ADDENDUM,
        lambda h, a: amending.add_addendum(
            h.store, a, 1, version=1, password=PASSWORD, text="No change.", destinations=[], now=AT
        ),
    ),
    "correct_report": (
        Action.CORRECT_REPORT,
        lambda h, a: amending.correct_report(
            h.store,
            a,
            1,
            version=1,
            password=PASSWORD,
            sections={"findings": "Clear.", "impression": "Normal."},
            reason="wrong side",
            destinations=[],
            now=AT,
        ),
    ),
    "hold_patient": (
        Action.HOLD_PATIENT,
        lambda h, a: erasure.hold_patient(h.store, a, PATIENT, "court case", now=AT),
    ),
    "end_patient_hold": (
        Action.HOLD_PATIENT,
        lambda h, a: erasure.end_patient_hold(h.store, a, PATIENT, now=AT),
    ),
    "list_patient_holds": (
        Action.HOLD_PATIENT,
        lambda h, a: erasure.list_patient_holds(h.store, a, now=AT),
    ),
    "begin_export": (
        Action.EXPORT_PATIENT,
        lambda h, a: begin_export(h.store, a, PATIENT, now=AT),
    ),
    "identifiers_of": (
        Action.ERASE_PATIENT,
        lambda h, a: erasure.identifiers_of(h.store, a, PATIENT, now=AT),
    ),
    "preview_erasure": (
        Action.ERASE_PATIENT,
        lambda h, a: erasure.preview_erasure(h.store, a, PATIENT, now=AT),
    ),
    "erase_patient": (
        Action.ERASE_PATIENT,
        lambda h, a: erasure.erase_patient(h.store, a, PATIENT, "asked for it", now=AT),
    ),
    "open_loop": (
        Action.HANDLE_CRITICAL,
        lambda h, a: critical.open_loop(h.store, a, uid("s1"), "Pneumothorax", Category.MINUTES, now=AT),
    ),
    "close_loop": (
        Action.HANDLE_CRITICAL,
        lambda h, a: critical.close_loop(
            h.store, a, 1, Communication("Ada", "Dr. Ward", AT, Means.TELEPHONE), now=AT
        ),
    ),
    "cancel_loop": (Action.HANDLE_CRITICAL, lambda h, a: critical.cancel_loop(h.store, a, 1, "no", now=AT)),
    "list_open_loops": (Action.HANDLE_CRITICAL, lambda h, a: critical.list_open_loops(h.store, a, now=AT)),
    "loops_of_study": (
        Action.HANDLE_CRITICAL,
        lambda h, a: critical.loops_of_study(h.store, a, uid("s1"), now=AT),
    ),
    "enrol": (
        Action.OWN_ACCOUNT,
        lambda h, a: second_factor.enrol(h.store, a, make_secret(), password=PASSWORD, code="", now=AT),
    ),
    "end_other_sessions": (
        Action.OWN_ACCOUNT,
        lambda h, a: accounts.end_other_sessions(h.store, a, now=AT),
    ),
    "reset_second_factor": (
        Action.MANAGE_USERS,
        lambda h, a: second_factor.reset(h.store, a, "colleague", now=AT),
    ),
    "waiting_reviews": (
        Action.SECOND_REVIEW,
        lambda h, a: second_review.waiting_reviews(h.store, a, now=AT),
    ),
    "open_second_review": (
        Action.SECOND_REVIEW,
        lambda h, a: second_review.open_second_review(h.store, a, 1, now=AT),
    ),
    "open_prior_of_review": (
        Action.SECOND_REVIEW,
        lambda h, a: second_review_priors.open_prior_of_review(h.store, a, 1, now=AT),
    ),
    "give_back": (Action.SECOND_REVIEW, lambda h, a: second_review.give_back(h.store, a, 1, now=AT)),
    "score_second_review": (
        Action.SECOND_REVIEW,
        lambda h, a: second_review.score_second_review(h.store, a, 1, Score.CONCUR, "", now=AT),
    ),
    "correct_second_review": (
        Action.SECOND_REVIEW,
        lambda h, a: second_review.correct_second_review(h.store, a, 1, Score.CONCUR, "", now=AT),
    ),
    "scored_by_me": (Action.SECOND_REVIEW, lambda h, a: second_review.scored_by_me(h.store, a, now=AT)),
    "remarks_for_me": (Action.SIGN_FINAL, lambda h, a: second_review.remarks_for_me(h.store, a, now=AT)),
    "agreement": (
        Action.VIEW_QUALITY,
        lambda h, a: second_review.agreement(h.store, a, days=90, now=AT),
    ),
    "quality_board": (Action.VIEW_QUALITY, lambda h, a: quality.quality_board(h.store, a, now=AT)),
    "watched_days": (Action.VIEW_QUALITY, lambda h, a: quality.watched_days(h.store, a, now=AT)),
    "section_times": (Action.VIEW_QUALITY, lambda h, a: quality.section_times(h.store, a, now=AT)),
    "own_quality": (Action.SIGN_FINAL, lambda h, a: quality.own_quality(h.store, a, now=AT)),
    "export_quality": (
        Action.VIEW_QUALITY,
        lambda h, a: quality.export_quality(h.store, a, days=None, out=StringIO(), now=AT),
    ),
    "open_prior": (
        Action.OPEN_STUDY,
        lambda h, a: prior_viewing.open_prior(h.store, a, uid("s1"), uid("before"), now=AT),
    ),
    "compare_with_prior": (
        Action.OPEN_STUDY,
        lambda h, a: prior_viewing.compare_with_prior(h.store, a, uid("s1"), uid("before"), now=AT),
    ),
    "ask": (Action.ASK_MODEL, lambda h, a: asking.ask(h.store, a, uid("s1"), "Normal?", now=AT)),
    "questions_of": (Action.OPEN_STUDY, lambda h, a: asking.questions_of(h.store, a, uid("s1"), now=AT)),
    "find_similar": (
        Action.FIND_SIMILAR,
        lambda h, a: similar.find_similar(h.store, a, uid("s1"), similar.EmbeddingCache(), now=AT),
    ),
    "name_similar": (
        Action.FIND_SIMILAR,
        lambda h, a: similar.name_similar(h.store, a, uid("s1"), 1, now=AT),
    ),
    "list_models": (Action.VIEW_MODELS, lambda h, a: ai_models.list_models(h.store, a, now=AT)),
    "stop_model": (Action.STOP_MODEL, lambda h, a: ai_models.stop_model(h.store, a, 1, "no", now=AT)),
    "resume_model": (Action.RESUME_MODEL, lambda h, a: ai_models.resume_model(h.store, a, 1, now=AT)),
    "reopen_sentence": (
        Action.EDIT_REPORT,
        lambda h, a: reading.reopen_sentence(h.store, a, 1, "ai-1", now=AT),
    ),
    "move_sentence": (
        Action.EDIT_REPORT,
        lambda h, a: reading.move_sentence(h.store, a, 1, "ai-1", step=1, now=AT),
    ),
    "use_template": (Action.EDIT_REPORT, lambda h, a: use_template(h.store, a, 1, 1, now=AT)),
    "usable_templates": (
        Action.EDIT_REPORT,
        lambda h, a: templates.usable_templates(h.store, a, now=AT),
    ),
    "macros_of": (Action.EDIT_REPORT, lambda h, a: macros.macros_of(h.store, a, now=AT)),
    "take_dictation": (
        Action.EDIT_REPORT,
        lambda h, a: take_dictation(h.store, DictationDesk(Deaf()), a, b"", 16_000, now=AT),
    ),
    "add_times": (Action.EDIT_REPORT, lambda h, a: add_times(h.store, a, 1, {}, now=AT)),
    "save_own_macro": (
        Action.OWN_ACCOUNT,
        lambda h, a: macros.save_own_macro(h.store, a, "nl", "No lesion.", now=AT),
    ),
    "remove_own_macro": (
        Action.OWN_ACCOUNT,
        lambda h, a: macros.remove_own_macro(h.store, a, "nl", now=AT),
    ),
    "list_templates": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.list_templates(h.store, a, now=AT),
    ),
    "template_versions": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.template_versions(h.store, a, 1, now=AT),
    ),
    "add_template": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.add_template(h.store, a, TEMPLATE, now=AT),
    ),
    "edit_template": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.edit_template(h.store, a, 1, TEMPLATE, version=7, now=AT),
    ),
    "switch_template": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.switch_template(h.store, a, 1, is_active=False, now=AT),
    ),
    "department_macros": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.department_macros(h.store, a, now=AT),
    ),
    "save_department_macro": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.save_department_macro(h.store, a, "nl", "No lesion.", now=AT),
    ),
    "remove_department_macro": (
        Action.MANAGE_TEMPLATES,
        lambda h, a: templates.remove_department_macro(h.store, a, "nl", now=AT),
    ),
    "words_versions": (
        Action.MANAGE_WORDS,
        lambda h, a: words.words_versions(h.store, a, now=AT),
    ),
    "save_words": (
        Action.MANAGE_WORDS,
        lambda h, a: words.save_words(h.store, a, DepartmentWords(("Port-a-Cath",)), version=0, now=AT),
    ),
    "retry_delivery": (
        Action.RETRY_WORK,
        lambda h, a: delivery.retry_delivery(h.store, a, 1, now=AT),
    ),
}


@pytest.mark.covers("C2", "S2")
def test_every_role_meets_every_use_case(house: House) -> None:
    """A use case that a role may not do is refused and recorded; one that it may do gets past the gate."""
    open_study(house.store, house["colleague"], house.drafted(), now=AT)
    actors = {role: service_actor("draft") if role == "service" else house[role] for role in ROLES}
    for name, (action, act) in USE_CASES.items():
        for role, actor in actors.items():
            denied = len(house.log("access denied"))
            if may(Role(role), action):
                if action is Action.OPEN_STUDY:
                    open_study(house.store, actor, uid("s1"), now=AT)
                _get_past_the_gate(house, act, actor)
                continue
            with pytest.raises(NotAuthorised, match=f"the role {role} may not"):
                act(house, actor)
            entries = house.log("access denied")
            assert len(entries) == denied + 1, (name, role)
            assert (entries[-1].username, entries[-1].outcome) == (actor.username, "failure")
            assert entries[-1].detail["action"] == action.value


def _get_past_the_gate(house: House, act: UseCase, actor: Actor) -> None:
    refusal = ""
    try:
        act(house, actor)
    except JanusMedError as error:
        refusal = str(error)
    assert not refusal.startswith("the role")


def test_the_matrix_names_every_use_case_that_takes_a_person() -> None:
    """A use case that is added to the reading room cannot be forgotten here."""
    acts = {name for name in reading.__all__ if isinstance(getattr(reading, name), FunctionType)}
    loops = {"open_loop", "close_loop", "cancel_loop", "list_open_loops", "loops_of_study"}
    own = {"enrol", "end_other_sessions", "reset_second_factor"}
    models = {"list_models", "stop_model", "resume_model"}
    patients = {
        "hold_patient",
        "end_patient_hold",
        "list_patient_holds",
        "begin_export",
        "identifiers_of",
        "preview_erasure",
        "erase_patient",
    }
    beside = {"open_prior", "compare_with_prior", "ask", "questions_of", "find_similar", "name_similar"}
    signed = {"export_document", "sign", "add_addendum", "correct_report", "withdraw"}
    board = {"quality_board", "watched_days", "section_times", "own_quality", "export_quality"}
    second = {name for name, value in vars(second_review).items() if _takes_a_person(second_review, value)}
    second |= {"open_prior_of_review"}
    written = {name for name, value in vars(templates).items() if _takes_a_person(templates, value)}
    written |= {name for name, value in vars(macros).items() if _takes_a_person(macros, value)}
    written |= {name for name, value in vars(words).items() if _takes_a_person(words, value)}
    written = (written | {"use_template", "add_times", "take_dictation"}) - {"install_shipped"}
    known = acts | loops | own | models | patients | beside | signed | board | second | written
    assert known | {"retry_delivery"} == set(USE_CASES)


def _takes_a_person(module: ModuleType, value: object) -> bool:
    """Whether a value is a public use case of the module; drawing is the housekeeping's own."""
    is_own = isinstance(value, FunctionType) and value.__module__ == module.__name__
    return is_own and not value.__name__.startswith(("_", "draw_"))


@pytest.mark.covers("T18")
@pytest.mark.parametrize("name", ["", "../../x", "1.2\x00", "1.2.3", "9" * 65, "\ud800"], ids=range(6))
def test_names_of_nothing_are_not_found(house: House, name: str) -> None:
    with pytest.raises(NotFound):
        open_study(house.store, house["viewer"], name, now=AT)
    with pytest.raises(NotFound):
        reading.may_see_pixels(house.store, house["viewer"], name, now=AT)


@pytest.mark.covers("C2", "A1")
def test_a_study_is_seen_only_by_those_who_opened_it_on_record(house: House) -> None:
    house.drafted()
    house.receive(image("s2"))
    open_study(house.store, house["viewer"], uid("s2"), now=AT)
    acts: list[Callable[[Actor], object]] = [
        lambda actor: reading.refresh(house.store, actor, uid("s1"), now=AT),
        lambda actor: reading.may_see_pixels(house.store, actor, uid("s1", "image", 1), now=AT),
    ]
    for number, act in enumerate(acts, start=1):
        with pytest.raises(NotAuthorised, match="open the study first"):
            act(house["viewer"])
        assert len(house.log("access denied", study="s1")) == number
    open_study(house.store, house["viewer"], uid("s1"), now=AT)
    before = house.log()
    source = reading.may_see_pixels(house.store, house["viewer"], uid("s1", "image", 1), now=AT)
    assert (source.study_uid, source.sha256) == (uid("s1"), image().sha256)
    later = AT + timedelta(hours=1)
    assert reading.refresh(house.store, house["viewer"], uid("s1"), now=later).report is not None
    assert house.log() == before, "looking again is no new act"
