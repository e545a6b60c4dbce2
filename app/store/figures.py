"""What the processes count and report: durable counters, signs of life, when a source was last heard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.attestation import Meaning
from app.domain.metrics import Increment, add_up
from app.domain.operations import ProcessLine, SourceLine
from app.domain.retention import SELF_TEST_TITLE
from app.store.tables_operations import CounterRow, HeartbeatRow, SourceRow

_FORGET_PROCESS_AFTER = timedelta(days=1)
_DRAFTED = text("""
    SELECT extract(epoch FROM draft.created_at - study.completed_at) AS whole,
           (SELECT coalesce(sum(value::float), 0) FROM jsonb_each_text(draft.timings) AS part(name, value)
             WHERE name LIKE '%\\_s' AND value ~ '^[0-9.eE+-]+$') AS inside
      FROM drafts AS draft JOIN studies AS study ON study.study_uid = draft.study_uid
     WHERE draft.created_at > :after AND draft.created_at <= :until AND draft.status = 'drafted'
       AND draft.revision = study.revision AND study.completed_at IS NOT NULL
       AND study.calling_ae <> :self_test
""")
_SIGNED = text("""
    SELECT extract(epoch FROM attestation.signed_at - study.completed_at)
      FROM attestations AS attestation
      JOIN reports AS report ON report.id = attestation.report_id
      JOIN studies AS study ON study.study_uid = report.study_uid
     WHERE attestation.signed_at > :after AND attestation.signed_at <= :until
       AND attestation.meaning = :final
       AND report.revision = study.revision AND study.completed_at IS NOT NULL
""")
_SENT = text("""
    SELECT destination, extract(epoch FROM sent_at - created_at) FROM deliveries
     WHERE sent_at > :after AND sent_at <= :until
""")
_OLDEST_UNSENT = text("""
    SELECT destination, min(created_at) FROM deliveries
     WHERE state IN ('PENDING', 'FAILED', 'DEAD') GROUP BY destination ORDER BY destination
""")


class Figures:
    """Counters, signs of life and sources as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, increments: Iterable[Increment]) -> None:
        """Add to durable numbers."""
        rows = [
            {"name": each.name, "labels": json.dumps(dict(each.labels)), "value": each.value}
            for each in add_up(increments)
        ]
        if not rows:
            return
        added = insert(CounterRow)
        total = CounterRow.value + added.excluded.value
        keys = [CounterRow.name, CounterRow.labels]
        self._session.execute(added.on_conflict_do_update(index_elements=keys, set_={"value": total}), rows)

    def counters(self) -> list[tuple[str, dict[str, str], float]]:
        """Return every durable number: name, labels, value."""
        rows = self._session.scalars(select(CounterRow).order_by(CounterRow.name, CounterRow.labels))
        return [(row.name, json.loads(row.labels), row.value) for row in rows]

    def advance(self, mark: str, until: datetime) -> datetime:
        """Move a mark to a time and return where it stood: every stretch of time is counted once.

        Holds the mark until the transaction ends; the first time nothing lies between.
        """
        key = {"name": f"mark:{mark}", "labels": "{}"}
        added = insert(CounterRow).values(**key, value=until.timestamp()).on_conflict_do_nothing()
        self._session.execute(added)
        row = self._session.get_one(CounterRow, tuple(key.values()), with_for_update=True)
        before, row.value = row.value, max(row.value, until.timestamp())
        self._session.flush()
        return datetime.fromtimestamp(before, until.tzinfo)

    def drafted(self, after: datetime, until: datetime) -> list[tuple[float, float]]:
        """Return seconds from completion to each draft, and of those inside the model."""
        times = {"after": after, "until": until, "self_test": SELF_TEST_TITLE}
        return [(float(row[0]), float(row[1])) for row in self._session.execute(_DRAFTED, times)]

    def signed(self, after: datetime, until: datetime) -> list[float]:
        """Return seconds from completion to each final signature; what follows it is no waiting."""
        times = {"after": after, "until": until, "final": Meaning.FINAL.value}
        return [float(row[0]) for row in self._session.execute(_SIGNED, times)]

    def sent(self, after: datetime, until: datetime) -> list[tuple[str, float]]:
        """Return destination and seconds from signature to acknowledgement of each delivery."""
        rows = self._session.execute(_SENT, {"after": after, "until": until})
        return [(row[0], float(row[1])) for row in rows]

    def oldest_unsent(self) -> dict[str, datetime]:
        """Return since when the oldest delivery of each destination waits."""
        return {row[0]: row[1] for row in self._session.execute(_OLDEST_UNSENT)}

    def beat(
        self, process: str, instance: str, *, started_at: datetime, gauges: Mapping[str, float], now: datetime
    ) -> None:
        """Say that a process lives, and forget those that have been silent for a day."""
        shown = {"seen_at": now, "gauges": dict(gauges)}
        sign = insert(HeartbeatRow).values(process=process, instance=instance, started_at=started_at, **shown)
        keys = [HeartbeatRow.process, HeartbeatRow.instance]
        self._session.execute(sign.on_conflict_do_update(index_elements=keys, set_=shown))
        self._session.execute(delete(HeartbeatRow).where(HeartbeatRow.seen_at < now - _FORGET_PROCESS_AFTER))

    def tell_worklists(self) -> None:
        """Send word to the lists on the screens, as a change of a study does (`app.store.change_feed`)."""
        self._session.execute(select(func.pg_notify("worklist", "")))

    def retire(self, process: str, instance: str) -> None:
        """Forget a process that has ended as it was asked to."""
        ended = delete(HeartbeatRow).where(HeartbeatRow.process == process, HeartbeatRow.instance == instance)
        self._session.execute(ended)

    def processes(self) -> tuple[ProcessLine, ...]:
        """Return the processes by name."""
        rows = self._session.scalars(
            select(HeartbeatRow).order_by(HeartbeatRow.process, HeartbeatRow.instance)
        )
        return tuple(
            ProcessLine(row.process, row.instance, row.started_at, row.seen_at, row.gauges) for row in rows
        )

    def watch(self, ae_titles: Sequence[str], *, now: datetime) -> None:
        """Begin to listen for sources; those that are known stay as they are."""
        rows = [{"ae_title": title, "watched_since": now} for title in sorted(set(ae_titles))]
        if rows:
            self._session.execute(insert(SourceRow).on_conflict_do_nothing(), rows)

    def heard(self, heard: Mapping[str, tuple[datetime | None, datetime | None]], *, now: datetime) -> None:
        """Note when sources were last heard: association, instance; None where nothing is new."""
        self.watch(list(heard), now=now)
        for title, (association, instance) in sorted(heard.items()):
            row = self._session.get_one(SourceRow, title, with_for_update=True)
            row.last_association_at = _later(row.last_association_at, association)
            row.last_instance_at = _later(row.last_instance_at, instance)
        self._session.flush()

    def sources(self) -> tuple[SourceLine, ...]:
        """Return the sources by AE title."""
        rows = self._session.scalars(select(SourceRow).order_by(SourceRow.ae_title))
        return tuple(
            SourceLine(row.ae_title, row.watched_since, row.last_association_at, row.last_instance_at)
            for row in rows
        )

    def database_time(self) -> datetime:
        """Return what time the database says it is."""
        now: datetime = self._session.scalars(select(func.clock_timestamp())).one()
        return now


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((time for time in (one, other) if time is not None), default=None)
