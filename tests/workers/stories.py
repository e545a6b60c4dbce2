"""What has to happen before a worker has something to do, told through the services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydicom import dcmread

from app.domain.access import Actor, Role, service_actor
from app.domain.delivery import Delivery
from app.domain.draft import DraftContent, undrafted
from app.domain.report import Section
from app.services.accounts import add_user, log_in
from app.services.amending import add_addendum, correct_report
from app.services.assembly import complete_due_studies
from app.services.drafting import record_draft
from app.services.editing import accept_sentence, add_sentence, reject_sentence
from app.services.intake import index_instances
from app.services.reading import open_study, refresh
from app.services.signing import sign
from app.services.withdrawal import withdraw
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


def reader_of(store: Store) -> Actor:
    """The attending of the stories, logged in."""
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
    return log_in(store, username="reader", password=PASSWORD, source="test", now=now())[1]


def sign_draft(
    store: Store, study_uid: str, *destinations: tuple[str, str], images: int = 1
) -> list[Delivery]:
    """Let an attending accept and sign a draft with one finding, its region on each of the first images."""
    with store.begin() as unit:
        shown = unit.studies.instances(study_uid, up_to_revision=1)[:images]
    record_draft(
        store,
        service_actor("test"),
        study_uid=study_uid,
        revision=1,
        content=draft_about(*(image.sop_uid for image in shown)),
        now=now(),
    )
    actor = reader_of(store)
    report = open_study(store, actor, study_uid, now=now()).report
    assert report is not None
    for sentence in report.sentences:
        report = accept_sentence(store, actor, report.report_id, sentence.key, now=now())
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


def draft_about(*sop_uids: str) -> DraftContent:
    """A draft with a finding, its region on each image, and a second finding that is absent."""
    regions = [{"sop_instance_uid": uid, "box": [20, 30, 120, 160], "score": 0.8} for uid in sop_uids]
    lesion = {"name": "Lung Lesion", "probability": 0.91, "decision": "present", "region": regions[0]}
    effusion = {"name": "Pleural Effusion", "probability": 0.03, "decision": "absent", "region": None}
    return DraftContent(
        status="drafted",
        reason="",
        model={"id": "janus-test", "preset": "tiny", "weights_sha256": "ab" * 32},
        findings=(lesion, effusion),
        sentences=(
            *(
                _drafted("findings", "Nodule in the left lung.", "Lung Lesion", "positive", region)
                for region in regions
            ),
            _drafted("findings", "No effusion.", "Pleural Effusion", "negative", None),
            _drafted("impression", "Possible lesion.", "Lung Lesion", "uncertain", None),
        ),
        report={},
        issues=(),
        timings={},
        provenance={"sop_instance_uids": list(sop_uids), "seed": 0},
    )


def _drafted(section: str, text: str, finding: str, polarity: str, region: object) -> dict[str, object]:
    return {
        "section": section,
        "text": text,
        "findings": [finding],
        "polarity": polarity,
        "confidence": 0.9,
        "region": region,
    }


def take_back(store: Store, study_uid: str, reason: str = "Images of another patient.") -> list[Delivery]:
    """Let the attending withdraw the report; return all its deliveries."""
    actor = reader_of(store)
    report = refresh(store, actor, study_uid, now=now()).report
    assert report is not None
    withdraw(
        store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        reason=reason,
        now=now(),
    )
    return list(refresh(store, actor, study_uid, now=now()).deliveries)


def add_to(store: Store, study_uid: str, text: str, *destinations: tuple[str, str]) -> list[Delivery]:
    """Let the attending add an addendum; return all deliveries of the report."""
    actor = reader_of(store)
    report = refresh(store, actor, study_uid, now=now()).report
    assert report is not None
    add_addendum(
        store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        text=text,
        destinations=destinations,
        now=now(),
    )
    return list(refresh(store, actor, study_uid, now=now()).deliveries)


def correct(store: Store, study_uid: str, sections: Mapping[str, str], reason: str) -> list[Delivery]:
    """Let the attending correct the report; return all its deliveries."""
    actor = reader_of(store)
    report = refresh(store, actor, study_uid, now=now()).report
    assert report is not None
    correct_report(
        store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        sections=sections,
        reason=reason,
        destinations=(),
        now=now(),
    )
    return list(refresh(store, actor, study_uid, now=now()).deliveries)


def sign_by_hand(
    store: Store,
    study_uid: str,
    *destinations: tuple[str, str],
    texts: tuple[str, str] = ("Text of the findings.", "Text of the impression."),
) -> list[Delivery]:
    """Let an attending write and sign the report of a study without a draft; return its deliveries."""
    record_draft(
        store,
        service_actor("test"),
        study_uid=study_uid,
        revision=1,
        content=undrafted("not in scope"),
        now=now(),
    )
    actor = reader_of(store)
    report = open_study(store, actor, study_uid, now=now()).report
    assert report is not None
    for sentence in report.sentences:
        # the template's text is not what this person says
        if sentence.is_unread or "[" in sentence.text:
            report = reject_sentence(store, actor, report.report_id, sentence.key, now=now())
    for section, text in zip((Section.FINDINGS, Section.IMPRESSION), texts, strict=True):
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
