"""One transaction and the repositories that share it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app.store.audit_log import AuditLog
from app.store.keys import Keys
from app.store.users import Users

if TYPE_CHECKING:
    from app.store.ai_models import AiModels
    from app.store.alerts import Alerts
    from app.store.commitments import Commitments
    from app.store.critical import CriticalResults
    from app.store.deliveries import Deliveries
    from app.store.dicomweb import DicomwebIndex
    from app.store.draft_queue import DraftQueue
    from app.store.embeddings import Embeddings
    from app.store.emergencies import Emergencies
    from app.store.figures import Figures
    from app.store.forwarding import Forwarding
    from app.store.orders import Orders
    from app.store.patient_data import PatientData
    from app.store.patients import Patients
    from app.store.preferences import Preferences
    from app.store.priors import Priors
    from app.store.quality import Quality
    from app.store.questions import Questions
    from app.store.reading_times import ReadingTimes
    from app.store.reports import Reports
    from app.store.retention import Retention
    from app.store.rule_versions import RuleVersions
    from app.store.second_factors import SecondFactors
    from app.store.second_reviews import SecondReviews
    from app.store.stuck import Stuck
    from app.store.studies import Studies
    from app.store.study_access import StudyAccess
    from app.store.templates import Templates
    from app.store.words import Words
    from app.store.work_queue import WorkQueue


class UnitOfWork:
    """The repositories of one transaction: what they write commits together or not at all.

    Attributes
    ----------
    session
        Used inside `app.store` only.
    """

    def __init__(self, session: Session, keys: Keys) -> None:
        self.session = session
        self._keys = keys

    @cached_property
    def users(self) -> Users:
        """Accounts and their sessions."""
        return Users(self.session)

    @cached_property
    def factors(self) -> SecondFactors:
        """Second factors of accounts, and tokens that count once."""
        from app.store.second_factors import SecondFactors
        from app.store.vault import Vault

        return SecondFactors(self.session, Vault(self._keys.login))

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.session, self._keys)

    @cached_property
    def studies(self) -> Studies:
        """Patients, studies, instances and the quarantine."""
        from app.store.studies import Studies

        return Studies(self.session)

    @cached_property
    def dicomweb(self) -> DicomwebIndex:
        """Studies, series and instances as DICOMweb lists them."""
        from app.store.dicomweb import DicomwebIndex

        return DicomwebIndex(self.session)

    @cached_property
    def reports(self) -> Reports:
        """Drafts, reports, locks and attestations."""
        from app.store.reports import Reports

        return Reports(self.session, self._keys.attestation)

    @cached_property
    def deliveries(self) -> Deliveries:
        """The outbox."""
        from app.store.deliveries import Deliveries

        return Deliveries(self.session)

    @cached_property
    def forwarding(self) -> Forwarding:
        """How far collectors have been told the audit log."""
        from app.store.forwarding import Forwarding

        return Forwarding(self.session)

    @cached_property
    def priors(self) -> Priors:
        """Earlier studies beside the current ones."""
        from app.store.priors import Priors

        return Priors(self.session)

    @cached_property
    def rules(self) -> RuleVersions:
        """Versions of the routing rules."""
        from app.store.rule_versions import RuleVersions

        return RuleVersions(self.session)

    @cached_property
    def commitments(self) -> Commitments:
        """Storage commitment requests of deliveries."""
        from app.store.commitments import Commitments

        return Commitments(self.session)

    @cached_property
    def critical(self) -> CriticalResults:
        """Loops about critical results."""
        from app.store.critical import CriticalResults

        return CriticalResults(self.session)

    @cached_property
    def orders(self) -> Orders:
        """Orders of the RIS and the messages that brought them."""
        from app.store.orders import Orders

        return Orders(self.session)

    @cached_property
    def patients(self) -> Patients:
        """Corrected and merged patients."""
        from app.store.patients import Patients

        return Patients(self.session, self.audit.patient_ref)

    @cached_property
    def patient_data(self) -> PatientData:
        """Everything of one patient: to hold, export and erase."""
        from app.store.patient_data import PatientData

        return PatientData(self.session)

    @cached_property
    def alerts(self) -> Alerts:
        """What a person has to look at."""
        from app.store.alerts import Alerts

        return Alerts(self.session)

    @cached_property
    def figures(self) -> Figures:
        """What the processes count and report."""
        from app.store.figures import Figures

        return Figures(self.session)

    @cached_property
    def words(self) -> Words:
        """The department's own words for the checks."""
        from app.store.words import Words

        return Words(self.session)

    @cached_property
    def templates(self) -> Templates:
        """Templates of reports, and the department's macros."""
        from app.store.templates import Templates

        return Templates(self.session)

    @cached_property
    def reading_times(self) -> ReadingTimes:
        """How long readers were at which section."""
        from app.store.reading_times import ReadingTimes

        return ReadingTimes(self.session)

    @cached_property
    def quality(self) -> Quality:
        """What became of AI text."""
        from app.store.quality import Quality

        return Quality(self.session)

    @cached_property
    def second_reviews(self) -> SecondReviews:
        """Second reviews of signed reports."""
        from app.store.second_reviews import SecondReviews

        return SecondReviews(self.session)

    @cached_property
    def retention(self) -> Retention:
        """What was purged, what may be, and what is held."""
        from app.store.retention import Retention

        return Retention(self.session)

    @cached_property
    def stuck(self) -> Stuck:
        """What does not go on by itself."""
        from app.store.stuck import Stuck

        return Stuck(self.session)

    @cached_property
    def access(self) -> StudyAccess:
        """Groups, and the studies that are restricted to them."""
        from app.store.study_access import StudyAccess

        return StudyAccess(self.session)

    @cached_property
    def emergencies(self) -> Emergencies:
        """Emergency accesses to restricted studies."""
        from app.store.emergencies import Emergencies

        return Emergencies(self.session)

    @cached_property
    def questions(self) -> Questions:
        """Questions to the images."""
        from app.store.questions import Questions

        return Questions(self.session)

    @cached_property
    def embeddings(self) -> Embeddings:
        """Embeddings of drafts."""
        from app.store.embeddings import Embeddings

        return Embeddings(self.session)

    @cached_property
    def ai_models(self) -> AiModels:
        """AI models that were loaded here."""
        from app.store.ai_models import AiModels

        return AiModels(self.session)

    @cached_property
    def preferences(self) -> Preferences:
        """What people have set for themselves."""
        from app.store.preferences import Preferences

        return Preferences(self.session)

    @cached_property
    def draft_queue(self) -> DraftQueue:
        """How far the drafts are that readers wait for."""
        from app.store.draft_queue import DraftQueue

        return DraftQueue(self.session)

    @cached_property
    def work(self) -> WorkQueue:
        """Durable jobs."""
        from app.store.work_queue import WorkQueue

        return WorkQueue(self.session)
