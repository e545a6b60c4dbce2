"""One batch of intake in its transaction: row locks first, audit entries last, so that none deadlock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.intake import IntakeReport, ReceivedInstance, Refusal, clean_value, conflict_reason
from app.domain.prior import PRIOR_REASON
from app.domain.report import REPORT_TRANSITIONS, ReportCommand
from app.domain.study import Study, StudyState
from app.store.unit_of_work import UnitOfWork

_OTHER_PATIENT = "another patient's image under a StudyInstanceUID that is in use"
# objects that describe images: the first image itself names the study's modality
_DESCRIBING = frozenset({"", "KO", "PR", "SR"})


@dataclass
class IntakeBatch:
    """What the batch has read, changed and still has to record."""

    tx: UnitOfWork
    now: datetime
    studies: dict[str, Study] = field(default_factory=dict)
    sop_uids: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[ReceivedInstance, int]] = field(default_factory=list)
    facts: list[AuditFact] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    duplicates: int = 0
    again: dict[str, list[str]] = field(default_factory=dict)

    def load(self, received: Sequence[ReceivedInstance]) -> None:
        """Look up and lock what the batch touches."""
        self.sop_uids = sorted({i.sop_uid for i in received})
        self.studies = self.tx.studies.lock_existing(sorted({i.study_uid for i in received}))
        # under the locks: whoever adds instances to these studies waits for us, or has committed
        self.digests = self.tx.studies.known_digests(self.sop_uids)

    def take(self, received: ReceivedInstance) -> None:
        """Take one instance: as a duplicate, into quarantine, or into its study."""
        study = None if received.sop_uid in self.digests else self._study_of(received)
        if study is None or received.sop_uid in self.digests:
            self._meet_again(received)
            return
        if not study.patient.is_same_person(received.patient):
            self._refuse(received, _OTHER_PATIENT)
            return
        self._keep(study, self._after(study, received), received)

    def set_aside(self, sop_uid: str, study_uid: str, sha256: str, reason: str, calling_ae: str) -> None:
        """Put an instance into quarantine; the audit entry is written the first time only."""
        sop_uid, study_uid = clean_value(sop_uid)[:200], clean_value(study_uid)[:200]
        reason, calling_ae = clean_value(reason)[:500], clean_value(calling_ae)
        self.refusals.append(Refusal(sop_uid, sha256, reason))
        is_new = self.tx.studies.quarantine(
            sop_uid=sop_uid,
            study_uid=study_uid,
            sha256=sha256,
            reason=reason,
            calling_ae=calling_ae,
            now=self.now,
        )
        if is_new:
            self.facts.append(
                AuditFact(
                    event=AuditEvent.INSTANCE_QUARANTINED,
                    actor=service_actor("listener"),
                    at=self.now,
                    outcome=Outcome.FAILURE,
                    study_uid=study_uid,
                    detail={"sop_uid": sop_uid, "sha256": sha256, "calling_ae": calling_ae},
                )
            )

    def write_facts(self) -> None:
        """Append the audit entries; nothing is locked after this."""
        for fact in self.facts:
            self.tx.audit.append(fact)

    def finish(self) -> IntakeReport:
        """Write studies and audit entries, and tell what became of the batch."""
        self.tx.studies.add_instances(self.taken)
        for study in self.studies.values():
            self.tx.studies.save(study)
        for study_uid, sop_uids in sorted(self.again.items()):
            # the retention policy had given them up, and a sender brought them back
            self._restore(study_uid, sop_uids)
        self.write_facts()
        return IntakeReport(
            indexed=len(self.taken),
            duplicates=self.duplicates,
            new_studies=tuple(self.new),
            reopened=tuple(self.reopened),
            refusals=tuple(self.refusals),
        )

    def _meet_again(self, received: ReceivedInstance) -> None:
        reason = conflict_reason(self.digests[received.sop_uid], received)
        if reason:
            self._refuse(received, reason)
        else:
            self.duplicates += 1
            self.again.setdefault(received.study_uid, []).append(received.sop_uid)

    def _restore(self, study_uid: str, sop_uids: list[str]) -> None:
        count = self.tx.retention.restore(sop_uids, now=self.now)
        if count:
            patient = self.tx.studies.get(study_uid).patient
            self.facts.append(
                AuditFact(
                    event=AuditEvent.STUDY_RESTORED,
                    actor=service_actor("listener"),
                    at=self.now,
                    patient_ref=self.tx.audit.patient_ref(patient.patient_id, patient.issuer),
                    study_uid=study_uid,
                    detail={"instances": count},
                )
            )

    def _refuse(self, received: ReceivedInstance, reason: str) -> None:
        self.set_aside(received.sop_uid, received.study_uid, received.sha256, reason, received.calling_ae)

    def _study_of(self, received: ReceivedInstance) -> Study:
        uid = received.study_uid
        if uid not in self.studies:
            reference = self.tx.audit.patient_ref(received.patient_id, received.issuer)
            is_new = self.tx.studies.add(received, reference=reference, now=self.now)
            self.studies[uid] = self.tx.studies.lock(uid)
            if is_new:
                self.new.append(uid)
                if self.tx.priors.is_wanted_as_prior(uid):
                    self.studies[uid] = self.studies[uid].exclude(PRIOR_REASON, now=self.now)
                self._note(AuditEvent.STUDY_RECEIVED, received, revision=1)
            else:
                # another process was faster by a moment, and may have brought the same instances
                self.digests |= self.tx.studies.known_digests(self.sop_uids)
        return self.studies[uid]

    def _after(self, study: Study, received: ReceivedInstance) -> Study:
        """Return the study as the instance leaves it."""
        if study.state is not StudyState.RECEIVING and not received.is_image:
            return study.expect(received.expected_count)
        after = study.expect(received.expected_count)
        after = replace(after.receive_image(), last_instance_at=max(self.now, study.last_instance_at))
        if after.modality in _DESCRIBING and received.modality:
            after = replace(after, modality=received.modality, body_part=received.body_part)
        if received.priority.rank > after.priority:
            after = replace(after, priority=received.priority.rank, priority_reason=received.priority.reason)
        return after

    def _keep(self, before: Study, after: Study, received: ReceivedInstance) -> None:
        self.taken.append((received, after.revision))
        self.digests[received.sop_uid] = received.sha256
        self.studies[after.study_uid] = after
        if after.revision != before.revision:
            self.reopened.append(after.study_uid)
            self._note(AuditEvent.STUDY_RECEIVED, received, revision=after.revision)
            self._supersede(before, received)

    def _supersede(self, study: Study, received: ReceivedInstance) -> None:
        """Set aside what was made of the old revision, except what an attending has signed."""
        self.tx.reports.drafts.supersede(study.study_uid, study.revision, now=self.now)
        report = self.tx.reports.lock_revision(study.study_uid, study.revision)
        if report is None or (report.state, ReportCommand.SUPERSEDE) not in REPORT_TRANSITIONS:
            return
        self.tx.reports.save(report.advance(ReportCommand.SUPERSEDE, now=self.now))
        self.tx.reports.leases.drop(report.report_id)
        self._note(
            AuditEvent.REPORT_SUPERSEDED, received, report_id=report.report_id, revision=study.revision
        )

    def _note(self, event: AuditEvent, received: ReceivedInstance, **detail: Any) -> None:
        self.facts.append(
            AuditFact(
                event=event,
                actor=replace(service_actor("listener"), source=received.source or "listener"),
                at=self.now,
                patient_ref=self.tx.audit.patient_ref(received.patient_id, received.issuer),
                study_uid=received.study_uid,
                detail={
                    "calling_ae": received.calling_ae,
                    "association_id": received.association_id,
                    **detail,
                },
            )
        )
