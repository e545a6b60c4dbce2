"""Verification of every signature in the database, for whoever has to rely on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.services.permission import permit
from app.store.engine import Store


@dataclass(frozen=True)
class SignatureCheck:
    """What became of a verification.

    Attributes
    ----------
    count
        Signatures that were looked at.
    problems
        Of each one that does not verify: its number and what does not hold.
    erased
        Signatures whose text was erased with its patient: their seals fit, their text cannot be looked at.
    """

    count: int
    problems: tuple[tuple[int, str], ...]
    erased: int = 0


def verify_signatures(store: Store, actor: Actor, *, now: datetime) -> SignatureCheck:
    """Verify text, facts and seal of every signature, and record that and with what result.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_AUDIT, now=now)
    count, erased, problems = 0, 0, []
    with store.begin(snapshot=True) as tx:
        lawful = tx.patient_data.erased_reports()
        for attestation in tx.reports.attestations.every():
            count += 1
            if attestation.is_erased and attestation.report_id in lawful:
                erased += 1
            elif attestation.problem:
                problems.append((attestation.attestation_id, attestation.problem))
    check = SignatureCheck(count, tuple(problems), erased)
    _record(store, actor, check, now)
    return check


def note_rotation(store: Store, actor: Actor, name: str, old: str, new: str, *, now: datetime) -> None:
    """Record that a key of ours was replaced."""
    with store.begin() as tx:
        detail = {"key": name, "old": old, "new": new}
        tx.audit.append(AuditFact(AuditEvent.KEY_ROTATED, actor, now, detail=detail))


def _record(store: Store, actor: Actor, check: SignatureCheck, now: datetime) -> None:
    outcome = Outcome.FAILURE if check.problems else Outcome.SUCCESS
    detail = {
        "signatures": check.count,
        "erased": check.erased,
        "problems": [number for number, _ in check.problems[:100]],
    }
    with store.begin() as tx:
        tx.audit.append(AuditFact(AuditEvent.SIGNATURES_VERIFIED, actor, now, outcome, detail=detail))
