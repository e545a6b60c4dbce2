"""Groups and restricted studies; `open_to` is the one condition that every list of studies is narrowed by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, false, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.errors import Conflict, NotFound
from app.domain.prior import PRIOR_REASON
from app.domain.retention import SELF_TEST_TITLE
from app.domain.study import StudyState
from app.domain.study_access import MaskedStudy, Reader, Restriction, StudyGroup
from app.store.study_rows import CorrectedPatient, with_patients
from app.store.tables import PatientRow, StudyRow, UserRow
from app.store.tables_access import (
    EmergencyRow,
    StudyAccessGroupRow,
    StudyAccessRow,
    StudyGroupMemberRow,
    StudyGroupRow,
)
from app.store.tables_rules import RuleVersionRow

_MOST_MASKED = 20


class StudyAccess:
    """Who may open which study, as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def groups(self) -> tuple[StudyGroup, ...]:
        """Return every group, by name."""
        members: dict[int, list[str]] = {}
        joined = select(StudyGroupMemberRow.group_id, UserRow.username).join(
            UserRow, UserRow.id == StudyGroupMemberRow.user_id
        )
        for group_id, username in self._session.execute(joined.order_by(UserRow.username)):
            members.setdefault(group_id, []).append(username)
        counted = select(StudyAccessGroupRow.group_id, func.count()).group_by(StudyAccessGroupRow.group_id)
        studies = {row[0]: row[1] for row in self._session.execute(counted)}
        return tuple(
            StudyGroup(row.name, tuple(members.get(row.id, ())), studies.get(row.id, 0))
            for row in self._session.scalars(select(StudyGroupRow).order_by(StudyGroupRow.name))
        )

    def add_group(self, name: str, *, now: datetime) -> bool:
        """Add a group; False when there is one of this name."""
        added = insert(StudyGroupRow).values(name=name, created_at=now).on_conflict_do_nothing()
        return self._session.scalar(added.returning(StudyGroupRow.id)) is not None

    def remove_group(self, name: str) -> None:
        """Remove a group and its memberships.

        Raises
        ------
        NotFound, Conflict
            If there is none of this name, or studies are restricted to it: they would be open to everybody.
        """
        group_id = self._group(name, for_update=True)
        guarded = select(func.count()).where(StudyAccessGroupRow.group_id == group_id)
        count = self._session.scalars(guarded).one()
        if count:
            raise Conflict(f"{count} studies are restricted to {name}: lift or change that first")
        self._session.execute(delete(StudyGroupMemberRow).where(StudyGroupMemberRow.group_id == group_id))
        self._session.execute(delete(StudyGroupRow).where(StudyGroupRow.id == group_id))

    def add_member(self, name: str, user_id: int) -> bool:
        """Put an account into a group; False when it is in there."""
        added = insert(StudyGroupMemberRow).values(group_id=self._group(name), user_id=user_id)
        once = added.on_conflict_do_nothing().returning(StudyGroupMemberRow.user_id)
        return self._session.scalar(once) is not None

    def remove_member(self, name: str, user_id: int) -> bool:
        """Take an account out of a group; False when it was not in there."""
        member = delete(StudyGroupMemberRow).where(
            StudyGroupMemberRow.group_id == self._group(name), StudyGroupMemberRow.user_id == user_id
        )
        return self._session.scalar(member.returning(StudyGroupMemberRow.user_id)) is not None

    def restriction(self, study_uid: str) -> Restriction | None:
        """Return what was decided about a study; None when nothing was."""
        row = self._session.get(StudyAccessRow, study_uid, populate_existing=True)
        if row is None:
            return None
        named = select(StudyGroupRow.name).join(
            StudyAccessGroupRow, StudyAccessGroupRow.group_id == StudyGroupRow.id
        )
        groups = self._session.scalars(named.where(StudyAccessGroupRow.study_uid == study_uid))
        return Restriction(frozenset(groups), row.by_hand, row.reason, row.username, row.decided_at)

    def restrict(self, study_uid: str, decided: Restriction) -> None:
        """Write what was decided about a study whose row the caller holds."""
        values = {
            "by_hand": decided.by_hand,
            "reason": decided.reason,
            "username": decided.username,
            "decided_at": decided.decided_at,
        }
        written = insert(StudyAccessRow).values(study_uid=study_uid, **values)
        self._session.execute(
            written.on_conflict_do_update(index_elements=[StudyAccessRow.study_uid], set_=values)
        )
        self._session.execute(delete(StudyAccessGroupRow).where(StudyAccessGroupRow.study_uid == study_uid))
        for name in sorted(decided.groups):
            self._session.add(StudyAccessGroupRow(study_uid=study_uid, group_id=self._group(name)))
        self._session.flush()

    def is_open_to(self, reader: Reader, study_uid: str) -> bool:
        """Tell whether a reader may open a study without an emergency."""
        wanted = select(StudyRow.study_uid).where(StudyRow.study_uid == study_uid, _open_by_group(reader))
        return self._session.scalar(wanted) is not None

    def closed_to(self, reader: Reader, study_uids: Sequence[str], *, now: datetime) -> frozenset[str]:
        """Return those of the studies that a reader may not open at this moment."""
        wanted = select(StudyRow.study_uid).where(
            StudyRow.study_uid.in_(study_uids), ~open_to(reader, now=now)
        )
        return frozenset(self._session.scalars(wanted))

    def masked(self, reader: Reader, text: str, *, now: datetime) -> tuple[MaskedStudy, ...]:
        """Return studies closed to the reader whose accession number or PatientID is exactly `text`."""
        named = or_(
            StudyRow.accession_number == text,
            PatientRow.patient_id == text,
            CorrectedPatient.patient_id == text,
        )
        wanted = with_patients(select(StudyRow.study_uid, StudyRow.study_date, StudyRow.modality)).where(
            named, ~open_to(reader, now=now), StudyRow.calling_ae != SELF_TEST_TITLE
        )
        newest = wanted.order_by(StudyRow.study_date.desc(), StudyRow.study_uid).limit(_MOST_MASKED)
        return tuple(MaskedStudy(*row) for row in self._session.execute(newest))

    def _group(self, name: str, *, for_update: bool = False) -> int:
        wanted = select(StudyGroupRow.id).where(StudyGroupRow.name == name)
        group_id = self._session.scalar(wanted.with_for_update() if for_update else wanted)
        if group_id is None:
            raise NotFound(f"there is no group {name}")
        return group_id


def open_to(reader: Reader, *, now: datetime) -> ColumnElement[bool]:
    """Return the condition on `StudyRow` for the studies that a reader may open at this moment."""
    if reader.user_id is None:
        return _open_by_group(reader)
    running = exists().where(
        EmergencyRow.study_uid == StudyRow.study_uid,
        EmergencyRow.user_id == reader.user_id,
        EmergencyRow.ended_at.is_(None),
        EmergencyRow.ends_at > now,
    )
    return or_(_open_by_group(reader), running.correlate(StudyRow))


def _open_by_group(reader: Reader) -> ColumnElement[bool]:
    restricted = exists().where(StudyAccessGroupRow.study_uid == StudyRow.study_uid).correlate(StudyRow)
    return or_(and_(~restricted, ~_awaits_rules()), _in_group(reader))


def _in_group(reader: Reader) -> ColumnElement[bool]:
    guarding = exists().where(StudyAccessGroupRow.study_uid == StudyRow.study_uid)
    if reader.user_id is None:
        named = guarding.where(
            StudyGroupRow.id == StudyAccessGroupRow.group_id, StudyGroupRow.name.in_(reader.groups)
        )
        return named.correlate(StudyRow)
    member = guarding.where(
        StudyGroupMemberRow.group_id == StudyAccessGroupRow.group_id,
        StudyGroupMemberRow.user_id == reader.user_id,
    )
    return member.correlate(StudyRow)


def unrouted_prior() -> ColumnElement[bool]:
    """Return the condition on `StudyRow` for fetched priors that no rule was asked about."""
    return and_(
        StudyRow.state == StudyState.EXCLUDED.value,
        StudyRow.reason == PRIOR_REASON,
        StudyRow.routing.is_(None),
    )


def _awaits_rules() -> ColumnElement[bool]:
    """Hold while the rules in force may restrict a study and were not asked about it yet."""
    newest = select(RuleVersionRow.restricts).order_by(RuleVersionRow.id.desc()).limit(1)
    decided = exists().where(StudyAccessRow.study_uid == StudyRow.study_uid).correlate(StudyRow)
    arriving = and_(StudyRow.state == StudyState.RECEIVING.value, StudyRow.revision == 1)
    return and_(
        or_(arriving, unrouted_prior()),
        ~decided,
        func.coalesce(newest.scalar_subquery(), false()),
    )
