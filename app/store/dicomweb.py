"""What DICOMweb lists: studies, series and instances, narrowed, ordered and cut on the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, true, tuple_
from sqlalchemy.orm import Session

from app.domain.audit import AuditEvent
from app.domain.dicomweb import Found, InstanceFacts, Level, Page, Search, SeriesFacts, StudyFacts
from app.domain.study import Instance
from app.domain.study_access import Reader
from app.store.dicomweb_match import conditions_of
from app.store.study_access import open_to
from app.store.study_rows import as_instance, as_study, select_study
from app.store.tables import AuditRow, InstanceRow, PatientRow, StudyRow

Pair = tuple[str, str]


class DicomwebIndex:
    """Reading only, as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def search(self, search: Search, *, reader: Reader | None, now: datetime) -> Page:
        """Return one page of a search, newest studies first: what the reader may open, all without one."""
        chosen = self._session.execute(_chosen(search, reader, now)).all()
        if not chosen and search.offset:
            return Page((), 0)
        total = chosen[0].total if chosen else 0
        rows = self._describe(search.level, chosen)
        return Page(rows, max(total - search.offset - len(rows), 0))

    def instances(
        self, study_uid: str, *, series_uid: str | None = None, sop_uid: str | None = None
    ) -> tuple[Instance, ...]:
        """Return the instances of a study, of one of its series, or one instance of that series, in order."""
        wanted = select(InstanceRow).where(InstanceRow.study_uid == study_uid)
        if series_uid is not None:
            wanted = wanted.where(InstanceRow.series_uid == series_uid)
        if sop_uid is not None:
            wanted = wanted.where(InstanceRow.sop_uid == sop_uid)
        ordered = wanted.order_by(InstanceRow.series_uid, InstanceRow.instance_number, InstanceRow.sop_uid)
        return tuple(as_instance(row) for row in self._session.scalars(ordered))

    def was_retrieved(self, username: str, study_uid: str, *, since: datetime) -> bool:
        """Tell whether this caller was given images of the study, on record, since this time."""
        given = select(AuditRow.seq).where(
            AuditRow.study_uid == study_uid,
            AuditRow.event == AuditEvent.INSTANCES_RETRIEVED.value,
            AuditRow.username == username,
            AuditRow.at >= since,
        )
        return self._session.scalars(given.limit(1)).one_or_none() is not None

    def _describe(self, level: Level, chosen: Sequence[Any]) -> tuple[Found, ...]:
        studies = self._studies({row.study_uid for row in chosen})
        if level is Level.STUDY:
            return tuple(studies[row.study_uid] for row in chosen)
        pairs = [(row.study_uid, row.series_uid) for row in chosen]
        series = self._series(set(pairs), studies)
        if level is Level.SERIES:
            return tuple(series[pair] for pair in pairs)
        wanted = select(InstanceRow).where(InstanceRow.sop_uid.in_([row.sop_uid for row in chosen]))
        instances = {row.sop_uid: as_instance(row) for row in self._session.scalars(wanted)}
        return tuple(
            InstanceFacts(series[pair], instances[row.sop_uid])
            for pair, row in zip(pairs, chosen, strict=True)
        )

    def _studies(self, uids: Iterable[str]) -> dict[str, StudyFacts]:
        counted = (
            select(
                func.array_agg(InstanceRow.modality.distinct()).label("modalities"),
                func.count(InstanceRow.series_uid.distinct()).label("series_count"),
                func.min(InstanceRow.sop_uid).label("any_sop_uid"),
            )
            .where(InstanceRow.study_uid == StudyRow.study_uid)
            .correlate(StudyRow)
            .lateral("counted")
        )
        wanted: Select[Any] = select_study().add_columns(
            counted.c.modalities, counted.c.series_count, counted.c.any_sop_uid
        )
        wanted = wanted.join(counted, true()).where(StudyRow.study_uid.in_(list(uids)))
        return {
            row[0].study_uid: StudyFacts(
                study=as_study(row[0], row[1], row[2]),
                modalities=tuple(sorted(name for name in row.modalities or () if name)),
                series_count=row.series_count,
                any_sop_uid=row.any_sop_uid or "",
            )
            for row in self._session.execute(wanted)
        }

    def _series(self, pairs: set[Pair], studies: dict[str, StudyFacts]) -> dict[Pair, SeriesFacts]:
        wanted = (
            select(
                InstanceRow.study_uid,
                InstanceRow.series_uid,
                func.min(InstanceRow.modality).label("modality"),
                func.count().label("instance_count"),
                func.min(InstanceRow.sop_uid).label("any_sop_uid"),
            )
            .where(tuple_(InstanceRow.study_uid, InstanceRow.series_uid).in_(list(pairs)))
            .group_by(InstanceRow.study_uid, InstanceRow.series_uid)
        )
        return {
            (row.study_uid, row.series_uid): SeriesFacts(
                study=studies[row.study_uid],
                series_uid=row.series_uid,
                modality=row.modality,
                instance_count=row.instance_count,
                any_sop_uid=row.any_sop_uid,
            )
            for row in self._session.execute(wanted)
        }


def _chosen(search: Search, reader: Reader | None, now: datetime) -> Select[Any]:
    """Return the query for the page's identities alone; what they are described by is read for them only."""
    total = func.count().over().label("total")
    newest = (StudyRow.study_date.desc(), StudyRow.study_time.desc(), StudyRow.study_uid)
    if search.level is Level.STUDY:
        wanted = _beside_patient(select(StudyRow.study_uid, total)).order_by(*newest)
    else:
        columns = (InstanceRow.study_uid, InstanceRow.series_uid)
        named = columns if search.level is Level.SERIES else (*columns, InstanceRow.sop_uid)
        joined = select(*named, total).join(StudyRow, StudyRow.study_uid == InstanceRow.study_uid)
        wanted = _beside_patient(joined)
        if search.level is Level.SERIES:
            grouped = (*columns, StudyRow.study_uid)
            wanted = wanted.group_by(*grouped).order_by(*newest, InstanceRow.series_uid)
        else:
            wanted = wanted.order_by(
                *newest, InstanceRow.series_uid, InstanceRow.instance_number, InstanceRow.sop_uid
            )
    if reader is not None:
        wanted = wanted.where(open_to(reader, now=now))
    return wanted.where(*conditions_of(search.matches)).limit(search.limit).offset(search.offset)


def _beside_patient(wanted: Any) -> Select[Any]:
    joined: Select[Any] = wanted.join(PatientRow, PatientRow.id == StudyRow.patient_row_id)
    return joined
