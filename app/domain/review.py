"""What a reader sees of one study: images, draft, report, and who holds the pen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.attestation import Attestation
from app.domain.delivery import Delivery
from app.domain.draft import Draft
from app.domain.emergency import EmergencyAccess
from app.domain.order import NO_CONTEXT, ClinicalContext
from app.domain.prior import Prior
from app.domain.report import Report, ReportState
from app.domain.signed_text import SignedText
from app.domain.study import Instance, Study

LEASE = timedelta(minutes=15)


@dataclass(frozen=True)
class LockInfo:
    """Who edits a report, since when, and until when unless renewed."""

    report_id: int
    user_id: int
    username: str
    printed_name: str
    taken_at: datetime
    expires_at: datetime

    def is_held_by(self, user_id: int | None, *, now: datetime) -> bool:
        """Tell whether this person holds the lock at this moment."""
        return self.user_id == user_id and self.is_held(now=now)

    def is_held(self, *, now: datetime) -> bool:
        """Tell whether anybody holds the lock at this moment."""
        return self.expires_at > now


@dataclass(frozen=True)
class SentenceAct:
    """That somebody saved something about a sentence."""

    username: str
    key: str
    at: datetime


@dataclass(frozen=True)
class PenActivity:
    """What a takeover would interrupt.

    Attributes
    ----------
    lock
        None when the report is free by now.
    seen_at
        When the owner's page last said that somebody is there.
    saved_at
        When the owner last saved something since the last signature; None for never.
    unsigned
        Sentences that were written or decided about, and not signed since.
    """

    lock: LockInfo | None
    seen_at: datetime | None
    saved_at: datetime | None
    unsigned: int


@dataclass(frozen=True)
class ReportSummary:
    """A report of the study, without its text."""

    report_id: int
    revision: int
    state: ReportState
    updated_at: datetime


@dataclass(frozen=True)
class Review:
    """One study as a reader has it open.

    Attributes
    ----------
    instances
        Those that the shown report's revision is made of, by series and instance number.
    draft
        What the model wrote for the shown revision; None when there is none yet.
    report
        None while the study waits for its draft: there is nothing to write into yet.
    lock
        Who edits the shown report; None when it is free.
    may_edit
        Whether this reader holds the lock of a report whose text may change.
    superseded_by
        The study's revision when a later image made the shown report an old one; None otherwise.
    context
        Why the study was made, by its orders as they are now, and a warning where an order is not used.
    others
        The study's other reports, oldest first: a signed one stays visible after a late image.
    priors
        Earlier studies of the patient that the reader may open, the most relevant first.
    stopped
        Who stopped the model that wrote the draft, and why; empty while it may draft.
    emergency
        What lets this reader in although the study is restricted; None when nothing has to.
    text
        The shown report with its addenda and corrections; None while no attending has signed it.
    """

    study: Study
    instances: tuple[Instance, ...]
    draft: Draft | None
    report: Report | None
    lock: LockInfo | None
    may_edit: bool
    attestations: tuple[Attestation, ...]
    deliveries: tuple[Delivery, ...]
    superseded_by: int | None
    others: tuple[ReportSummary, ...]
    priors: tuple[Prior, ...] = ()
    context: ClinicalContext = NO_CONTEXT
    emergency: EmergencyAccess | None = None
    stopped: str = ""
    text: SignedText | None = None


@dataclass(frozen=True)
class PixelSource:
    """Which object of the spool holds the pixels that a reader may see.

    Attributes
    ----------
    until
        When the access ends; None when it does not by itself.
    """

    sha256: str
    study_uid: str
    sop_uid: str
    until: datetime | None = None
