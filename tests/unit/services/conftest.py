"""A real database with people in it, and studies at every stage of their life."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from app.domain.access import Actor, Role, service_actor
from app.domain.audit import AuditEntry, AuditFilter
from app.domain.checks import Confirmation, confirm
from app.domain.draft import DraftContent, undrafted
from app.domain.identifiers import derived_uid
from app.domain.report import Report
from app.domain.study import Study
from app.services.assembly import complete_due_studies
from app.services.checks import check_open_report
from app.services.drafting import record_draft
from app.services.intake import IntakeReport, ReceivedInstance, index_instances
from app.services.reading import accept_sentence, open_study
from app.services.signing import sign
from app.store.engine import Store

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
QUIET = timedelta(seconds=10)
PASSWORD = "correct horse battery"
PACS = ("PACS", "report_sr")
WORKER = service_actor("draft")
# cheap on purpose: these tests are about what a password opens, not about how it is stored
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def uid(*parts: object) -> str:
    """A UID that depends on `parts` only."""
    return derived_uid(*map(str, parts))


def image(study: str = "s1", number: int = 1, **changes: Any) -> ReceivedInstance:
    """A received radiograph of the study called `study`."""
    received = ReceivedInstance(
        sop_uid=uid(study, "image", number),
        study_uid=uid(study),
        series_uid=uid(study, "series"),
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=hashlib.sha256(f"{study}/{number}".encode()).hexdigest(),
        size=1000,
        received_at=NOW,
        modality="CR",
        instance_number=number,
        rows=2048,
        columns=1536,
        patient_id=f"id-of-{study}",
        issuer="HOSPITAL",
        patient_name=f"Name^{study.title()}",
        birth_date="19500101",
        sex="F",
        accession_number=f"acc-{study}",
        study_date="20261122",
        study_time="0755",
        description=f"chest of {study}",
        referring_physician="House^G",
        body_part="CHEST",
        calling_ae="MODALITY",
        called_ae="JANUSMED",
        source="10.0.0.7",
        association_id="a1",
    )
    return replace(received, **changes)


def draft_of(
    study: str = "s1", *, findings: Sequence[str] = ("Lung Lesion",), text: str = "Nodule in the left lung."
) -> DraftContent:
    """A draft of two sentences, the first with a region on the study's first image."""
    region = {"sop_instance_uid": uid(study, "image", 1), "box": [10, 20, 110, 220], "score": 0.8}
    return DraftContent(
        status="drafted",
        reason="",
        model={
            "id": "janus-tiny",
            "preset": "tiny",
            "weights_sha256": "ab" * 32,
            "adapters_sha256": "cd" * 32,
        },
        findings=tuple(
            {"name": name, "probability": 0.9, "decision": "present", "region": region} for name in findings
        ),
        sentences=(
            {
                "section": "findings",
                "text": text,
                "findings": list(findings),
                "confidence": 0.9,
                "region": region,
            },
            {
                "section": "impression",
                "text": "Possible lesion.",
                "findings": list(findings),
                "confidence": 0.8,
                "region": None,
            },
        ),
        report={"findings": text, "impression": "Possible lesion."},
        issues=(),
        timings={"decode_s": 0.1},
        provenance={"sop_instance_uids": [uid(study, "image", 1)], "seed": 0},
    )


@dataclass(frozen=True)
class House:
    """A database with one person for each role, and the steps that lead a study through it."""

    store: Store
    people: dict[str, Actor]

    def __getitem__(self, username: str) -> Actor:
        return self.people[username]

    def receive(self, *received: ReceivedInstance, now: datetime = NOW) -> IntakeReport:
        return index_instances(self.store, received, now=now)

    def complete(self, *, now: datetime = NOW + QUIET) -> tuple[str, ...]:
        return complete_due_studies(self.store, open_studies=frozenset(), quiet=QUIET, now=now)

    def draft(self, study: str = "s1", *, revision: int = 1, content: DraftContent | None = None) -> bool:
        return record_draft(
            self.store,
            WORKER,
            study_uid=uid(study),
            revision=revision,
            content=content or draft_of(study),
            now=NOW + QUIET,
        )

    def drafted(self, study: str = "s1", **changes: Any) -> str:
        """Take a study up to its draft and return its UID."""
        self.receive(image(study, **changes))
        self.complete()
        assert self.draft(study)
        return uid(study)

    def undrafted(self, study: str = "s1", reason: str = "not a frontal chest radiograph") -> str:
        """Take a study up to the point where a person has to write it, and return its UID."""
        self.receive(image(study))
        self.complete()
        assert self.draft(study, content=undrafted(reason))
        return uid(study)

    def accepted(self, study_uid: str, username: str, *, now: datetime = NOW + QUIET) -> Report:
        """Open a study as this person and accept every sentence; return the report."""
        report = open_study(self.store, self[username], study_uid, now=now).report
        assert report is not None
        for sentence in report.sentences:
            report = accept_sentence(self.store, self[username], report.report_id, sentence.key, now=now)
        return report

    def confirm(self, username: str, report: Report, *, now: datetime = NOW + QUIET) -> Confirmation:
        """This person's word for every warning that stands about a report that they have open."""
        checked = check_open_report(self.store, self[username], report.report_id, now=now)
        return confirm(checked.report, checked.checks)

    def signed(self, study: str = "s1", username: str = "attending") -> Report:
        """Take a study up to its signature and return the report as it was signed."""
        report = self.accepted(self.drafted(study), username)
        sign(
            self.store,
            self[username],
            report.report_id,
            version=report.version,
            password=PASSWORD,
            destinations=[PACS],
            now=NOW + QUIET,
        )
        return self.report(report.report_id)

    def study(self, study: str = "s1") -> Study:
        with self.store.begin() as tx:
            return tx.studies.get(uid(study))

    def report(self, report_id: int) -> Report:
        with self.store.begin() as tx:
            return tx.reports.get(report_id)

    def log(self, event: str = "", *, study: str = "") -> list[AuditEntry]:
        """The audit entries of an event, oldest first."""
        with self.store.begin() as tx:
            entries = list(tx.audit.stream(AuditFilter(study_uid=uid(study) if study else "")))
        return [entry for entry in entries if not event or entry.event == event]

    def count(self, table: str, where: str = "true") -> int:
        """Rows of a table, as the database has them."""
        with self.store.begin() as tx:
            return int(tx.session.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}")) or 0)

    def jobs(self, task: str) -> list[dict[str, Any]]:
        """The arguments of the jobs in the queue, oldest first."""
        query = text("SELECT args FROM procrastinate_jobs WHERE task_name = :task ORDER BY id")
        with self.store.begin() as tx:
            rows = tx.session.scalars(query, {"task": task}).all()
        return [row if isinstance(row, dict) else json.loads(row) for row in rows]


@pytest.fixture
def house(store: Store) -> House:
    """An empty hospital with its people."""
    names = {role.value: role for role in Role if role is not Role.SERVICE} | {"colleague": Role.ATTENDING}
    people: dict[str, Actor] = {}
    with store.begin() as tx:
        for username, role in names.items():
            user = tx.users.add(
                username=username,
                printed_name=f"Dr {username.title()}",
                role=role,
                password_hash=_HASH,
                now=NOW,
            )
            people[username] = user.act(source="10.0.0.9")
    return House(store, people)
