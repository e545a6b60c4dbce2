"""Printed names as Person Names and back."""

from __future__ import annotations

import pytest

from pacs_bridge import Rejected
from pacs_bridge.results import Observer, Verification, build_report_sr, person_name, printed_name
from tests.bridge.test_report_sr import NOW, content


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("Rita Reader", "Reader^Rita"),
        ("Reader, Rita", "Reader^Rita"),
        ("Dr. Rita Maria Reader", "Reader^Rita Maria^^Dr."),
        ("Dr. Rita van der Reader, MD", "van der Reader^Rita^^Dr.^MD"),
        ("Prof. Dr. Jörg Müller", "Müller^Jörg^^Prof. Dr."),
        ("  Rita   Reader ", "Reader^Rita"),
        ("Cher", "Cher^"),
        ("山田 太郎", "山田^太郎"),
        ("Reader^Rita", "Reader^Rita"),
        ("Yamada^Tarou=山田^太郎", "Yamada^Tarou=山田^太郎"),
        ("Иван Петров", "Петров^Иван"),
    ],
)
def test_printed_name_becomes_a_person_name(printed, name):
    assert person_name(printed) == name


@pytest.mark.parametrize(
    "printed", ["Rita Reader", "Dr. Rita van der Reader, MD", "Prof. Dr. Jörg Müller", "Cher", "山田 太郎"]
)
def test_person_name_prints_as_it_was_written(printed):
    assert printed_name(person_name(printed)) == printed


def test_further_groups_stand_in_brackets():
    assert printed_name("Yamada^Tarou=山田^太郎=やまだ^たろう") == "Tarou Yamada (山田 太郎, やまだ たろう)"
    assert printed_name("") == ""


@pytest.mark.parametrize("printed", ["", "   ", "^^", "A\\B", "bell\x07", "x" * 65])
def test_name_that_no_person_name_can_hold_is_refused(printed):
    with pytest.raises(Rejected):
        person_name(printed)


@pytest.mark.filterwarnings("error")
def test_plain_printed_name_makes_a_document_without_a_warning():
    plain = Observer("Rita Reader", "General Hospital")
    document = build_report_sr(content(observer=plain, verifications=(Verification(plain, NOW),)))
    assert document.VerifyingObserverSequence[0].VerifyingObserverName == "Reader^Rita"
    assert document.AuthorObserverSequence[0].PersonName == "Reader^Rita"
