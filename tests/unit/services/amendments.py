"""Steps that add something to a signed report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.amendment import Amendment
from app.domain.report import Report
from app.services.amending import add_addendum, correct_report
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PASSWORD, QUIET, House, uid

AT = NOW + QUIET
EVERYWHERE = [
    ("PACS", "report_sr"),
    ("PACS", "presentation_state"),
    ("RIS", "hl7_oru"),
    ("EHR", "fhir_report"),
]
CORRECTED = {"findings": "Nodule in the right lung.", "impression": "Possible lesion."}


def signed(house: House, study: str = "s1") -> Report:
    """Sign the draft as the attending, for every kind of destination."""
    report = house.accepted(house.drafted(study), "attending")
    sign(
        house.store,
        house["attending"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=EVERYWHERE,
        now=AT,
    )
    return house.report(report.report_id)


def add(
    house: House, report: Report, text: str = "No change.", who: str = "attending", **other: Any
) -> Amendment:
    arguments: dict[str, Any] = {"version": house.report(report.report_id).version, "password": PASSWORD}
    arguments |= {"text": text, "destinations": (), "now": AT} | other
    return add_addendum(house.store, house[who], report.report_id, **arguments)


def correct(
    house: House,
    report: Report,
    sections: Mapping[str, str] = CORRECTED,
    who: str = "attending",
    **other: Any,
) -> Amendment:
    arguments: dict[str, Any] = {"version": house.report(report.report_id).version, "password": PASSWORD}
    arguments |= {"sections": sections, "reason": "Wrong side.", "destinations": (), "now": AT} | other
    return correct_report(house.store, house[who], report.report_id, **arguments)


def first_report(house: House, study: str = "s1") -> int:
    with house.store.begin() as tx:
        return tx.reports.summaries(uid(study))[0].report_id
