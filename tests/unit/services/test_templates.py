"""Templates and macros as use cases: versions, choice, what a report begins with, what may be signed.

Not here: the view and the editor (`tests/ui/test_templates_view.py`, `tests/e2e/test_writing.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.attestation import Meaning, canonical_text
from app.domain.errors import Conflict, NotAuthorised, Rejected
from app.domain.report import Decision, Origin, Report, Section, compose_report, releasable
from app.domain.shipped_templates import SHIPPED
from app.domain.template import TemplateContent
from app.services import macros, reading, templates
from app.services.beginning import use_template
from app.services.reading_time import add_times
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PACS, PASSWORD, House, image, uid

AT = NOW + timedelta(minutes=2)
CHEST = TemplateContent(
    name="Chest",
    language="en",
    modality="DX",
    body_part="CHEST",
    sections={
        Section.INDICATION: ("{indication}.",),
        Section.COMPARISON: ("Compared with {prior}.",),
        Section.TECHNIQUE: ("Radiograph of the chest, images: {images}.",),
        Section.FINDINGS: ("The lungs are clear.", "Heart: [normal|enlarged]."),
    },
)


def opened(house: House, *, drafted: bool = False) -> Report:
    """Open a chest radiograph as the attending."""
    house.receive(image(body_part="CHEST"))
    house.complete()
    if drafted:
        house.draft()
    else:
        from app.domain.draft import undrafted

        house.draft(content=undrafted("no model"))
    report = reading.open_study(house.store, house["attending"], uid("s1"), now=AT).report
    assert report is not None
    return report


def said(report: Report, origin: Origin = Origin.TEMPLATE) -> dict[str, list[str]]:
    """What sentences of an origin say, by section."""
    texts: dict[str, list[str]] = {}
    for sentence in sorted(report.sentences, key=lambda s: s.position):
        if sentence.origin is origin and sentence.text:
            texts.setdefault(sentence.section.value, []).append(sentence.text)
    return texts


def test_report_without_a_draft_begins_with_the_template_and_nothing_of_the_reading_counts_unread(
    house: House,
) -> None:
    templates.add_template(house.store, house["admin"], CHEST, now=NOW)
    report = opened(house)
    # nothing is known of order and prior: their lines are left out
    assert said(report) == {
        "technique": ["Radiograph of the chest, images: 1."],
        "findings": ["The lungs are clear.", "Heart: [normal|enlarged]."],
    }
    assert [s.section for s in report.sentences if s.is_unread] == [Section.FINDINGS] * 2
    assert [s.section.value for s in releasable(report.sentences)] == ["technique"]
    assert house.log("report template used")[-1].detail["template_version"] == 1


def test_beside_a_draft_only_what_is_known_of_the_study_comes_from_the_template(house: House) -> None:
    templates.add_template(house.store, house["admin"], CHEST, now=NOW)
    report = opened(house, drafted=True)
    assert said(report) == {"technique": ["Radiograph of the chest, images: 1."]}
    assert {s.section for s in report.sentences if s.origin is Origin.AI} == {
        Section.FINDINGS,
        Section.IMPRESSION,
    }


@pytest.mark.covers("U8")
def test_template_is_signed_only_when_read_and_filled_in_and_leaves_with_its_sections(house: House) -> None:
    templates.add_template(house.store, house["admin"], CHEST, now=NOW)
    store, actor, report = house.store, house["attending"], opened(house)
    number = report.report_id
    report = reading.add_sentence(store, actor, number, Section.IMPRESSION, "Normal.", now=AT)

    def signs() -> None:
        sign(
            store, actor, number, version=report.version, password=PASSWORD, destinations=[PACS], now=AT
        )  # fmt: skip

    first, second = (s.key for s in report.sentences if s.section is Section.FINDINGS)
    report = reading.edit_sentence(store, actor, number, second, "Heart: normal.", now=AT)
    with pytest.raises(Rejected, match="every finding of the template"):
        signs()
    report = reading.accept_sentence(store, actor, number, first, now=AT)
    report = reading.edit_sentence(store, actor, number, second, "Heart: [normal|enlarged].", now=AT)
    with pytest.raises(Rejected, match="not filled in"):
        signs()
    report = reading.edit_sentence(store, actor, number, second, "Heart: normal.", now=AT)
    signs()
    with store.begin() as tx:
        [delivery] = tx.deliveries.of_report(number)
        signature = tx.reports.attestations.of_report(number)[0]
    assert delivery.attestation_id == signature.attestation_id
    assert '"technique":"Radiograph of the chest, images: 1."' in signature.text
    assert signature.verifies()


def test_another_template_replaces_what_nobody_has_touched(house: House) -> None:
    templates.add_template(house.store, house["admin"], CHEST, now=NOW)
    other = templates.add_template(
        house.store,
        house["admin"],
        replace(CHEST, name="Knee", body_part="KNEE", sections={Section.FINDINGS: ("No fracture.",)}),
        now=NOW,
    )
    store, actor, report = house.store, house["attending"], opened(house)
    technique = next(s for s in report.sentences if s.section is Section.TECHNIQUE)
    reading.edit_sentence(store, actor, report.report_id, technique.key, "By hand.", now=AT)
    report = use_template(store, actor, report.report_id, other.template_id, now=AT)
    assert compose_report(report.sentences) == {
        "technique": "By hand.",
        "findings": "No fracture.",
        "impression": "",
    }
    templates.switch_template(store, house["admin"], other.template_id, is_active=False, now=AT)
    with pytest.raises(Rejected, match="not in use"):
        use_template(store, actor, report.report_id, other.template_id, now=AT)


def test_edit_is_a_new_version_and_nobody_overwrites_another(house: House) -> None:
    store, admin = house.store, house["admin"]
    first = templates.add_template(store, admin, CHEST, now=NOW)
    second = templates.edit_template(
        store, admin, first.template_id, replace(CHEST, name="Thorax"), version=1, now=AT
    )
    assert (second.version, second.content.name) == (2, "Thorax")
    with pytest.raises(Conflict, match="edited the template meanwhile"):
        templates.edit_template(store, admin, first.template_id, CHEST, version=1, now=AT)
    versions = templates.template_versions(store, admin, first.template_id, now=AT)
    assert [v.content.name for v in versions] == ["Thorax", "Chest"]
    with pytest.raises(NotAuthorised):
        templates.list_templates(store, house["attending"], now=AT)
    with pytest.raises(Exception, match="permission denied"), store.begin() as tx:
        tx.session.execute(text("UPDATE report_templates SET name = 'other'"))


def test_shipped_templates_are_installed_once_and_each_has_no_mistake(house: House) -> None:
    assert templates.install_shipped(house.store, now=NOW) == len(SHIPPED)
    assert templates.install_shipped(house.store, now=NOW) == 0
    assert {content.language for content in SHIPPED} == {"en", "de"}
    assert len(templates.usable_templates(house.store, house["resident"], now=NOW)) == 8


def test_own_macro_goes_before_the_departments_of_its_name(house: House) -> None:
    store, reader = house.store, house["resident"]
    templates.save_department_macro(store, house["admin"], "nl", "No lesion.", now=NOW)
    templates.save_department_macro(store, house["admin"], ".nf", "No fracture.", now=NOW)
    macros.save_own_macro(store, reader, "NL", "Keine Läsion.", now=NOW)
    assert [(m.name, m.text, m.is_own) for m in macros.macros_of(store, reader, now=NOW)] == [
        ("nf", "No fracture.", False),
        ("nl", "Keine Läsion.", True),
    ]
    macros.remove_own_macro(store, reader, "nl", now=NOW)
    templates.remove_department_macro(store, house["admin"], "nf", now=NOW)
    assert [m.text for m in macros.macros_of(store, reader, now=NOW)] == ["No lesion."]
    with pytest.raises(Rejected, match="no name of a macro"):
        macros.save_own_macro(store, reader, "two words", "x", now=NOW)


def test_times_are_added_up_by_section_and_nonsense_is_refused(house: House) -> None:
    store, report = house.store, opened(house, drafted=True)
    for actor, seconds in ((house["attending"], 12.5), (house["attending"], 2.5), (house["resident"], 9.0)):
        told = {"findings": {"seconds": seconds, "edits": 1}}
        add_times(store, actor, report.report_id, told, now=AT)  # the resident has not opened it
    with store.begin() as tx:
        [row] = tx.reading_times.by_section(NOW, AT + timedelta(seconds=1))
    assert (row.section, row.seconds, row.edits) == (Section.FINDINGS, 15.0, 2)
    assert row.readers == {house["attending"].user_id}
    assert row.ai_model
    for nonsense in (
        {"poem": {"seconds": 1, "edits": 0}},
        {"findings": {"seconds": -1, "edits": 0}},
        {"findings": {"seconds": float("nan"), "edits": 0}},
        {"findings": {"seconds": 700, "edits": 0}},
        {"findings": {"seconds": 1, "edits": 1.5}},
        {"findings": 3},
    ):
        with pytest.raises(Rejected):
            add_times(store, house["attending"], report.report_id, nonsense, now=AT)


def test_decision_is_taken_back_and_sentences_change_places(house: House) -> None:
    store, actor, report = house.store, house["attending"], opened(house, drafted=True)
    number = report.report_id
    drafted = report.sentence("ai-1")
    for act in (reading.accept_sentence, reading.reject_sentence):
        act(store, actor, number, "ai-1", now=AT)
        assert reading.reopen_sentence(store, actor, number, "ai-1", now=AT).sentence("ai-1") == drafted
    reading.edit_sentence(store, actor, number, "ai-1", "Mine.", now=AT)
    reading.reject_sentence(store, actor, number, "ai-1", now=AT)
    again = reading.reopen_sentence(store, actor, number, "ai-1", now=AT).sentence("ai-1")
    assert (again.text, again.decision) == ("Mine.", Decision.EDITED)
    reading.add_sentence(store, actor, number, drafted.section, "Last.", now=AT)
    reading.add_sentence(store, actor, number, drafted.section, "Second.", after="ai-1", now=AT)
    moved = reading.move_sentence(store, actor, number, "human-1", step=-1, now=AT)
    assert compose_report(moved.sentences)[drafted.section.value].split()[:3] == ["Mine.", "Last.", "Second."]
    assert reading.move_sentence(store, actor, number, "ai-1", step=-1, now=AT).version == moved.version


def test_signed_text_of_findings_and_impression_alone_is_what_it_was_before_there_were_other_sections(
    house: House,
) -> None:
    report = opened(house, drafted=True)
    signed = canonical_text(
        report,
        username="u",
        printed_name="U",
        meaning=Meaning.FINAL,
        signed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert '"sections":{"findings":' in signed
    assert "technique" not in signed
    assert "comparison" not in signed
