"""What rules decide together, what their file may say, and what a header yields.

Covered: order, defaults, failing rules, AE titles, destinations, mistakes in the file, header values.
Not covered: expressions (`test_expressions`), the database (`tests/unit/services/test_routing`).
"""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from app.domain.errors import RulesBroken
from app.domain.priority import ROUTINE, STAT, Priority
from app.domain.routing import Routing, Targets, destinations_for, routing_of
from app.domain.rules import Answer, HeaderValues, Ruling, StudyFacts, decide
from app.domain.rules_toml import LARGEST_FILE, read_rules
from app.services.header_values import HEADER_BYTES, read_header_values
from app.services.rule_text import decision_lines, verdict_lines
from app.settings import Destination, Settings

AT = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)  # a Sunday
FACTS = StudyFacts("MODALITY", "STAT_IN", AT, ("CR",), 2, 1)
CHEST = HeaderValues({"Modality": "CR", "BodyPartExamined": "CHEST"}, age=12)


def rule(name: str, when: str = "True", **actions: str) -> str:
    """A rule as it stands in the file; actions are TOML values."""
    lines = [f'name = "{name}"', f"when = '{when}'", *(f"{key} = {value}" for key, value in actions.items())]
    return "[[rules]]\n" + "\n".join(lines) + "\n"


def ruling(*parts: str, facts: StudyFacts = FACTS, header: HeaderValues = CHEST) -> Ruling:
    return decide(read_rules("\n".join(parts).encode()), facts, header)


def test_first_rule_that_says_something_about_a_thing_decides_it() -> None:
    found = ruling(
        rule("a", draft="false", reason='"not for children"'),
        rule("b", draft="true", model='"other"', priority='"stat"'),
        rule("c", model='"third"', priority='"routine"', exclude="false"),
        rule("d", exclude='"never"'),
    )
    routing = found.routing
    assert routing.fired == ("a", "b", "c", "d")
    assert (routing.draft, routing.draft_reason, routing.model) == (False, "not for children", "other")
    assert (routing.priority, routing.excluded) == (Priority(STAT, "rule: b"), "")
    assert [verdict.decided for verdict in found.verdicts] == [
        ("draft",), ("model", "priority"), ("exclude",), ()
    ]  # fmt: skip


def test_default_decides_what_no_rule_did() -> None:
    default = '[default]\nexclude = "not asked for"\npriority = "routine"\n'
    allowed = rule("chest", 'BodyPartExamined == "CHEST"', exclude="false")
    assert ruling(default, allowed).routing.excluded == ""
    other = ruling(default, allowed, header=HeaderValues({"BodyPartExamined": "LEG"})).routing
    assert (other.excluded, other.priority) == ("not asked for", Priority(ROUTINE, "rule: default"))


def test_exclusion_that_cannot_be_evaluated_excludes_nothing() -> None:
    found = ruling(rule("bad", "1 / (age - age) > 0", exclude='"x"'), rule("good", priority='"stat"'))
    assert (found.routing.excluded, found.routing.failed, found.routing.fired) == ("", ("bad",), ("good",))
    assert found.verdicts[0].answer is Answer.FAILED
    assert found.verdicts[0].problem == "division by zero"


def test_rules_on_attributes_fail_and_others_fire_when_the_header_is_unreadable() -> None:
    found = ruling(
        rule("header", 'Modality == "CR"', exclude='"x"'),
        rule("age", "age < 99", exclude='"x"'),
        rule("called", 'called_ae == "STAT_IN" and instance_count == 2', priority='"stat"'),
        header=HeaderValues(problem="the header cannot be read"),
    )
    assert (found.routing.failed, found.routing.fired) == (("header", "age"), ("called",))


def test_each_called_title_has_its_own_rules() -> None:
    parts = (rule("a", for_ae='"STAT_IN"', priority='"stat"'), rule("b", for_ae='["X", "Y"]', draft="false"))
    assert ruling(*parts).routing.fired == ("a",)
    other = ruling(*parts, facts=StudyFacts(called_ae="Y"))
    assert other.routing.fired == ("b",)
    assert [verdict.answer for verdict in other.verdicts] == [Answer.OTHER_AE, Answer.FIRED]


@pytest.mark.parametrize(
    ("zone", "when"),
    [
        ("UTC", 'hour == 22 and weekday == "Sun"'),
        ("Europe/Berlin", "hour == 23"),
        ("Asia/Tokyo", 'weekday == "Mon"'),
    ],
)  # fmt: skip
def test_arrival_is_in_the_zone_of_the_file(zone: str, when: str) -> None:
    assert ruling(f'time_zone = "{zone}"', rule("a", when, draft="false")).routing.fired == ("a",)


def test_decision_survives_the_database() -> None:
    decided = ruling(
        rule("a", draft="false", priority='"stat"', destinations='{PACS = ["report_sr"], RIS = []}')
    )
    assert routing_of(decided.routing.to_json()) == decided.routing
    assert routing_of(Routing().to_json()) == Routing()


@pytest.mark.covers("O5")
def test_destinations_get_what_the_rule_says_and_else_what_the_settings_say() -> None:
    pacs, archive = (Destination(name=n, ae_title=n, host="h", port=1) for n in ("PACS", "ARCHIVE"))
    configured = (pacs, archive)
    assert destinations_for(None, configured) == ((pacs, "report_sr"), (archive, "report_sr"))
    assert destinations_for(Routing(), configured) == destinations_for(None, configured)
    chosen = Routing(destinations={"ARCHIVE": ("report_sr", "report_sr"), "GONE": ("report_sr",)})
    assert destinations_for(chosen, configured) == ((archive, "report_sr"),)
    assert destinations_for(Routing(destinations={}), configured) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rules]\n", "line 1, column 8"),
        ("x = 1\n", "unknown at the top: x"),
        ("rules = 1\n", "[[rules]]"),
        ('time_zone = "Nowhere/At_all"', "time_zone"),
        (
            "\n\n" + rule("a", 'Modality == "CR" and Modalty == ""', draft="true"),
            'rule 1 "a" (line 3): line 5, column 22 of when: unknown name Modalty',
        ),
        (rule("a"), "decides nothing"),
        (rule("a", draft='"no"'), "draft is true or false"),
        (rule("a", draft="false") + rule("a", draft="false"), 'rule 2 "a" (line 5): the name \'a\' is taken'),
        (rule("default", draft="false"), "taken"),
        (rule("a", exclude="true"), "exclude is the reason"),
        (rule("a", exclude='""'), "exclude is missing"),
        (rule("a", priority='"high"'), "stat"),
        (rule("a", model='"../x"'), "model is a name"),
        (rule("a", draft="true", when2="1"), "unknown key when2"),
        (rule("a", draft="true", for_ae='"A title that is too long"'), "for_ae"),
        (rule("a", destinations="[]"), "destinations is a table"),
        (rule("a", destinations="{PACS = 1}"), "list of result formats"),
        (rule("a", destinations="{NONE = []}"), "no destination NONE: the settings have PACS"),
        (rule("a", destinations='{PACS = ["heatmap_seg"]}'), "no result format heatmap_seg"),
        ("[[rules]]\ndraft = true\n", "name is missing"),
        ('[default]\nwhen = "x"\n', "default: unknown key when"),
        ("# " + "x" * LARGEST_FILE, "larger than"),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)  # fmt: skip
def test_mistake_in_the_file_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(RulesBroken) as refused:
        read_rules(text.encode(), targets=Targets({"PACS"}, {"report_sr"}))
    assert told in str(refused.value)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(RulesBroken) as refused:
        read_rules((rule("a") + rule("b", "Modality", draft="true")).encode())
    assert len(str(refused.value).splitlines()) == 2


def test_text_that_looks_like_a_rule_moves_no_line_numbers() -> None:
    text = '[[rules]]\nname = "a"\nwhen = """\n[[rules]]\n"""\ndraft = true\n'
    with pytest.raises(RulesBroken, match='rule 1 "a":'):
        read_rules(text.encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_rules_or_are_refused(content: bytes) -> None:
    with suppress(RulesBroken):
        read_rules(content)


def test_settings_name_what_rules_may_send_where() -> None:
    targets = Settings(destinations=(Destination(name="P", ae_title="P", host="h", port=1),)).rule_targets
    assert "P" in targets.names
    assert "report_sr" in targets.formats


def header_of(path: Path, *keywords: str, **changes: Any) -> HeaderValues:
    dataset = dcmread(path)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    buffer.seek(0)
    return read_header_values(buffer, keywords)


def test_header_gives_text_numbers_and_lists(ct_slice: Path) -> None:
    keywords = ("Modality", "ImageType", "PixelSpacing", "Rows", "SliceThickness", "StudyDescription", "KVP")
    values = header_of(ct_slice, *keywords, PixelSpacing=[0.5, 0.25]).values
    assert values["Modality"] == "CT"
    assert values["ImageType"] == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert values["PixelSpacing"] == (0.5, 0.25)
    assert values["Rows"] == 128
    assert values["KVP"] == 120


@pytest.mark.parametrize(
    ("changes", "age"),
    [
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "045Y"}, 45),
        ({"PatientAge": "", "PatientBirthDate": "20080302", "StudyDate": "20260301"}, 17),
        ({"PatientAge": "x", "PatientBirthDate": "20080301", "StudyDate": "20260301"}, 18),
        ({"PatientAge": "", "PatientBirthDate": "", "StudyDate": "20260301"}, None),
        ({"PatientAge": "", "PatientBirthDate": "20270101", "StudyDate": "20260301"}, None),
    ],
)
def test_age_is_said_or_reckoned(ct_slice: Path, changes: dict[str, str], age: float | None) -> None:
    assert header_of(ct_slice, **changes).age == age


def test_value_that_is_malformed_is_absent(ct_slice: Path) -> None:
    content = ct_slice.read_bytes()
    assert content.count(b"\x08\x00\x20\x00DA\x08\x00") == 1
    broken = content.replace(b"\x18\x00\x60\x00DS\x04\x00120 ", b"\x18\x00\x60\x00DS\x04\x00x!y ")
    found = read_header_values(io.BytesIO(broken), {"KVP", "Modality"})
    assert found.values.get("Modality") == "CT" or found.problem
    assert found.values.get("KVP") is None


def test_header_that_is_deflated_or_too_long_or_none_is_told(ct_slice: Path, tmp_path: Path) -> None:
    dataset = dcmread(ct_slice)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated.dcm")
    with (tmp_path / "deflated.dcm").open("rb") as file:
        assert "deflated" in read_header_values(file, {"Modality"}).problem
    long = header_of(ct_slice, "Modality", EncapsulatedDocument=b"x" * HEADER_BYTES)
    assert "longer than" in long.problem
    assert read_header_values(io.BytesIO(b"nothing of that kind"), {"Modality"}).problem


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_of_a_stranger_raise(ct_slice: Path, data: st.DataObject) -> None:
    content = bytearray(ct_slice.read_bytes()[:6000])
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_header_values(io.BytesIO(bytes(content)), {"Modality", "ImageType", "PixelSpacing", "PatientName"})


def test_ruling_is_told_in_words() -> None:
    found = ruling(
        rule("a", 'Modality == "CR" and PatientName == ""', draft="false"),
        rule("b", for_ae='"OTHER"', draft="true"),
        rule("c", "age > 90", exclude='"old"'),
    )
    words = [verdict_lines(verdict) for verdict in found.verdicts]
    assert "Modality = 'CR'" in words[0]
    assert "PatientName = (absent)" in words[0]
    assert words[1] == ("for OTHER",)
    assert "age = 12" in words[2]
    assert "no AI draft: rule: a" in decision_lines(found.routing)


def test_operations_manual_lists_the_names_and_functions_as_they_are() -> None:
    from tests import rule_names

    assert rule_names.main(["--check"]) == 0, "run `make docs`"
