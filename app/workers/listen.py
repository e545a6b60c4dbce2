"""The listener process: receives into the spool, whatever the database does, and indexes what was received.

Two threads that meet in the spool alone. The associations' side answers from the disk; the intake side
takes what lies there into the database, and waits when that is away.
"""

from __future__ import annotations

import os
import signal
import ssl
import threading
from types import FrameType

import structlog

from app.addresses import own_networks
from app.domain.errors import ConfigurationError
from app.domain.retention import SELF_TEST_TITLE
from app.services.counting import Counts, Reporter
from app.settings import Settings
from app.start_checks import require_safe_listener
from app.store.engine import Store, open_store
from app.workers.commitment_log import CommitmentLog
from app.workers.intake_loop import IntakeLoop
from app.workers.listener_audit import ListenerAudit
from app.workers.listener_counts import CountedEvents
from app.workers.own_listener import listener_tls, require_listener_ports
from app.workers.study_rules import StudyRules
from app.workers.tls_files import client_context
from pacs_bridge.admission import Peer
from pacs_bridge.carried_studies import carried_beside
from pacs_bridge.commitment_loop import CommitmentLoop
from pacs_bridge.commitment_service import CommitmentService
from pacs_bridge.durable import FreeSpaceFloor
from pacs_bridge.listener import Listener
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.listener_group import ListenerGroup
from pacs_bridge.reclaiming import freeze_what_is_loaded
from pacs_bridge.sink import SpoolSink
from pacs_bridge.spool import Spool

ASSOCIATION_STOP_SECONDS = 3.0
INTAKE_STOP_SECONDS = 4.0
REPORTS_STOP_SECONDS = 1.0
# receiving processes of a listener that was killed end at once, but not before us
RECOVER_PATIENCE_SECONDS = 3.0
MOST_HELPFUL_PROCESSES = 2


def listen(settings: Settings) -> None:
    """Receive until SIGTERM or SIGINT, then end within 10 s.

    Raises
    ------
    ConfigurationError
        If the settings are unsafe or the database is not one of ours.
    pacs_bridge.errors.Fatal
        If the port or the spool is taken.
    """
    config = listener_config(settings)
    require_listener_ports(settings)
    stop = threading.Event()
    _set_on_signals(stop)
    spool = Spool(settings.spool_dir, floor=FreeSpaceFloor(size=int(settings.free_space_floor_gb * 1e9)))
    _recover(spool)
    audit = ListenerAudit()
    audit.add_quarantined(spool.quarantined())
    commitment = CommitmentService(spool.layout, config.peers, CommitmentLog())
    counts, titles = Counts(), frozenset(peer.ae_title for peer in config.peers) - {SELF_TEST_TITLE}
    events = CountedEvents(audit, counts, titles)
    if (processes := receiving_processes(settings)) > 1:
        listener: Listener | ListenerGroup = ListenerGroup(
            config, spool, events, processes=processes, services=(commitment,)
        )
    else:
        listener = Listener(config, SpoolSink(spool), events, services=(commitment,))
    reports = CommitmentLoop(
        spool.layout,
        config.peers,
        calling_ae=config.ae_title,
        events=CommitmentLog(),
        waits=settings.commitment_retry_seconds,
        tls=report_contexts(settings),
    )
    intake = IntakeLoop(
        spool=spool,
        audit=audit,
        connect=lambda: _connect(settings),
        open_studies=lambda: listener.open_studies() | carried_beside(spool.layout.temp),
        quiet_seconds=settings.quiet_seconds,
        with_priors=settings.archive is not None,
        rules=StudyRules(settings.rules_path, settings.rule_targets, spool.open_object),
        ask_worklist=settings.worklist_scp is not None,
    )
    reporter = Reporter(
        "listener",
        intake.store,
        counts=counts,
        gauges=lambda: {"associations_open": float(events.open_associations)},
    )
    try:
        listener.start()
        freeze_what_is_loaded()
        structlog.get_logger().info("ready", port=listener.port, address=config.address)
        intake.start()
        reports.start()
        with reporter:
            while not stop.wait(0.2) and intake.failure is None:
                pass
    finally:
        listener.stop(timeout=ASSOCIATION_STOP_SECONDS)
        reports.stop(timeout=REPORTS_STOP_SECONDS)
        intake.stop(timeout=INTAKE_STOP_SECONDS)
        spool.close()
    if intake.failure is not None:
        raise intake.failure


def report_contexts(settings: Settings) -> dict[str, ssl.SSLContext]:
    """Return how peers are called that take reports about storage commitment over TLS, by AE title.

    Raises
    ------
    ConfigurationError
        If a file cannot be used.
    """
    contexts = {
        peer.ae_title: client_context(peer.tls, setting=f"JANUS_MED_PEERS, {peer.ae_title}")
        for peer in settings.peers
    }
    return {ae_title: context for ae_title, context in contexts.items() if context is not None}


def listener_config(settings: Settings) -> ListenerConfig:
    """Return the listener's configuration.

    Raises
    ------
    ConfigurationError
        If it would take unencrypted DICOM from a network without the sentence that permits it, or from
        anybody, or if a calling AE title is none.
    """
    tls = listener_tls(settings)
    is_plain = not (tls and settings.dicom_tls_only)
    require_safe_listener(settings)
    try:
        peers = peers_of(settings)
    except ValueError as error:
        raise ConfigurationError(f"JANUS_MED_ALLOWED_AE_TITLES: {error}") from None
    if not peers:
        structlog.get_logger().warning("nobody may send", setting="JANUS_MED_ALLOWED_AE_TITLES")
    return ListenerConfig(
        ae_title=settings.ae_title,
        other_titles=settings.ae_titles,
        peers=(*peers, *self_test_peers(settings)),
        address=settings.dicom_host,
        port=settings.dicom_port if is_plain else settings.dicom_tls_port or 0,
        tls_port=settings.dicom_tls_port if is_plain else None,
        tls=tls,
        maximum_associations=settings.max_associations,
    )


def receiving_processes(settings: Settings) -> int:
    """Return how many processes receive: as many as set, or one per processor, at most two.

    More than two bring nothing where there are two processors (docs/adr/0011).
    """
    return settings.listener_processes or min(os.cpu_count() or 1, MOST_HELPFUL_PROCESSES)


def peers_of(settings: Settings) -> tuple[Peer, ...]:
    """Return who may send, from both settings that name peers.

    Raises
    ------
    ValueError
        If a title or a network is none.
    """
    short = [Peer.parse(text) for text in settings.allowed_ae_titles]
    ours = []
    if settings.archive is not None and settings.archive.method != "move":
        # what we fetch over our own association, the delivery worker of this machine hands to us
        ours = [Peer(settings.ae_title, ("127.0.0.0/8", "::1/128"))]
    peers = (*ours, *short, *(Peer(**peer.model_dump(exclude={"tls"})) for peer in settings.peers))
    if any(peer.ae_title == SELF_TEST_TITLE for peer in peers):
        raise ValueError(f"{SELF_TEST_TITLE} is reserved for the self-test")
    return peers


def self_test_peers(settings: Settings) -> tuple[Peer, ...]:
    """Return the self-test as a peer, from this machine alone; nobody while it is off."""
    if not settings.selftest_minutes:
        return ()
    return (Peer(SELF_TEST_TITLE, networks=own_networks(settings.dicom_host)),)


def _connect(settings: Settings) -> Store:
    return open_store(settings)


def _recover(spool: Spool) -> None:
    report, log = spool.recover(patience=RECOVER_PATIENCE_SECONDS), structlog.get_logger()
    log.info(
        "spool recovered",
        temporary_files=report.temporary_files,
        requeued=len(report.requeued),
        relinked=report.relinked,
        quarantined=len(report.quarantined),
    )
    for sop_uid in report.missing_objects:
        log.error("an acknowledged instance is gone from the disk", sop_uid=sop_uid)


def _set_on_signals(stop: threading.Event) -> None:
    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, set_stop)
