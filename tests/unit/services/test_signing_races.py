"""One version is signed twice at the same moment, each time in a thread and transaction of its own.

By the holder and a colleague who takes over, and, in turn, by the holder in two windows: there nothing but
the version decides. Covered: one winner, the other told. Not covered: two processes; the database decides in
both cases.
"""

from __future__ import annotations

import threading

import pytest

from app.domain.errors import InvalidTransition, LockedByOther, StaleVersion
from app.domain.report import Report, ReportState
from app.services.reading import open_study, take_over
from app.services.signing import sign
from tests.reliability import record
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, uid

AT = NOW + QUIET


def _race(house: House, report: Report, racers: tuple[str, str]) -> list[str]:
    start, outcome = threading.Barrier(2), []

    def signs(who: str) -> None:
        start.wait(60)
        try:
            if who == "colleague":
                take_over(house.store, house[who], report.report_id, from_user="attending", now=AT)
            sign(
                house.store, house[who], report.report_id,
                version=report.version, password=PASSWORD, destinations=[PACS], now=AT,
            )  # fmt: skip
            outcome.append(who)
        except (InvalidTransition, LockedByOther, StaleVersion):
            outcome.append("told")

    readers = [threading.Thread(target=signs, args=(who,)) for who in racers]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    return outcome


@pytest.mark.covers("T39")
@pytest.mark.parametrize("races", [3, pytest.param(100, marks=pytest.mark.slow)], ids=["quick", "slow"])
def test_two_who_sign_one_version_leave_one_signature(house: House, races: int) -> None:
    won = []
    for number in range(races):
        name = f"race-{number}"
        report = house.accepted(house.drafted(name), "attending")
        open_study(house.store, house["colleague"], uid(name), now=AT)
        outcome = _race(house, report, ("attending", ("colleague", "attending")[number % 2]))
        winners = [who for who in outcome if who != "told"]
        assert (len(outcome), len(winners)) == (2, 1), outcome
        assert house.report(report.report_id).state is ReportState.SIGNED
        assert house.count("attestations", f"report_id = {report.report_id}") == 1
        assert house.count("deliveries", f"report_id = {report.report_id}") == 1
        won += winners
    taken = won.count("colleague")
    record(
        f"signing_races_{races}",
        "a version is signed twice at the same moment (threads): in turn by holder and taker, by two windows",
        f"{races} races, {len(won)} signatures ({taken} by who took over), the other told each time",
        figures={"races": races, "signatures": len(won), "taken_over": taken},
    )
