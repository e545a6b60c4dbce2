"""The listener process: receives into the spool, whatever the database does, and indexes what was received.

Two threads that meet in the spool alone. The associations' side answers from the disk; the intake side
takes what lies there into the database, and waits when that is away.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog

from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.store.engine import Store, open_store
from app.workers.commitment_log import CommitmentLog
from app.workers.intake_loop import IntakeLoop
from app.workers.listener_audit import ListenerAudit
from app.workers.ports import is_loopback, require_free
from app.workers.study_rules import StudyRules
from pacs_bridge.admission import Peer
from pacs_bridge.carried_studies import carried_beside
from pacs_bridge.commitment_loop import CommitmentLoop
from pacs_bridge.commitment_service import CommitmentService
from pacs_bridge.durable import FreeSpaceFloor
from pacs_bridge.listener import Listener
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.sink import SpoolSink
from pacs_bridge.spool import Spool

ASSOCIATION_STOP_SECONDS = 3.0
INTAKE_STOP_SECONDS = 4.0
REPORTS_STOP_SECONDS = 1.0


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
    require_free(config.address, config.port, setting="JANUS_MED_DICOM_PORT", purpose="DICOM listener")
    stop = threading.Event()
    _set_on_signals(stop)
    spool = Spool(settings.spool_dir, floor=FreeSpaceFloor(size=int(settings.free_space_floor_gb * 1e9)))
    _recover(spool)
    audit = ListenerAudit()
    audit.add_quarantined(spool.quarantined())
    commitment = CommitmentService(spool.layout, config.peers, CommitmentLog())
    listener = Listener(config, SpoolSink(spool), audit, services=(commitment,))
    reports = CommitmentLoop(
        spool.layout,
        config.peers,
        calling_ae=config.ae_title,
        events=CommitmentLog(),
        waits=settings.commitment_retry_seconds,
    )
    intake = IntakeLoop(
        spool=spool,
        audit=audit,
        connect=lambda: _connect(settings),
        open_studies=lambda: listener.open_studies() | carried_beside(spool.layout.temp),
        quiet_seconds=settings.quiet_seconds,
        with_priors=settings.archive is not None,
        rules=StudyRules(settings.rules_path, settings.rule_targets, spool.open_object),
    )
    try:
        listener.start()
        structlog.get_logger().info("ready", port=listener.port, address=config.address)
        intake.start()
        reports.start()
        while not stop.wait(0.2) and intake.failure is None:
            pass
    finally:
        listener.stop(timeout=ASSOCIATION_STOP_SECONDS)
        reports.stop(timeout=REPORTS_STOP_SECONDS)
        intake.stop(timeout=INTAKE_STOP_SECONDS)
        spool.close()
    if intake.failure is not None:
        raise intake.failure


def listener_config(settings: Settings) -> ListenerConfig:
    """Return the listener's configuration.

    Raises
    ------
    ConfigurationError
        If it would take unencrypted DICOM from a network without the sentence that permits it, or if a
        calling AE title is none.
    """
    if not is_loopback(settings.dicom_host) and not settings.allow_plain_off_loopback:
        raise ConfigurationError(
            f"the listener would take unencrypted DICOM on {settings.dicom_host}: keep JANUS_MED_DICOM_HOST "
            "on loopback, or set JANUS_MED_ALLOW_PLAIN_OFF_LOOPBACK to the sentence that its help names"
        )
    try:
        peers = peers_of(settings)
    except ValueError as error:
        raise ConfigurationError(f"JANUS_MED_ALLOWED_AE_TITLES: {error}") from None
    if not peers:
        structlog.get_logger().warning("nobody may send", setting="JANUS_MED_ALLOWED_AE_TITLES")
    return ListenerConfig(
        ae_title=settings.ae_title,
        peers=peers,
        address=settings.dicom_host,
        port=settings.dicom_port,
        maximum_associations=settings.max_associations,
    )


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
    return (*ours, *short, *(Peer(**peer.model_dump()) for peer in settings.peers))


def _connect(settings: Settings) -> Store:
    return open_store(settings)


def _recover(spool: Spool) -> None:
    report, log = spool.recover(), structlog.get_logger()
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
