"""Withdrawing a signed report: an attending takes it back, and everyone who was told is told again."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.attestation import Attestation, Meaning, withdrawal_text
from app.domain.audit import AuditEvent
from app.domain.errors import StaleVersion
from app.domain.reason import give_reason
from app.domain.report import Report, ReportCommand
from app.services.accounts import reauthenticate
from app.services.attesting import attest
from app.services.facts import fact_about
from app.services.outbox import put_into_outbox
from app.services.permission import permit
from app.services.signing import require_standing
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def withdraw(
    store: Store,
    actor: Actor,
    report_id: int,
    *,
    version: int,
    password: str,
    reason: str,
    now: datetime,
) -> Attestation:
    """Withdraw a final report: state, signature, audit entry and outbox in one transaction.

    Every destination and format that the report went to, or was to go to, gets the withdrawal; what was not
    sent yet is cancelled. The text stays on record as it was signed.

    Parameters
    ----------
    version
        The version of the report that was on the screen.
    password
        The attending's, typed for this act.
    reason
        Why, for the receivers and the record; without patient data.

    Raises
    ------
    NotAuthorised
        If the role may not, has changed since log-in, or the person has not opened this report.
    AuthenticationFailed
        If the password is wrong.
    StaleVersion, InvalidTransition, Rejected
        If the report changed meanwhile, is not final or withdrawn already, or the reason is missing.
    """
    permit(store, actor, Action.WITHDRAW_REPORT, now=now)
    reason = give_reason(reason, "a withdrawal")
    reauthenticate(store, actor, password, now=now)
    require_standing(store, actor, report_id, now=now)
    with begin_on_study(store, actor, Action.WITHDRAW_REPORT, now=now) as tx:
        report = tx.reports.lock(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        after = report.advance(ReportCommand.WITHDRAW, now=now)
        if report.version != version:
            raise StaleVersion(
                f"the report is at version {report.version}, you have seen {version}: look at it again"
            )
        attestation = _attest(tx, actor, report, reason, now)
        tx.reports.save(after)
        study = tx.studies.get(report.study_uid)
        told = [(d.destination, d.kind) for d in tx.deliveries.of_report(report_id)]
        count = put_into_outbox(tx, actor, study, after, attestation, told, now=now)
        detail = {
            "report_id": report_id,
            "version": report.version,
            "attestation_id": attestation.attestation_id,
            "sha256": attestation.sha256,
            "deliveries": count,
        }
        tx.audit.append(fact_about(tx, study, AuditEvent.REPORT_WITHDRAWN, actor, now=now, detail=detail))
        return attestation


def _attest(tx: UnitOfWork, actor: Actor, report: Report, reason: str, now: datetime) -> Attestation:
    withdrawn = tx.reports.attestations.of_report(report.report_id)[-1]
    text = withdrawal_text(
        report,
        withdrawn,
        username=actor.username,
        printed_name=actor.printed_name,
        reason=reason,
        signed_at=now,
    )
    return attest(tx, actor, report, Meaning.WITHDRAWN, text, now=now)
