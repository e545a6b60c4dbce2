"""The worklist: sorted by urgency, filtered and cut on the server, every column sortable, looks on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.delivery import DeliveryState
from app.domain.errors import NotAuthorised, Rejected
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.services.delivery import record_failed
from app.services.reading import (
    SortKey,
    WorklistQuery,
    WorklistRow,
    open_study,
    refresh_worklist,
    worklist,
)
from tests.unit.services.conftest import NOW, QUIET, WORKER, House, draft_of, image, uid

AT = NOW + timedelta(minutes=1)
_MANY = """
    INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)
    SELECT 'P' || n, '', 'Family' || lpad((n * 7919 % 1000)::text, 4, '0') || '^Given', '19500101', 'O', ''
      FROM generate_series(1, 1000) AS n;
    INSERT INTO studies (study_uid, patient_row_id, accession_number, study_date, study_time, description,
                         referring_physician, modality, body_part, state, reason, revision, priority,
                         priority_reason, calling_ae, called_ae, received_at, last_instance_at, completed_at)
    SELECT '1.2.' || n, p.id, 'A' || n, '202611' || lpad((1 + n % 20)::text, 2, '0'), '0800',
           'study ' || n, '', (ARRAY['CR', 'DX', 'CT'])[1 + n % 3], '',
           (ARRAY['DRAFTED', 'UNDRAFTED', 'COMPLETE'])[1 + n % 3], '', 1,
           (ARRAY[0, 0, 0, 50, 100])[1 + n % 5], 'why', 'AE', 'US',
           now() - n * interval '1 minute', now(), now()
      FROM generate_series(1, 1000) AS n JOIN patients AS p ON p.patient_id = 'P' || n;
    INSERT INTO instances (sop_uid, study_uid, series_uid, sop_class_uid, transfer_syntax_uid, modality,
                           sha256, size, revision, received_at)
    SELECT '1.3.' || n || '.' || m, '1.2.' || n, '1.4', '1.5', '1.6', 'CR', '', 1, 1, now()
      FROM generate_series(1, 1000) AS n, generate_series(1, 1 + n % 4) AS m;
    INSERT INTO reports (study_uid, revision, ai_model, state, version, updated_at)
    SELECT '1.2.' || n, r, '', CASE WHEN r = 1 AND n % 10 = 0 THEN 'SUPERSEDED' ELSE 'DRAFTED' END, 1, now()
      FROM generate_series(3, 1000, 3) AS n, generate_series(1, CASE WHEN n % 10 = 0 THEN 2 ELSE 1 END) AS r;
"""


@pytest.fixture
def thousand(house: House) -> House:
    """A thousand studies, a third of them with a report."""
    with house.store.begin() as tx:
        for statement in _MANY.split(";"):
            if statement.strip():
                tx.session.execute(text(statement))
    return house


def _all(house: House, **query: Any) -> list[WorklistRow]:
    """Every row that a query finds, page by page."""

    def pages() -> Iterator[WorklistRow]:
        offset = 0
        while True:
            page = worklist(
                house.store, house["viewer"], WorklistQuery(limit=600, offset=offset, **query), now=AT
            )
            yield from page.rows
            offset += 600
            if offset >= page.total:
                return

    return list(pages())


@pytest.mark.covers("U1")
def test_a_thousand_studies_stand_by_urgency_then_by_waiting_time(thousand: House) -> None:
    rows = _all(thousand)
    assert len({row.study.study_uid for row in rows}) == 1000
    keys = [(-row.study.priority, row.study.received_at, row.study.study_uid) for row in rows]
    assert keys == sorted(keys)


@pytest.mark.covers("U1")
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
def test_every_column_sorts_across_pages(thousand: House, descending: bool) -> None:
    columns = {
        SortKey.PRIORITY: lambda r: r.study.priority,
        SortKey.RECEIVED: lambda r: r.study.received_at,
        SortKey.PATIENT: lambda r: r.study.patient.name.lower(),
        SortKey.PATIENT_ID: lambda r: r.study.patient.patient_id.lower(),
        SortKey.ACCESSION: lambda r: r.study.accession_number,
        SortKey.STUDY_DATE: lambda r: r.study.study_date,
        SortKey.MODALITY: lambda r: r.study.modality,
        SortKey.DESCRIPTION: lambda r: r.study.description,
        SortKey.IMAGES: lambda r: r.study.instance_count,
        SortKey.STUDY_STATE: lambda r: r.study.state.value,
        SortKey.REPORT_STATE: lambda r: r.report_state and r.report_state.value,
        SortKey.LOCK: lambda r: r.lock_owner or None,
        SortKey.DELIVERY: lambda r: r.delivery_state and r.delivery_state.value,
    }
    assert set(columns) == set(SortKey)
    for key, value_of in columns.items():
        rows = _all(thousand, sort=key, descending=descending)
        assert len({row.study.study_uid for row in rows}) == 1000
        values = [value_of(row) for row in rows]
        present = [value for value in values if value is not None]
        assert values == sorted(present, reverse=descending) + [None] * (1000 - len(present)), key


@pytest.mark.covers("U1")
def test_filters_narrow_on_the_server(thousand: House) -> None:
    assert {r.study.modality for r in _all(thousand, modality="CT")} == {"CT"}
    rows = _all(thousand, states=(StudyState.UNDRAFTED, StudyState.COMPLETE))
    assert {r.study.state for r in rows} == {StudyState.UNDRAFTED, StudyState.COMPLETE}
    rows = _all(thousand, report_states=(ReportState.DRAFTED,))
    assert len(rows) == 333
    assert _all(thousand, report_states=(ReportState.SUPERSEDED,)) == []
    assert [r.study.study_uid for r in _all(thousand, text="STUDY 777")] == ["1.2.777"]
    assert [r.study.study_uid for r in _all(thousand, text="a1000")] == ["1.2.1000"]
    (row,) = _all(thousand, text="family0919^", modality="")
    assert row.study.patient.name == "Family0919^Given"
    assert [r.study.study_uid for r in _all(thousand, text=" a1000\x00\ud800")] == []
    assert [r.study.study_uid for r in _all(thousand, text=" a1000\x00 ")] == ["1.2.1000"]
    assert _all(thousand, text="%") == _all(thousand, text="_") == []


def test_pages_know_the_total_also_past_the_end(thousand: House) -> None:
    query = WorklistQuery(modality="CT", limit=10, offset=5000)
    page = worklist(thousand.store, thousand["viewer"], query, now=AT)
    assert (page.rows, page.total) == ((), 333)


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (1001, 0), (10, -1)])
def test_senseless_pages_are_refused(house: House, limit: int, offset: int) -> None:
    with pytest.raises(Rejected):
        worklist(house.store, house["viewer"], WorklistQuery(limit=limit, offset=offset), now=AT)


@pytest.mark.covers("U2", "U3", "P5")
def test_a_row_tells_where_the_study_stands(house: House) -> None:
    house.signed("s1")
    house.drafted("s2")
    open_study(house.store, house["resident"], uid("s2"), now=AT)
    house.undrafted("s3", "model unavailable")
    house.receive(image("s4"))
    house.complete()
    house.draft("s4", content=draft_of("s4", findings=["Pneumothorax"]))
    house.receive(image("s5", requested_priority="STAT"))
    record_failed(house.store, WORKER, 1, "PACS away", final=True, now=AT)

    rows = {row.study.accession_number: row for row in _all(house)}
    assert list(rows)[:2] == ["acc-s5", "acc-s4"]
    assert rows["acc-s4"].study.priority_reason == "AI: possible pneumothorax"
    assert (rows["acc-s1"].report_state, rows["acc-s1"].delivery_state, rows["acc-s1"].delivery_reason) == (
        ReportState.SIGNED,
        DeliveryState.DEAD,
        "PACS away",
    )
    assert (rows["acc-s2"].report_state, rows["acc-s2"].lock_owner) == (ReportState.IN_REVIEW, "Dr Resident")
    assert rows["acc-s2"].locked_until == AT + timedelta(minutes=15)
    assert (rows["acc-s3"].study.reason, rows["acc-s3"].report_state) == (
        "model unavailable",
        ReportState.DRAFTED,
    )
    assert (rows["acc-s5"].report_id, rows["acc-s5"].delivery_state) == (None, None)
    later = worklist(house.store, house["viewer"], WorklistQuery(text="acc-s2"), now=AT + timedelta(hours=1))
    assert later.rows[0].lock_owner == ""


@pytest.mark.covers("L12")
def test_the_newest_report_stands_in_the_row(house: House) -> None:
    house.signed()
    house.receive(image("s1", 2), now=AT)
    (row,) = _all(house)
    assert (row.study.revision, row.report_revision, row.report_state) == (2, 1, ReportState.SIGNED)
    house.complete(now=AT + QUIET)
    house.draft(revision=2)
    (row,) = _all(house)
    assert (row.report_revision, row.report_state) == (2, ReportState.DRAFTED)
    assert row.delivery_state is DeliveryState.PENDING


@pytest.mark.covers("A1", "C3")
def test_each_query_is_on_record_without_what_was_searched_for(house: House) -> None:
    house.drafted()
    query = WorklistQuery(text="Name^S1", states=(StudyState.DRAFTED,))
    worklist(house.store, house["attending"], query, now=AT)
    (entry,) = house.log("list studies")
    assert entry.detail["filters"] == ["text", "states"]
    assert (entry.username, entry.source, entry.detail["total"]) == ("attending", "10.0.0.9", 1)
    assert "Name" not in str(entry)


def test_a_list_that_stays_on_the_screen_is_recorded_once_in_a_quarter_of_an_hour(house: House) -> None:
    house.drafted()
    for minutes in range(0, 31):
        at = AT + timedelta(minutes=minutes)
        assert refresh_worklist(house.store, house["viewer"], WorklistQuery(), now=at).total == 1
    assert [entry.at for entry in house.log("list studies")] == [
        AT,
        AT + timedelta(minutes=16),
    ]
    with pytest.raises(NotAuthorised):
        refresh_worklist(house.store, house["auditor"], WorklistQuery(), now=AT)
