"""The signing act: who, when, what it means, exactly which text; one transaction with all that follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.domain.access import Action, Actor, may
from app.domain.attestation import Attestation, Meaning, canonical_text
from app.domain.audit import AuditEvent
from app.domain.checks import Check, Confirmation, require_checked, warnings_of
from app.domain.errors import NotAuthorised, StaleVersion
from app.domain.report import Report, ReportCommand
from app.services.accounts import reauthenticate
from app.services.attesting import attest
from app.services.checks import find_checks
from app.services.critical import DEFAULT_WAITS, Waits, open_loops_of_signature
from app.services.facts import fact_about
from app.services.locking import require_pen
from app.services.outbox import put_into_outbox
from app.services.permission import permit, record_denial
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_ACTS = {
    Action.SIGN_FINAL: (ReportCommand.SIGN_FINAL, Meaning.FINAL),
    Action.SIGN_PRELIMINARY: (ReportCommand.SIGN_PRELIMINARY, Meaning.PRELIMINARY),
}


def sign(  # noqa: PLR0913 - a signature is that many facts
    store: Store,
    actor: Actor,
    report_id: int,
    *,
    version: int,
    password: str,
    destinations: Sequence[tuple[str, str]],
    confirmation: Confirmation | None = None,
    send_preliminary: bool = False,
    waits: Waits = DEFAULT_WAITS,
    now: datetime,
) -> Attestation:
    """Sign a report: an attending makes it final and sends it out, a resident makes it preliminary.

    Parameters
    ----------
    version
        The version of the report that was on the screen.
    password
        The signer's, typed for this signature.
    destinations
        (destination's name, result format) of each object that the report becomes.
    confirmation
        The warnings of this version that the signer has read and confirmed (U8); a stop has no confirmation.
    send_preliminary
        Whether a preliminary report leaves too (`JANUS_MED_SEND_PRELIMINARY`); by default nothing leaves
        before an attending has signed.
    waits
        Times to escalation of the critical results that the signature opens.

    Raises
    ------
    NotAuthorised
        If the role may not sign, has changed since log-in, or the signer has not opened this report.
    AuthenticationFailed
        If the password is wrong.
    StaleVersion, LockedByOther, InvalidTransition
        If the text has changed, another reader has it, or it was superseded or signed.
    ReportIncomplete, CheckFailed, WarningsNotConfirmed
        If a check stops it, or a warning that stands now is not among the confirmed ones.
    """
    action = Action.SIGN_FINAL if may(actor.role, Action.SIGN_FINAL) else Action.SIGN_PRELIMINARY
    permit(store, actor, action, now=now)
    reauthenticate(store, actor, password, now=now)
    require_standing(store, actor, report_id, now=now)
    command, meaning = _ACTS[action]
    with begin_on_study(store, actor, action, now=now) as tx:
        report = tx.reports.lock(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        after = report.advance(command, now=now)
        require_pen(tx, actor, report, now=now)
        if report.version != version:
            raise StaleVersion(
                f"the report is at version {report.version}, you have read {version}: read it again"
            )
        study = tx.studies.get(report.study_uid)
        checks = find_checks(tx, actor, study, report, now=now)
        require_checked(checks, confirmation, report.version)
        attestation = _attest(tx, actor, report, meaning, now)
        tx.reports.save(after)
        tx.reports.leases.drop(report_id)
        leaves = action is Action.SIGN_FINAL or send_preliminary
        count = put_into_outbox(tx, actor, study, after, attestation, destinations if leaves else (), now=now)
        detail = _detail(attestation, warnings_of(checks), count)
        tx.audit.append(fact_about(tx, study, AuditEvent.REPORT_SIGNED, actor, now=now, detail=detail))
        open_loops_of_signature(tx, actor, study, after, waits=waits, now=now)
        return attestation


def require_standing(store: Store, actor: Actor, report_id: int, *, now: datetime) -> None:
    """Hold what the actor says against the account and the log: role as of now, images opened (S2)."""
    with store.begin() as tx:
        report = tx.reports.get(report_id)
        user = None if actor.user_id is None else tx.users.by_id(actor.user_id)
        if user is None or user.disabled or (user.username, user.role) != (actor.username, actor.role):
            problem = "the account or its role has changed: log in again"
        elif not tx.reports.was_opened(actor.username, report):
            problem = "open the study and look at its images before signing"
        else:
            return
    record_denial(store, actor, f"sign report {report_id}", now=now, study_uid=report.study_uid)
    raise NotAuthorised(problem)


def _attest(tx: UnitOfWork, actor: Actor, report: Report, meaning: Meaning, now: datetime) -> Attestation:
    text = canonical_text(
        report, username=actor.username, printed_name=actor.printed_name, meaning=meaning, signed_at=now
    )
    return attest(tx, actor, report, meaning, text, now=now)


def _detail(attestation: Attestation, confirmed: Sequence[Check], deliveries: int) -> dict[str, object]:
    detail: dict[str, object] = {
        "report_id": attestation.report_id,
        "version": attestation.report_version,
        "attestation_id": attestation.attestation_id,
        "sha256": attestation.sha256,
        "meaning": attestation.meaning.name,
        "deliveries": deliveries,
    }
    if confirmed:
        detail["confirmed"] = [check.place for check in confirmed]
    return detail
