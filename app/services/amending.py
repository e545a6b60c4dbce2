"""Addenda and corrections of a signed report: written and signed in one act, sent to everyone who has it.

Nothing unsigned is kept: what is typed is text of a form until it is signed. The row lock of the report
decides between two who amend at once, and whoever comes second has not seen the first and is told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from app.destinations import TEXT_FORMATS
from app.domain.access import Action, Actor
from app.domain.amendment import (
    ACTION_OF_KIND,
    MEANING_OF_KIND,
    Amendment,
    AmendmentKind,
    AmendmentText,
    amendment_text,
    require_changed,
    write_addendum,
    write_correction,
)
from app.domain.attestation import Meaning
from app.domain.audit import AuditEvent
from app.domain.checks import Check, Confirmation, require_checked, warnings_of
from app.domain.errors import Conflict, StaleVersion
from app.domain.finding import released_findings
from app.domain.report import Report, ReportCommand, releasable
from app.domain.signed_text import SignedText, sentences_in_force
from app.services.accounts import reauthenticate
from app.services.attesting import attest
from app.services.checks import find_checks_of_amendment
from app.services.facts import fact_about
from app.services.outbox import put_into_outbox
from app.services.permission import permit
from app.services.signing import require_standing
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_ACTS = {
    AmendmentKind.ADDENDUM: (ReportCommand.ADD, AuditEvent.REPORT_ADDENDED),
    AmendmentKind.CORRECTION: (ReportCommand.CORRECT, AuditEvent.REPORT_CORRECTED),
}


def add_addendum(
    store: Store,
    actor: Actor,
    report_id: int,
    *,
    version: int,
    password: str,
    text: str,
    destinations: Sequence[tuple[str, str]],
    confirmation: Confirmation | None = None,
    now: datetime,
) -> Amendment:
    """Add a signed addendum to a final report; the original stands unchanged above it.

    Every destination and format that the report went to, or was to go to, gets it, and `destinations` too:
    one that is not configured any more ends as a failed delivery with an alert.

    Parameters
    ----------
    version
        The version of the report that was on the screen.
    password
        The attending's, typed for this signature.
    destinations
        (destination's name, result format) of what a report of this study goes to now.
    confirmation
        The warnings about this text that the signer has read and confirmed (U8).

    Raises
    ------
    NotAuthorised
        If the role may not, has changed since log-in, or the person has not opened this report.
    AuthenticationFailed
        If the password is wrong.
    StaleVersion, InvalidTransition, ReportIncomplete, Rejected
        If the report changed meanwhile, is not final or withdrawn, or the text is empty or not filled in.
    CheckFailed, WarningsNotConfirmed
        If a check stops the text, or a warning that stands now is not among the confirmed ones.
    """
    permit(store, actor, Action.ADD_ADDENDUM, now=now)
    content = write_addendum(text)
    return _amend(
        store,
        actor,
        report_id,
        content,
        version=version,
        password=password,
        destinations=destinations,
        confirmation=confirmation,
        now=now,
    )


def correct_report(  # noqa: PLR0913 - a signature is that many facts
    store: Store,
    actor: Actor,
    report_id: int,
    *,
    version: int,
    password: str,
    sections: Mapping[str, str],
    reason: str,
    destinations: Sequence[tuple[str, str]],
    confirmation: Confirmation | None = None,
    now: datetime,
) -> Amendment:
    """Replace the text of a final report by a signed correction; the earlier text stays on record.

    Parameters
    ----------
    sections
        The whole corrected text, keyed by `Section` value.
    reason
        Why, for the receivers and the record; without patient data.

    Raises
    ------
    NotAuthorised, AuthenticationFailed, StaleVersion, InvalidTransition, ReportIncomplete, Rejected
        As `add_addendum`; also if nothing is changed, or the reason is missing.
    """
    permit(store, actor, Action.CORRECT_REPORT, now=now)
    content = write_correction(sections, reason)
    return _amend(
        store,
        actor,
        report_id,
        content,
        version=version,
        password=password,
        destinations=destinations,
        confirmation=confirmation,
        now=now,
    )


def _amend(
    store: Store,
    actor: Actor,
    report_id: int,
    content: AmendmentText,
    *,
    version: int,
    password: str,
    destinations: Sequence[tuple[str, str]],
    confirmation: Confirmation | None = None,
    now: datetime,
) -> Amendment:
    command, event = _ACTS[content.kind]
    reauthenticate(store, actor, password, now=now)
    require_standing(store, actor, report_id, now=now)
    with begin_on_study(store, actor, ACTION_OF_KIND[content.kind], now=now) as tx:
        report = tx.reports.lock(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        after = report.advance(command, now=now)
        if report.version != version:
            raise StaleVersion(
                f"the report is at version {report.version}, you have read {version}: read what was added"
            )
        before = _intact_text(tx, report)
        study = tx.studies.get(report.study_uid)
        checks = find_checks_of_amendment(tx, actor, study, content, now=now)
        require_checked(checks, confirmation, report.version)
        amendment = _sign(tx, actor, report, before, content, now)
        tx.reports.save(after)
        told = tuple(_recipients(tx, report, before, amendment, destinations))
        count = put_into_outbox(tx, actor, study, after, amendment.attestation, told, now=now)
        detail = _detail(amendment, warnings_of(checks), count)
        tx.audit.append(fact_about(tx, study, event, actor, now=now, detail=detail))
        return amendment


def _intact_text(tx: UnitOfWork, report: Report) -> SignedText:
    """Return the report as it stands; nobody signs on top of what does not verify, or is gone."""
    text = tx.reports.amendments.signed_text(report.report_id)
    if text is None:
        raise Conflict(f"report {report.report_id} is final without a final signature")
    text.require_intact()
    signed = [by.meaning for by in tx.reports.attestations.of_report(report.report_id)]
    if sum(meaning in MEANING_OF_KIND.values() for meaning in signed) != len(text.amendments):
        raise Conflict(f"report {report.report_id} has signatures of addenda or corrections that are gone")
    return text


def _detail(amendment: Amendment, confirmed: Sequence[Check], deliveries: int) -> dict[str, object]:
    detail: dict[str, object] = {
        "report_id": amendment.report_id,
        "version": amendment.attestation.report_version,
        "number": amendment.number,
        "attestation_id": amendment.attestation.attestation_id,
        "sha256": amendment.attestation.sha256,
        "deliveries": deliveries,
    }
    if confirmed:
        detail["confirmed"] = [check.place for check in confirmed]
    return detail


def _sign(
    tx: UnitOfWork,
    actor: Actor,
    report: Report,
    before: SignedText,
    content: AmendmentText,
    now: datetime,
) -> Amendment:
    require_changed(content, before.sections)
    number = len(before.amendments) + 1
    text = amendment_text(
        report,
        content,
        number,
        before.signatures[-1],
        username=actor.username,
        printed_name=actor.printed_name,
        signed_at=now,
    )
    attestation = attest(tx, actor, report, MEANING_OF_KIND[content.kind], text, now=now)
    return tx.reports.amendments.add(number, content, attestation)


def _recipients(
    tx: UnitOfWork,
    report: Report,
    before: SignedText,
    amendment: Amendment,
    configured: Sequence[tuple[str, str]],
) -> Iterator[tuple[str, str]]:
    """Return who has the report, or was to get it, and who is to get it now.

    Formats without text (regions, findings) say nothing that an addendum changes. A correction that leaves
    out a finding takes back what was sent of them.
    """
    had = [(delivery.destination, delivery.kind) for delivery in tx.deliveries.of_report(report.report_id)]
    yield from (pair for pair in (*had, *configured) if pair[1] in TEXT_FORMATS)
    if amendment.attestation.meaning is Meaning.CORRECTION and _loses_findings(tx, report, before, amendment):
        yield from (pair for pair in had if pair[1] not in TEXT_FORMATS)


def _loses_findings(tx: UnitOfWork, report: Report, before: SignedText, amendment: Amendment) -> bool:
    draft = tx.reports.drafts.get(report.draft_id)
    if draft is None:
        return False
    leaving = releasable(report.sentences)
    was, now = (
        released_findings(sentences_in_force(leaving, sections), draft.content)
        for sections in (before.sections, amendment.content.sections or {})
    )
    return was != now
