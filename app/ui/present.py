"""What the screen is told: domain values as the JSON of the components, nothing beyond what is shown."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain.access import Action, Actor, may
from app.domain.attestation import Attestation
from app.domain.critical import CRITICAL_FINDINGS
from app.domain.delivery import Delivery
from app.domain.draft import Draft
from app.domain.prior import PriorState
from app.domain.report import Report, ReportState, Sentence
from app.domain.review import LockInfo, Review
from app.domain.study import Instance, Study
from app.domain.waiting_draft import WaitingDraft
from app.domain.worklist import WorklistPage, WorklistQuery, WorklistRow
from app.ui.terms import delivery_state, term
from app.ui.told import retell
from app.ui.words import say

_LARGEST_GRID = 128
JSON = dict[str, Any]


def sentence_data(sentence: Sentence) -> JSON:
    """Return one sentence for the editor."""
    region = sentence.region
    return {
        "key": sentence.key,
        "section": sentence.section.value,
        "text": sentence.text,
        "aiText": sentence.ai_text,
        "origin": sentence.origin.value,
        "decision": sentence.decision.value,
        "findings": list(sentence.findings),
        "confidence": sentence.confidence,
        "region": {"sop": region.sop_uid, "box": list(region.box), "score": region.score} if region else None,
    }


def report_data(report: Report) -> JSON:
    """Return the text of a report for the editor, in reading order."""
    ordered = sorted(report.sentences, key=lambda sentence: sentence.position)
    return {
        "reportId": report.report_id,
        "version": report.version,
        "state": report.state.value,
        "isFinal": report.is_final,
        "isEditable": report.is_editable,
        "sentences": [sentence_data(sentence) for sentence in ordered],
    }


def editor_data(review: Review, actor: Actor, *, now: datetime) -> JSON:
    """Return everything that the editor shows of an open study; empty without a report."""
    if review.report is None:
        return {}
    role_may_edit = may(actor.role, Action.EDIT_REPORT)
    return {
        **report_data(review.report),
        "study": review.study.study_uid,
        "mayEdit": review.may_edit,
        "roleMayEdit": role_may_edit,
        "superseded": is_superseded(review),
        "signAs": sign_as(actor, review),
        "mayTellCritical": may(actor.role, Action.HANDLE_CRITICAL),
        "lock": _lock_data(review.lock, actor, now=now),
        "draft": _draft_data(review.draft, review.study),
        "signatures": [_signature_data(attestation) for attestation in review.attestations],
        "deliveries": [_delivery_data(delivery) for delivery in review.deliveries],
    }


def is_superseded(review: Review) -> bool:
    """Tell whether a later image made the shown report an old one."""
    report = review.report
    return review.superseded_by is not None or (report is not None and report.state is ReportState.SUPERSEDED)


def sign_as(actor: Actor, review: Review) -> str:
    """Return how this person would sign: ``final``, ``preliminary``, or empty."""
    if not review.may_edit or is_superseded(review):
        return ""
    if may(actor.role, Action.SIGN_FINAL):
        return "final"
    return "preliminary" if may(actor.role, Action.SIGN_PRELIMINARY) else ""


def _lock_data(lock: LockInfo | None, actor: Actor, *, now: datetime) -> JSON | None:
    if lock is None or not lock.is_held(now=now):
        return None
    return {
        "owner": lock.printed_name,
        "since": lock.taken_at.isoformat(),
        "mine": lock.is_held_by(actor.user_id, now=now),
    }


def _draft_data(draft: Draft | None, study: Study) -> JSON:
    if draft is None:
        return {"status": "none", "reason": retell(study.reason), "model": "", "issues": []}
    return {
        "status": draft.content.status,
        "reason": retell(draft.content.reason),
        "model": draft.content.model_name,
        "issues": [
            {"severity": str(issue.get("severity", "")), "message": retell(str(issue.get("message", "")))}
            for issue in draft.content.issues
        ],
    }


def _signature_data(attestation: Attestation) -> JSON:
    return {
        "username": attestation.username,
        "printedName": attestation.printed_name,
        "role": term(attestation.role),
        "meaning": term(attestation.meaning),
        "at": attestation.signed_at.isoformat(),
        "sha256": attestation.sha256,
        "problem": attestation.problem,
        "keyId": attestation.key_id,
    }


def _delivery_data(delivery: Delivery) -> JSON:
    return {
        "destination": delivery.destination,
        "kind": delivery.kind,
        "state": delivery.state.value,
        "stateName": delivery_state(delivery.state),
        "reason": retell(delivery.reason),
        "sentAt": delivery.sent_at.isoformat() if delivery.sent_at else None,
    }


def findings_data(draft: Draft | None) -> list[JSON]:
    """Return the findings of the draft with their attention grids."""
    if draft is None or not draft.content.is_drafted:
        return []
    return [
        {
            "name": str(finding["name"]),
            "probability": float(finding["probability"]),
            "decision": str(finding["decision"]),
            "critical": str(finding["name"]) in CRITICAL_FINDINGS,
            "attention": _attention_data(finding.get("attention")),
        }
        for finding in draft.content.findings
    ]


def _attention_data(grid: Mapping[str, Any] | None) -> JSON | None:
    """Return a grid with its cells as bytes in base64, row by row, 255 = 1."""
    if grid is None:
        return None
    from PIL import Image

    rows, columns = int(grid["rows"]), int(grid["columns"])
    with Image.open(io.BytesIO(base64.b64decode(grid["values_png_base64"])), formats=("PNG",)) as picture:
        if picture.size != (columns, rows) or max(rows, columns) > _LARGEST_GRID:
            return None
        cells = picture.convert("L").tobytes()
    return {
        "sop": str(grid["sop_instance_uid"]),
        "rows": rows,
        "columns": columns,
        "extent": [float(edge) for edge in grid["extent"]],
        "cells": base64.b64encode(cells).decode(),
    }


def viewer_data(review: Review, *, csrf: str = "", prior_at: str = "") -> JSON:
    """Return what the image viewer shows of an open study.

    Parameters
    ----------
    csrf
        What its page shows with the request for a prior's images; without it none is offered.
    prior_at
        Where a prior is asked for; by default where the priors of an opened study are.
    """
    study, draft = review.study, review.draft
    return {
        "study": study.study_uid,
        "title": study.description or study.body_part,
        "model": draft.content.model_name if draft and draft.content.is_drafted else "",
        "findings": findings_data(draft),
        "images": [image_data(instance) for instance in review.instances if instance.is_image],
        "priors": [
            {"study": prior.prior_uid, "open": prior_at or prior_path(study.study_uid, prior.prior_uid)}
            for prior in review.priors
            if csrf and prior.state is PriorState.ATTACHED
        ],
        "csrf": csrf,
    }


def prior_path(study_uid: str, prior_uid: str) -> str:
    """Return where the images of an earlier study of an opened one are asked for."""
    return f"/api/studies/{study_uid}/priors/{prior_uid}/open"


def image_data(instance: Instance) -> JSON:
    """Return an image of a stack; a stack is a series."""
    return {
        "sop": instance.sop_uid,
        "series": instance.series_uid,
        "modality": instance.modality,
        "number": instance.instance_number,
    }


def patient_data(study: Study) -> JSON:
    """Return whose study it is, for the head of the page."""
    patient = study.current_patient
    return {
        "name": patient.readable_name or say("no name"),
        "id": patient.patient_id or say("no id"),
        "birthDate": readable_date(patient.birth_date),
        "sex": patient.sex,
        "description": study.description or say("no description"),
        "modality": study.modality,
        "bodyPart": study.body_part,
        "accession": study.accession_number,
        "studyDate": readable_date(study.study_date),
        "referrer": study.referring_physician.replace("^", " ").strip(),
        "priority": study.priority,
        "priorityReason": retell(study.priority_reason),
        "revision": study.revision,
    }


def row_data(row: WorklistRow) -> JSON:
    """Return one row of the worklist."""
    study = row.study
    return {
        **patient_data(study),
        "study": study.study_uid,
        "received": study.received_at.isoformat(),
        "images": study.instance_count,
        "studyState": study.state.value,
        "reason": retell(study.reason),
        "reportState": row.report_state.value if row.report_state else "",
        "lockOwner": row.lock_owner,
        "lockSince": row.locked_at.isoformat() if row.locked_at else "",
        "deliveryState": row.delivery_state.value if row.delivery_state else "",
        "deliveryReason": retell(row.delivery_reason),
        "waiting": None if row.draft is None else _waiting_data(row.draft),
    }


def _waiting_data(draft: WaitingDraft) -> JSON:
    return {
        "works": draft.works,
        "before": draft.before,
        "since": draft.since.isoformat() if draft.since else "",
        "step": draft.step.value if draft.step else "",
        "again": draft.again_at.isoformat() if draft.again_at else "",
    }


def page_data(page: WorklistPage, query: WorklistQuery, at: datetime) -> JSON:
    """Return one page of the worklist, and what it answers."""
    return {
        "rows": [row_data(row) for row in page.rows],
        "total": page.total,
        "offset": query.offset,
        "limit": query.limit,
        "sort": query.sort.value,
        "descending": query.descending,
        "at": at.isoformat(),
    }


def readable_date(da: str) -> str:
    """Return a DICOM date (DA) as ``2026-11-22``; anything else as it is."""
    return f"{da[:4]}-{da[4:6]}-{da[6:]}" if len(da) == 8 and da.isdigit() else da
