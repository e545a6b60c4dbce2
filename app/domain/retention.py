"""What may be purged, and why everything else stays: pixels only, never text, signatures or audit entries.

A study goes when nothing can still need its pixels: signed, delivered, old enough, on no hold. Every other
case is a reason to keep, and a reason that is unknown is one too. A full disk is no reason to purge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.delivery import DeliveryState
from app.domain.report import ReportState
from app.domain.study import StudyState

SELF_TEST_TITLE = "JANUSMED_TEST"
SELF_TEST_PATIENT = "JANUSMED-SELFTEST"
SELF_TEST_ISSUER = "JANUSMED"
_FINAL = frozenset({ReportState.SIGNED, ReportState.ADDENDED, ReportState.CORRECTED, ReportState.WITHDRAWN})
_DONE = frozenset({DeliveryState.SENT.value, DeliveryState.COMMITTED.value, "CANCELLED"})


@dataclass(frozen=True)
class RetentionPolicy:
    """For how many days pixels are kept; 0 means for ever.

    Attributes
    ----------
    signed_days
        After the last signature, image or delivery of a study that is signed and delivered.
    withdrawn_days
        The same of a study whose report was withdrawn, when everybody who had it was told.
    excluded_days
        After the last image of a study that a rule excluded: nobody has to sign it.
    quarantine_days
        After the decision about an instance in quarantine; an undecided one stays.
    job_days
        Of jobs that ended and wait for nobody.
    """

    signed_days: int = 0
    withdrawn_days: int = 0
    excluded_days: int = 0
    quarantine_days: int = 0
    job_days: int = 0


@dataclass(frozen=True)
class StudyStanding:
    """What retention has to know of a study.

    Attributes
    ----------
    report_state, report_revision
        Of the newest report; None without one.
    open_reports
        Reports of any revision that a person still works on.
    last_act_at
        The latest of image received, signature, delivery.
    held_for
        Why somebody holds it; empty otherwise.
    """

    study_uid: str
    state: StudyState
    revision: int
    report_state: ReportState | None
    report_revision: int | None
    open_reports: int
    delivery_states: frozenset[str]
    jobs: int
    instances: int
    size: int
    last_act_at: datetime
    held_for: str


def reason_to_keep(study: StudyStanding, policy: RetentionPolicy, *, now: datetime) -> str:
    """Return why the pixels of a study stay; empty when they may go."""
    if study.held_for:
        return f"on hold: {study.held_for}"
    if study.jobs:
        return "work on it waits or runs"
    if study.state is StudyState.EXCLUDED:
        return _too_young(study, policy.excluded_days, now)
    is_withdrawn = study.report_state is ReportState.WITHDRAWN
    days = policy.withdrawn_days if is_withdrawn else policy.signed_days
    return _unfinished(study) or _too_young(study, days, now)


def policy_lines(policy: RetentionPolicy) -> tuple[tuple[str, str], ...]:
    """Return what is kept for how long, in words, one line for each state."""

    def kept(days: int, since: str) -> str:
        return f"pixels go {days} days after {since}" if days else "kept for ever"

    return (
        ("signed and delivered", kept(policy.signed_days, "the last image, signature or delivery")),
        ("withdrawn and told", kept(policy.withdrawn_days, "the last image, signature or delivery")),
        ("excluded by a rule", kept(policy.excluded_days, "the last image")),
        ("not signed, with or without a draft", "kept for ever"),
        ("not delivered, not processed, held", "kept for ever"),
        ("quarantine, decided", kept(policy.quarantine_days, "the decision").replace("pixels go", "goes")),
        ("quarantine, undecided", "kept for ever"),
        ("jobs that ended", kept(policy.job_days, "their end").replace("pixels go", "forgotten")),
        ("reports, signatures, audit log", "kept for ever; a patient is erased by hand alone"),
    )


def _unfinished(study: StudyStanding) -> str:
    if study.state not in {StudyState.DRAFTED, StudyState.UNDRAFTED}:
        return f"not processed: {study.state.value}"
    if study.report_state not in _FINAL or study.report_revision != study.revision:
        return f"revision {study.revision} is not signed"
    if study.open_reports:
        return "a report on it is open"
    undone = sorted(study.delivery_states - _DONE)
    return f"a delivery is {undone[0]}" if undone else ""


def _too_young(study: StudyStanding, days: int, now: datetime) -> str:
    if days <= 0:
        return "kept for ever"
    until = study.last_act_at + timedelta(days=days)
    return f"kept until {until:%Y-%m-%d}" if now < until else ""


@dataclass(frozen=True)
class PurgeVerdict:
    """What retention says about a study; an empty reason means that its pixels go."""

    study: StudyStanding
    reason: str


@dataclass(frozen=True)
class PurgedInstance:
    """An instance whose bytes are to be removed, or were."""

    sop_uid: str
    study_uid: str
    sha256: str
    size: int
    purged_at: datetime
