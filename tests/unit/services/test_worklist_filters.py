"""Every filter and order of the worklist against a model in Python; saved filters and what is kept of them.

Not covered: how fast it is (`bench/worklist.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.delivery import DeliveryState
from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.kept_query import as_json, query_of, to_keep
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.worklist import Dates, SortKey, Span, WorklistQuery
from app.services import saved_filters
from app.services.delivery import record_failed
from app.services.reading import WorklistRow, open_study, worklist
from app.store.worklist_choice import ATTENTION
from tests.unit.services.conftest import NOW, WORKER, House, draft_of, image, uid

AT = NOW + timedelta(hours=12)
ZONES = (UTC, ZoneInfo("Pacific/Auckland"))

DATES = st.builds(
    Dates,
    st.sampled_from(Span),
    st.none() | st.dates(date(2026, 11, 10), date(2026, 11, 24)),
    st.none() | st.dates(date(2026, 11, 10), date(2026, 11, 24)),
)
TEXTS = st.sampled_from(("", "s1", "S2", "NAME", "chest", "id-of-s", "_", "zz"))
QUERIES = st.builds(
    WorklistQuery,
    text=TEXTS,
    patient=TEXTS,
    patient_id=TEXTS,
    accession=TEXTS,
    description=TEXTS,
    reader=st.sampled_from(("", "resident", "zz")),
    modality=st.sampled_from(("", "CR", "CT")),
    states=st.lists(st.sampled_from(StudyState), max_size=2).map(tuple),
    report_states=st.lists(st.sampled_from(ReportState), max_size=3).map(tuple),
    delivery_states=st.lists(st.sampled_from(DeliveryState), max_size=2).map(tuple),
    priorities=st.lists(st.sampled_from((0, 50, 100)), max_size=2).map(tuple),
    fewest_images=st.none() | st.integers(0, 3),
    most_images=st.none() | st.integers(0, 3),
    received=DATES,
    studied=DATES,
    zone=st.sampled_from(ZONES),
    sort=st.sampled_from(SortKey),
    descending=st.booleans(),
    limit=st.integers(1, 4),
    offset=st.integers(0, 10),
)


def _fill(house: House) -> tuple[WorklistRow, ...]:
    """Nine studies, all of them different; returns their rows."""
    house.signed("s1")
    record_failed(house.store, WORKER, 1, "PACS away", final=True, now=NOW)
    house.drafted("s2")
    open_study(house.store, house["resident"], uid("s2"), now=AT)
    house.undrafted("s3", "model unavailable")
    house.receive(image("s4", received_at=NOW - timedelta(hours=20)))
    house.complete()
    house.draft("s4", content=draft_of("s4", findings=["Pneumothorax"]))
    house.receive(image("s5", requested_priority="STAT", modality="CT", study_time=""))
    for number in (1, 2, 3):
        house.receive(image("s6", number, study_date="20261115", received_at=NOW - timedelta(days=3)))
    house.receive(image("s7", study_date="", description="", patient_name="NAME", accession_number=""))
    house.signed("s8")
    house.receive(image("s9", received_at=NOW - timedelta(days=9), study_date="20261113"))
    house.complete()
    every = WorklistQuery(states=tuple(StudyState), limit=100)
    return worklist(house.store, house["viewer"], every, now=AT).rows


def _contains(part: str, *places: str) -> bool:
    return not part or any(part.lower() in place.lower() for place in places)


def _inside(dates: Dates, zone: Any, at: datetime | None) -> bool:
    since, before = dates.bounds(AT, zone)
    if since is None and before is None:
        return True
    return at is not None and (since is None or at >= since) and (before is None or at < before)


def _studied(row: WorklistRow, zone: Any) -> datetime | None:
    study = row.study
    if not study.study_date:
        return None
    written = study.study_date + (study.study_time + "000000")[:6]
    return datetime.strptime(written, "%Y%m%d%H%M%S").replace(tzinfo=zone)


def _matches(query: WorklistQuery, row: WorklistRow) -> bool:
    study, who = row.study, row.study.patient
    everywhere = (who.name, who.patient_id, study.accession_number, study.description)
    return (
        _contains(query.text, *everywhere)
        and _contains(query.patient, who.name)
        and _contains(query.patient_id, who.patient_id)
        and _contains(query.accession, study.accession_number)
        and _contains(query.description, study.description)
        and _contains(query.reader, row.lock_owner)
        and query.modality in {"", study.modality}
        and (study.state in query.states if query.states else study.state is not StudyState.EXCLUDED)
        and (not query.report_states or row.report_state in query.report_states)
        and (not query.delivery_states or row.delivery_state in query.delivery_states)
        and (not query.priorities or study.priority in query.priorities)
        and (query.fewest_images is None or study.instance_count >= query.fewest_images)
        and (query.most_images is None or study.instance_count <= query.most_images)
        and _inside(query.received, query.zone, study.received_at)
        and _inside(query.studied, query.zone, _studied(row, query.zone))
    )


VALUES: dict[SortKey, Callable[[WorklistRow], Any]] = {
    SortKey.PRIORITY: lambda r: r.study.priority,
    SortKey.RECEIVED: lambda r: r.study.received_at,
    SortKey.PATIENT: lambda r: r.study.patient.name.lower(),
    SortKey.PATIENT_ID: lambda r: r.study.patient.patient_id.lower(),
    SortKey.ACCESSION: lambda r: r.study.accession_number,
    SortKey.STUDY_DATE: lambda r: r.study.study_date + r.study.study_time,
    SortKey.MODALITY: lambda r: r.study.modality,
    SortKey.DESCRIPTION: lambda r: r.study.description.lower(),
    SortKey.IMAGES: lambda r: r.study.instance_count,
    SortKey.STUDY_STATE: lambda r: r.study.state.value,
    SortKey.REPORT_STATE: lambda r: r.report_state and r.report_state.value,
    SortKey.LOCK: lambda r: r.lock_owner or None,
    SortKey.DELIVERY: lambda r: None if r.delivery_state is None else ATTENTION.index(r.delivery_state),
}


def _in_order(query: WorklistQuery, rows: list[WorklistRow]) -> list[WorklistRow]:
    value_of = VALUES[query.sort]
    rows = sorted(rows, key=lambda r: (r.study.received_at, r.study.study_uid))
    given = [row for row in rows if value_of(row) is not None]
    given.sort(key=value_of, reverse=query.descending)
    return given + [row for row in rows if value_of(row) is None]


@pytest.mark.covers("U1")
def test_every_filter_and_order_agrees_with_the_model(house: House) -> None:
    rows = _fill(house)
    assert len(rows) == 9
    assert set(VALUES) == set(SortKey)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(QUERIES, st.sets(st.integers(0, 12), max_size=2))
    def agree(query: WorklistQuery, keeps: set[int]) -> None:
        # all filters at once find nothing: at most two of them each time
        named = [name for place, name in enumerate(query.filters) if place not in keeps]
        query = replace(query, **{name: getattr(WorklistQuery(), name) for name in named})
        page = worklist(house.store, house["viewer"], query, now=AT)
        wanted = _in_order(query, [row for row in rows if _matches(query, row)])
        assert page.total == len(wanted)
        shown = [row.study.study_uid for row in page.rows]
        cut = wanted[query.offset : query.offset + query.limit]
        assert shown == [row.study.study_uid for row in cut]

    agree()


@given(QUERIES)
def test_query_survives_its_json(query: WorklistQuery) -> None:
    assert query_of(as_json(query)) == query


@pytest.mark.parametrize("kept", [None, [], {"text": 1}, {"sort": "zz"}, {"zz": 1}, {"received": ["today"]}])
def test_json_that_is_no_query_is_refused(kept: object) -> None:
    with pytest.raises(Rejected):
        query_of(kept)


@pytest.mark.covers("A1")
def test_what_is_kept_of_a_query_names_no_patient() -> None:
    query = WorklistQuery(
        text="a", patient="b", patient_id="c", accession="d", description="e", modality="CT"
    )
    assert to_keep(query) == {"modality": "CT"}


@pytest.mark.covers("U1")
def test_filters_are_saved_renamed_deleted_and_one_is_the_first(house: House) -> None:
    who = (house.store, house["resident"])
    saved_filters.save_filter(*who, "CT today", WorklistQuery(modality="CT", patient="x"), now=AT)
    saved_filters.save_filter(*who, "mine", WorklistQuery(sort=SortKey.RECEIVED), now=AT)
    saved_filters.choose_default(*who, "mine", now=AT)
    saved_filters.rename_filter(*who, "CT today", "CT", now=AT)
    first, second = saved_filters.saved_filters(*who, now=AT)
    assert (first.name, first.query, first.is_default) == ("CT", WorklistQuery(modality="CT"), False)
    assert (second.query.sort, second.is_default) == (SortKey.RECEIVED, True)
    with pytest.raises(Conflict):
        saved_filters.rename_filter(*who, "CT", "mine", now=AT)
    saved_filters.delete_filter(*who, "CT", now=AT)
    with pytest.raises(NotFound):
        saved_filters.delete_filter(*who, "CT", now=AT)
    assert [one.name for one in saved_filters.saved_filters(*who, now=AT)] == ["mine"]
    assert saved_filters.saved_filters(house.store, house["attending"], now=AT) == ()
    with pytest.raises(Rejected):
        saved_filters.save_filter(*who, " ", WorklistQuery(), now=AT)
