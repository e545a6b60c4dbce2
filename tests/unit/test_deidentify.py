"""What of a report's text says whose it is, and is taken out before somebody else's reader sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.deidentify import DATE, NAME, NUMBER, TIME, names_in, scrub, without_authors
from app.domain.similar import age_band


def clean(text: str, *people: str, identifiers: tuple[str, ...] = ()) -> str:
    return scrub(text, names=names_in(*people), identifiers=identifiers)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Film of 12 March 2024.", f"Film of {DATE}."),
        ("Film of March 12th, 2024.", f"Film of {DATE}."),
        ("Seen 2024-03-12 and 12.03.24.", f"Seen {DATE} and {DATE}."),
        ("Seit Mai 2023 bekannt.", f"Seit {DATE} bekannt."),
        ("Known since 1998.", f"Known since {DATE}."),
        ("2024年3月12日检查", f"{DATE}检查"),
        ("Told at 14:05.", f"Told at {TIME}."),
        ("MRN 20431999.", f"MRN {NUMBER}."),
        ("Case RX-20431/b.", f"Case {NUMBER}/b."),
        ("A nodule of 12 mm in 3 of 4 zones.", "A nodule of 12 mm in 3 of 4 zones."),
        ("May represent scarring.", "May represent scarring."),
    ],
)
def test_dates_times_and_long_numbers_go_and_findings_stay(text: str, left: str) -> None:
    assert clean(text) == left


def test_names_go_in_every_case_and_with_their_genitive() -> None:
    people = ("MARTIN^Jeanne^^Dr", "Dr. Ada Attending-Smith")
    assert clean("Martin's nodule; JEANNE M.", *people) == f"{NAME} nodule; {NAME} M."
    assert clean("Seen by Dr. Ada Attending-Smith.", *people) == f"Seen by Dr. {NAME}."
    assert clean("Martingale sign.", *people) == "Martingale sign."
    assert clean("患者张伟的胸片", "张伟") == f"患者{NAME}的胸片"


def test_identifiers_go_as_they_stand_and_short_ones_are_left() -> None:
    assert clean("Order A-77 of P1.", identifiers=("A-77", "P1")) == f"Order {NUMBER} of P1."


@given(st.text(max_size=200), st.text(min_size=2, max_size=20))
def test_no_text_and_no_name_breaks_it(text: str, name: str) -> None:
    clean(text, name, identifiers=(name,))


@pytest.mark.parametrize(
    ("born", "seen", "band"),
    [
        ("19580312", "20260311", "60-69"),
        ("19580312", "20280312", "70-79"),
        ("20200101", "20260101", "0-9"),
        ("19300101", "20260101", "90+"),
        ("", "20260101", ""),
        ("20270101", "20260101", ""),
        ("1958", "20260101", ""),
    ],
)
def test_age_is_told_in_tens(born: str, seen: str, band: str) -> None:
    assert age_band(born, seen) == band


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("No nodule.\nElectronically signed by Mary Faraway", "No nodule."),
        ("Read by: M. F.\nNo nodule.", "No nodule."),
        ("Klein befundet.\nBefundet von Dr. Klein am 3.5.2024", f"{NAME} befundet."),
        ("Radiologist: Mary Faraway\nClear.", "Clear."),
        ("Staff Radiologist: M. Faraway\nClear.", "Clear."),
        ("报告医师：李雷\n双肺清晰。", "双肺清晰。"),
        ("Told Dr. med. Mary van Faraway-Smith, who came.", f"Told {NAME} van Faraway-Smith, who came."),
        ("Told Prof. Dr. M. Faraway at 14:05.", f"Told {NAME} at 14:05."),
        ("Told Dr Klein.", f"Told {NAME}."),
        ("KLEIN: a klein nodule.", f"{NAME}: a klein nodule."),
        ("Reviewed: 3 views of 12.03.2024.", "Reviewed: 3 views of 12.03.2024."),
        (
            "Reported by telephone: nodule, " + 15 * "as before ",
            ("Reported by telephone: nodule, " + 15 * "as before ").strip(),
        ),
        (
            "Reading limited by rotation; read in two planes.",
            "Reading limited by rotation; read in two planes.",
        ),
        ("Report of 2024-03-12, MRN 20431999.", "Report of 2024-03-12, MRN 20431999."),
    ],
)
def test_authors_go_and_dates_and_findings_stay(text: str, left: str) -> None:
    assert without_authors(text, names=names_in("Dr. Petra Klein")) == left
