"""Restricted studies over DICOMweb: no search finds them, no address gives them out, nobody is told of them.

Covered: people and machines, every address that gives something out, emergency access. Not covered: who may
decide (`tests/unit/services/test_study_access.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread

from app.domain.access import Actor
from app.services import study_groups
from app.services.emergency import end_emergency, start_emergency
from tests.dicomweb.conftest import Site
from tests.dicomweb.test_callers import session_of

GROUP = "staff health"


def person(site: Site, username: str) -> Actor:
    with site.store.begin() as tx:
        user = tx.users.by_username(username)
        assert user is not None
        return user.act(source="127.0.0.1")


@pytest.fixture
def restricted(site: Site, ct_slice: Path) -> str:
    """A study that Rana may open."""
    now = datetime.now(UTC)
    site.have(ct_slice)
    study_uid, admin = str(dcmread(ct_slice).StudyInstanceUID), person(site, "adam")
    if not study_groups.list_groups(site.store, admin, now=now):
        study_groups.add_group(site.store, admin, GROUP, now=now)
    study_groups.change_member(site.store, admin, GROUP, "rana", is_member=True, now=now)
    study_groups.restrict_study(site.store, admin, study_uid, [GROUP], "an employee", now=now)
    return study_uid


def searches(study: str) -> tuple[str, ...]:
    return (
        "/studies",
        f"/studies?StudyInstanceUID={study}",
        "/series",
        "/instances",
        f"/studies/{study}/series",
        f"/studies/{study}/instances",
    )


def retrievals(file: Path, study: str) -> tuple[str, ...]:
    header = dcmread(file, stop_before_pixels=True)
    series = f"/studies/{study}/series/{header.SeriesInstanceUID}"
    instance = f"{series}/instances/{header.SOPInstanceUID}"
    return (
        f"/studies/{study}",
        series,
        instance,
        *(f"{part}/metadata" for part in (f"/studies/{study}", series, instance)),
        f"{instance}/frames/1",
        f"{instance}/rendered",
        f"{instance}/frames/1/rendered",
        f"{instance}/bulkdata/7FE00010",
    )


def answers(client: httpx.Client, paths: tuple[str, ...]) -> list[int]:
    return [client.get(path).status_code for path in paths]


@pytest.mark.covers("C2")
def test_restricted_study_is_neither_found_nor_given_out(site: Site, restricted: str, ct_slice: Path) -> None:
    paths = retrievals(ct_slice, restricted)
    absent = tuple(path.replace(restricted, "1.2.3") for path in paths)
    for outsider in (site.client("", **session_of(site, "vera")), site.client("viewer"), site.client()):
        assert set(answers(outsider, searches(restricted))) == {204}
        assert set(answers(outsider, paths)) == {404}
        told = [(outsider.get(path).status_code, outsider.get(path).text) for path in paths]
        assert told == [(outsider.get(path).status_code, outsider.get(path).text) for path in absent]
    denied = {e.username for e in site.events() if e.event == "access denied" and e.study_uid == restricted}
    assert denied == {"vera", "dicomweb/viewer", "dicomweb/both"}
    assert not [e for e in site.events() if e.event == "instances retrieved"]
    member = site.client("", **session_of(site, "rana"))
    assert set(answers(member, searches(restricted))) == {200}
    assert set(answers(member, paths)) == {200}


@pytest.mark.covers("T37")
def test_emergency_access_opens_it_for_its_time_and_is_named_in_the_log(
    site: Site, restricted: str, ct_slice: Path
) -> None:
    vera, now = person(site, "vera"), datetime.now(UTC)
    client, path = site.client("", **session_of(site, "vera")), f"/studies/{restricted}"
    begun = start_emergency(site.store, vera, restricted, "shock room", now=now)
    assert set(answers(client, searches(restricted))) == {200}
    assert set(answers(client, retrievals(ct_slice, restricted))) == {200}
    [given] = [e for e in site.events() if e.event == "instances retrieved"]
    assert given.detail["emergency_id"] == begun.emergency_id
    end_emergency(site.store, vera, begun.emergency_id, now=now)
    assert client.get(path).status_code == 404
    start_emergency(
        site.store, vera, restricted, "again", lasting=timedelta(hours=1), now=now - timedelta(hours=1)
    )
    assert client.get(path).status_code == 404
    assert set(answers(client, searches(restricted))) == {204}


@pytest.mark.covers("C2")
def test_machine_reads_what_its_entry_says(site: Site, restricted: str, ct_slice: Path) -> None:
    settings = site.room.settings
    named = tuple(c.model_copy(update={"groups": (GROUP,)}) for c in settings.dicomweb_clients)
    object.__setattr__(site.room, "settings", settings.model_copy(update={"dicomweb_clients": named}))
    try:
        assert set(answers(site.client("viewer"), searches(restricted))) == {200}
        assert set(answers(site.client("viewer"), retrievals(ct_slice, restricted))) == {200}
    finally:
        object.__setattr__(site.room, "settings", settings)


@pytest.mark.covers("C2")
def test_sender_is_answered_about_what_it_sent_and_nothing_else(
    site: Site, restricted: str, ct_slice: Path
) -> None:
    answer = site.stow(ct_slice)
    assert answer.status_code == 200
    header = dcmread(ct_slice, stop_before_pixels=True)
    assert str(header.PatientName) not in answer.text
    assert site.client().get(answer.json()["00081190"]["Value"][0]).status_code == 404
