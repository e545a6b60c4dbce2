"""Brings earlier studies of a patient from the archive beside a study that has just been completed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from app.domain.access import Actor, service_actor
from app.domain.errors import PeerUnavailable
from app.domain.prior import FoundStudy, Prior, PriorState, choose_priors
from app.domain.work import FETCH_PRIORS, HOUSEKEEPING_QUEUE
from app.neighbours import ArchiveSettings
from app.services.priors import (
    PriorsOrder,
    load_priors_order,
    prior_instances,
    record_attached,
    record_found,
    record_unavailable,
)
from app.settings import Settings
from app.store.engine import Store
from app.workers.bridge_errors import as_domain_errors
from app.workers.own_listener import own_listener
from app.workers.runtime import Worker
from app.workers.tls_files import client_context
from pacs_bridge.archived_study import ArchivedStudy, PriorQuery, PriorSource
from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.errors import BridgeError
from pacs_bridge.report_text import read_report_text

_INDEXING_SECONDS = 20.0


@dataclass(frozen=True)
class FetchPriors:
    """The task of the queue ``housekeeping`` that fetches priors.

    Attributes
    ----------
    objects
        Where the spool keeps its objects.
    """

    store: Store
    actor: Actor
    archive: ArchiveSettings
    source: PriorSource
    objects: Path
    name: str = FETCH_PRIORS
    queue: str = HOUSEKEEPING_QUEUE

    def run(self, **arguments: Any) -> None:
        """Look for priors, fetch those that are not here, attach them; what is attached stays so.

        Raises
        ------
        PeerUnavailable
            It may succeed later.
        Rejected
            The archive refuses for good.
        """
        study_uid = str(arguments["study_uid"])
        order = load_priors_order(self.store, study_uid)
        if not order.patient.patient_id:
            structlog.get_logger().info("no priors without a PatientID", study_uid=study_uid)
            return
        with as_domain_errors():
            priors = self._look_for(order)
            for prior in priors:
                if prior.state is PriorState.WANTED:
                    self._attach(prior, order)

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Nothing is shown between attempts: nobody waits for a prior."""

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Show the priors that were wanted as not to be had."""
        record_unavailable(self.store, self.actor, str(arguments["study_uid"]), reason, now=datetime.now(UTC))

    def _look_for(self, order: PriorsOrder) -> tuple[Prior, ...]:
        found = [*order.known, *(_as_found(study) for study in self.source.find(self._query(order)))]
        chosen = choose_priors(
            order.current, found, most=self.archive.most_priors, most_instances=self.archive.most_instances
        )
        return record_found(
            self.store,
            self.actor,
            order.current.study_uid,
            chosen,
            source=self.archive.name,
            now=datetime.now(UTC),
        )

    def _query(self, order: PriorsOrder) -> PriorQuery:
        until = order.current.study_date
        since = ""
        if len(until) == 8 and until.isdigit():
            since = f"{max(int(until[:4]) - self.archive.years, 1):04d}{until[4:]}"
        return PriorQuery(order.patient.patient_id, order.patient.issuer, since=since, until=until)

    def _attach(self, prior: Prior, order: PriorsOrder) -> None:
        is_here = prior.prior_uid in {study.study_uid for study in order.known if study.instances}
        arrived = 0 if is_here else self.source.fetch(prior.prior_uid)
        text = self._report_of(prior.prior_uid, at_least=arrived)
        record_attached(self.store, self.actor, prior, report_text=text, now=datetime.now(UTC))

    def _report_of(self, prior_uid: str, *, at_least: int) -> str:
        """Return the text of the newest report that came with a prior, once intake has taken it."""
        pause = threading.Event()
        until = datetime.now(UTC) + timedelta(seconds=_INDEXING_SECONDS)
        while len(instances := prior_instances(self.store, prior_uid)) < at_least:
            if datetime.now(UTC) > until:
                raise PeerUnavailable("the earlier study came, but intake has not taken all of it yet")
            pause.wait(0.25)
        reports = [instance for instance in instances if instance.modality == "SR"]
        for report in sorted(reports, key=lambda instance: instance.received_at, reverse=True):
            text = self._text_of(report.sha256)
            if text:
                return text
        return ""

    def _text_of(self, sha256: str) -> str:
        try:
            return read_report_text(self.objects / sha256[:2] / f"{sha256}.dcm")
        except BridgeError as error:
            structlog.get_logger().warning("report of an earlier study", reason=str(error))
            return ""


def prior_worker(store: Store, settings: Settings) -> Worker | None:
    """Return the worker that fetches priors; None without an archive."""
    if settings.archive is None:
        return None
    actor = service_actor("housekeeping")
    source = prior_source(settings.archive, settings)
    task = FetchPriors(store, actor, settings.archive, source, settings.spool_dir / "objects")
    return Worker(store, settings, actor, [task])


def prior_source(archive: ArchiveSettings, settings: Settings) -> PriorSource:
    """Return the archive of the settings."""
    listener = own_listener(settings)
    if archive.method == "dicomweb":
        from pacs_bridge.retrieve_web import WebArchive

        return WebArchive(
            archive.url,
            listener,
            settings.ae_title,
            token_file=archive.token_file,
            ca_file=archive.ca_file,
            timeout=archive.timeout_seconds,
        )
    from pacs_bridge.retrieve import DimseArchive

    wait = archive.timeout_seconds
    return DimseArchive(
        Destination(
            archive.ae_title,
            archive.host,
            archive.port,
            tls=client_context(archive.tls, setting="JANUS_MED_ARCHIVE"),
        ),
        listener,
        settings.ae_title,
        method=archive.method,
        timeouts=Timeouts(connection=min(10.0, wait), acse=min(15.0, wait), dimse=wait, network=wait + 15.0),
    )


def _as_found(study: ArchivedStudy) -> FoundStudy:
    return FoundStudy(
        study_uid=study.study_uid,
        study_date=study.study_date,
        study_time=study.study_time,
        description=study.description,
        modalities=study.modalities,
        instances=study.instances,
    )
