"""What has to happen before a worker has something to do, told through the services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydicom import dcmread

from app.domain.access import Role, service_actor
from app.domain.delivery import Delivery
from app.domain.draft import undrafted
from app.domain.report import Section
from app.services.accounts import add_user, log_in
from app.services.assembly import complete_due_studies
from app.services.drafting import record_draft
from app.services.editing import add_sentence
from app.services.intake import index_instances
from app.services.reading import open_study, refresh
from app.services.signing import sign
from app.settings import Settings
from app.store.engine import Store
from app.workers.intake_loop import as_received
from pacs_bridge.header import read_header
from pacs_bridge.received import AssociationFacts, ReceivedInstance
from pacs_bridge.spool import Spool

PASSWORD = "correct horse battery"


def now() -> datetime:
    return datetime.now(UTC)


def receive(store: Store, settings: Settings, *files: Path) -> str:
    """Put files of one study into the spool and the database, as if they had been sent, and complete it."""
    spool, study_uid = Spool(settings.spool_dir), ""
    for file in files:
        study_uid = _spool(spool, file)
    spooled = spool.incoming()
    index_instances(store, [as_received(instance) for instance in spooled], now=now())
    for instance in spooled:
        spool.indexed(instance)
    complete_due_studies(store, open_studies=frozenset(), quiet=timedelta(0), now=now())
    return study_uid


def _spool(spool: Spool, file: Path) -> str:
    dataset = dcmread(file, stop_before_pixels=True)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    offset = 132 + 12 + int(dataset.file_meta.FileMetaInformationGroupLength)
    data = file.read_bytes()[offset:]
    header = read_header(data, syntax)
    instance = ReceivedInstance.of_bytes(
        data,
        association=AssociationFacts("test", "SENDER", "JANUSMED", "127.0.0.1"),
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        transfer_syntax=syntax,
        received_at=now(),
    )
    assert spool.store(instance, header).status == 0
    return header.study_uid


def sign_by_hand(
    store: Store,
    study_uid: str,
    *destinations: tuple[str, str],
    texts: tuple[str, str] = ("Text of the findings.", "Text of the impression."),
) -> list[Delivery]:
    """Let an attending write and sign the report of a study without a draft; return its deliveries."""
    with store.begin() as unit:
        known = unit.users.by_username("reader")
    if known is None:
        add_user(
            store,
            service_actor("test"),
            username="reader",
            printed_name="Dr. Reader",
            role=Role.ATTENDING,
            password=PASSWORD,
            now=now(),
        )
    record_draft(
        store,
        service_actor("test"),
        study_uid=study_uid,
        revision=1,
        content=undrafted("not in scope"),
        now=now(),
    )
    _, actor = log_in(store, username="reader", password=PASSWORD, source="test", now=now())
    report = open_study(store, actor, study_uid, now=now()).report
    assert report is not None
    for section, text in zip(Section, texts, strict=True):
        report = add_sentence(store, actor, report.report_id, section, text, now=now())
    sign(
        store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=destinations,
        now=now(),
    )
    return list(refresh(store, actor, study_uid, now=now()).deliveries)
