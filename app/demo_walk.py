"""The demo's path without a person: read, accept, sign, see it in the PACS, verify the audit log.

Everything goes through the services, with the demo users' passwords: what they refuse, this is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.demo_settings import PASSWORD, DemoPlan
from app.demo_studies import DemoStudy
from app.domain.access import Actor
from app.domain.delivery import Delivery
from app.domain.errors import Fatal
from app.domain.report import REQUIRED_SECTIONS
from app.domain.review import Review
from app.services.accounts import log_in, log_out
from app.services.audit import AuditFilter, export_audit, verify_file, verify_log
from app.services.editing import accept_sentence, add_sentence
from app.services.reading import open_study, refresh
from app.services.signing import sign
from app.store.engine import Store

SOURCE = "demo"
_POLL_SECONDS = 0.2
_SENTENCES = frozenset(
    {"Indications for Procedure", "Previous Finding", "Procedure Description", "Finding", "Impression"}
)


@dataclass(frozen=True)
class SignedReport:
    """A report that is signed and in the PACS.

    Attributes
    ----------
    before
        Whether it had been signed in an earlier run.
    document
        The SR in the PACS.
    """

    review: Review
    delivery: Delivery
    before: bool
    document: Path
    text: str


@dataclass(frozen=True)
class AuditResult:
    """The exported audit log, verified in the database and as a file."""

    path: Path
    entries: int
    head: str


def sign_and_deliver(store: Store, plan: DemoPlan, study: DemoStudy) -> SignedReport:
    """Sign the study's report as the demo's attending, unless it is signed, and see it arrive in the PACS.

    Raises
    ------
    Fatal
        If it does not arrive, or the document there is not the report that was signed.
    """
    token, actor = log_in(store, username="attending", password=PASSWORD, source=SOURCE, now=_now())
    try:
        review = open_study(store, actor, study.study_uid, now=_now(), lease=timedelta(minutes=5))
        before = review.report is not None and review.report.is_final
        if not before:
            _sign(store, actor, plan, review)
        review = _wait_for(
            lambda: _delivered(store, actor, study), 90, "the signed report did not reach the PACS"
        )
    finally:
        log_out(store, token, now=_now())
    document, text = _find_document(plan, review.deliveries[-1], review)
    return SignedReport(review, review.deliveries[-1], before, document, text)


def export_and_verify(store: Store, plan: DemoPlan) -> AuditResult:
    """Export the audit log as the demo's auditor; verify the log and the file."""
    token, actor = log_in(store, username="auditor", password=PASSWORD, source=SOURCE, now=_now())
    path = plan.folder / "audit.jsonl"
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            export_audit(store, actor, AuditFilter(), format="jsonl", out=out, now=_now())
        verify_log(store, actor, now=_now())
    finally:
        log_out(store, token, now=_now())
    entries, head = verify_file(path)
    return AuditResult(path, entries, head)


def _sign(store: Store, actor: Actor, plan: DemoPlan, review: Review) -> None:
    report = review.report
    if report is None:
        raise Fatal("the study has no report yet")
    for sentence in report.sentences:
        if sentence.is_unread:
            report = accept_sentence(store, actor, report.report_id, sentence.key, now=_now())
    for section in REQUIRED_SECTIONS:
        if not any(s.section is section for s in report.sentences):
            text = "Written by hand in the demonstration."
            report = add_sentence(store, actor, report.report_id, section, text, now=_now())
    sign(
        store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[(plan.destination, "report_sr")],
        now=_now(),
    )


def _delivered(store: Store, actor: Actor, study: DemoStudy) -> Review | None:
    review = refresh(store, actor, study.study_uid, now=_now())
    dead = [d for d in review.deliveries if d.state.value == "DEAD"]
    if dead:
        raise Fatal(f"the delivery was given up: {dead[0].reason}")
    done = bool(review.deliveries) and all(d.is_sent for d in review.deliveries)
    return review if done else None


def _find_document(plan: DemoPlan, delivery: Delivery, review: Review) -> tuple[Path, str]:
    """Look for the document in the PACS itself and read it."""
    from pydicom import dcmread

    from pacs_bridge.archive import holdings
    from pacs_bridge.spool import Spool

    held = {h.sop_instance_uid: h.path for h in holdings(Spool(plan.pacs_folder), "SR")}
    if delivery.sop_uid not in held:
        raise Fatal("the delivery is marked as sent, but the PACS does not hold the report")
    document = dcmread(held[delivery.sop_uid])
    flags = (document.CompletionFlag, document.VerificationFlag)
    text = " ".join(_texts(document))
    signed = [s.text for s in review.report.sentences if s.may_leave] if review.report else []
    if flags != ("COMPLETE", "VERIFIED") or not all(sentence in text for sentence in signed):
        raise Fatal("the document in the PACS is not the report that was signed")
    return held[delivery.sop_uid], text


def _texts(item: Any) -> list[str]:
    """Return the report's own sentences, in order, without what else the document says as text."""
    name = item.get("ConceptNameCodeSequence")
    is_sentence = bool(name) and name[0].CodeMeaning in _SENTENCES and "TextValue" in item
    found = [str(item.TextValue)] if is_sentence else []
    for child in item.get("ContentSequence", []):
        found += _texts(child)
    return found


def _wait_for(look: Callable[[], Review | None], seconds: float, problem: str) -> Review:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(_POLL_SECONDS)
    raise Fatal(f"{problem} within {seconds:.0f} s")


def _now() -> datetime:
    return datetime.now(UTC)
