"""Takes what lies in the spool into the database, and says when a study is complete.

At least once: an instance leaves the spool's hand-over after its transaction has committed, and the
database recognises one that comes again. A study is asked for completion only when everything that had been
received before the question is indexed, and never while an association that carries it is open (L11).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.errors import DatabaseUnavailable, JanusMedError
from app.domain.intake import named_side
from app.services.assembly import complete_due_studies
from app.services.intake import ReceivedInstance, index_instances, record_quarantine
from app.store.engine import Store
from app.workers.commitment_intake import CommitmentIntake
from app.workers.listener_audit import ListenerAudit
from app.workers.study_rules import StudyRules
from pacs_bridge.spool import Spool
from pacs_bridge.spool_types import SpooledInstance

BATCH = 200
_POLL_SECONDS = 0.2
_LONGEST_WAIT = 5.0


class IntakeLoop:
    """A thread of the listener process.

    Parameters
    ----------
    connect
        Opens the store; raises `DatabaseUnavailable` while it is away.
    open_studies
        Studies that associations carry which are still open.
    quiet_seconds
        Overrides the quiet time of the modality.
    with_priors
        Whether there is an archive to look for earlier studies in.
    rules
        Decides about each study when it is complete; None without rules.
    ask_worklist
        Whether a complete study's order is asked for.

    Attributes
    ----------
    failure
        Why the thread ended by itself: the process must not go on without it.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        audit: ListenerAudit,
        connect: Callable[[], Store],
        open_studies: Callable[[], frozenset[str]],
        quiet_seconds: float | None,
        with_priors: bool = False,
        rules: StudyRules | None = None,
        ask_worklist: bool = False,
    ) -> None:
        self._spool = spool
        self._commitments = CommitmentIntake(spool.layout)
        self._audit = audit
        self._connect = connect
        self._open_studies = open_studies
        self._quiet = None if quiet_seconds is None else timedelta(seconds=quiet_seconds)
        self._with_priors = with_priors
        self._rules = rules
        self._ask_worklist = ask_worklist
        self._store: Store | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def store(self) -> Store:
        """Return the store, for whoever reports from this process.

        Raises
        ------
        DatabaseUnavailable
            While there is none.
        """
        if self._store is None:
            raise DatabaseUnavailable("intake has no database yet")
        return self._store

    def stop(self, timeout: float) -> None:
        """End after the batch that is being written; the rest stays in the spool for the next start."""
        self._stop.set()
        self._thread.join(timeout)
        if self._store is not None and not self._thread.is_alive():
            self._store.close()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # the process ends with it
            self.failure = error

    def _loop(self) -> None:
        wait, away = _POLL_SECONDS, False
        while not self._stop.wait(wait):
            try:
                self.step()
            except DatabaseUnavailable as error:
                if not away:
                    structlog.get_logger().warning("database away, receiving goes on", reason=str(error))
                away, wait = True, min(2 * wait, _LONGEST_WAIT)
                continue
            if away:
                structlog.get_logger().info("database back")
            away, wait = False, _POLL_SECONDS

    def step(self) -> None:
        """Index everything that was received before now, then complete the studies that are due.

        Raises
        ------
        DatabaseUnavailable
            What was not indexed stays where it is.
        """
        if self._store is None:
            self._store = self._connect()
        began, carried = datetime.now(UTC), self._open_studies()
        self._audit.write(self._store)
        self._commitments.step(self._store)
        if not self._drain(self._store, received_before=began):
            return
        open_studies = carried | self._open_studies()
        done = complete_due_studies(
            self._store,
            open_studies=open_studies,
            quiet=self._quiet,
            now=began,
            with_priors=self._with_priors,
            route=None if self._rules is None else self._rules.refresh(self._store, now=began),
            ask_worklist=self._ask_worklist,
        )
        for study_uid in done:
            structlog.get_logger().info("study complete", study_uid=study_uid)

    def _drain(self, store: Store, *, received_before: datetime) -> bool:
        """Index batch after batch; tell whether nothing from before the time is left."""
        while not self._stop.is_set():
            batch = self._spool.incoming(BATCH)
            if not any(instance.received_at <= received_before for instance in batch):
                return True
            self._index(store, batch)
        return False

    def _index(self, store: Store, batch: Sequence[SpooledInstance]) -> None:
        try:
            self._index_together(store, batch)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # one bad instance must not hold up the others
            structlog.get_logger().error("batch failed, one by one", error=type(error).__name__)
            for instance in batch:
                self._index_alone(store, instance)

    def _index_together(self, store: Store, batch: Sequence[SpooledInstance]) -> None:
        report = index_instances(store, [as_received(i) for i in batch], now=datetime.now(UTC))
        for instance in batch:
            refusal = report.refusal_of(instance.header.sop_instance_uid, instance.digest)
            if refusal is None:
                self._spool.indexed(instance)
            else:
                self._spool.quarantine(instance, refusal.reason)
        structlog.get_logger().info(
            "indexed",
            instances=report.indexed,
            duplicates=report.duplicates,
            quarantined=len(report.refusals),
        )

    def _index_alone(self, store: Store, instance: SpooledInstance) -> None:
        try:
            self._index_together(store, [instance])
        except DatabaseUnavailable:
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, JanusMedError) else f"{type(error).__name__} at intake"
            header = instance.header
            record_quarantine(
                store,
                sop_uid=header.sop_instance_uid,
                study_uid=header.study_uid,
                sha256=instance.digest,
                reason=reason,
                calling_ae=instance.association.calling_ae,
                now=datetime.now(UTC),
            )
            self._spool.quarantine(instance, reason)


def as_received(spooled: SpooledInstance) -> ReceivedInstance:
    """Return a spooled instance as intake describes it."""
    header, association = spooled.header, spooled.association
    return ReceivedInstance(
        sop_uid=header.sop_instance_uid,
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=header.transfer_syntax,
        sha256=spooled.digest,
        size=spooled.size,
        received_at=spooled.received_at,
        modality=header.modality,
        series_number=header.series_number,
        instance_number=header.instance_number,
        rows=header.rows,
        columns=header.columns,
        patient_id=header.patient_id,
        issuer=header.issuer_of_patient_id,
        patient_name=header.patient_name,
        birth_date=header.patient_birth_date,
        sex=header.patient_sex,
        accession_number=header.accession_number,
        study_id=header.study_id,
        study_date=header.study_date,
        study_time=header.study_time,
        description=header.study_description,
        referring_physician=header.referring_physician_name,
        body_part=header.body_part_examined,
        calling_ae=association.calling_ae,
        called_ae=association.called_ae,
        source=association.source_address,
        association_id=association.association_id,
        requested_priority=header.requested_procedure_priority or header.study_priority,
        expected_count=header.number_of_study_related_instances,
        laterality=named_side(header.image_laterality, header.laterality),
    )
