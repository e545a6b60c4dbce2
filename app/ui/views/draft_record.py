"""How a draft was made: the record that stays with it, enough to judge it and to run it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import streamlit as st

from app.domain.draft import Draft
from app.domain.review import Review
from app.ui.terms import term
from app.ui.told import retell
from app.ui.views.operations_page import utc
from app.ui.views.plain import plain
from app.ui.words import say


def warn_of_stop(review: Review) -> None:
    """Warn, loudly, that the model behind an unsigned draft was stopped."""
    if review.stopped and review.report is not None and not review.report.is_final:
        st.error(
            plain(
                say(
                    "The AI model that wrote this draft was stopped by {user}. Trust none of it.",
                    user=review.stopped,
                )
            )
        )


def offer_record(review: Review) -> None:
    """Offer the record of the draft behind the report, also after the signature."""
    draft = review.draft
    if draft is None or not draft.content.model:
        return
    with st.expander(say("How the AI draft was made")):
        for name, value in record_lines(draft).items():
            st.text(f"{name}: {value}")
        st.dataframe(
            [_finding(finding) for finding in draft.content.findings], hide_index=True, key="draft_findings"
        )
        st.caption(say("Probabilities are calibrated on the data of the model card, not on this hospital."))
        st.code(json.dumps(_as_json(draft), indent=1, sort_keys=True), language="json")


def record_lines(draft: Draft) -> Mapping[str, str]:
    """Return what the record says, in reading order."""
    model, made = draft.content.model, draft.content.provenance
    inputs = [str(uid) for uid in made.get("sop_instance_uids", ())]
    seconds = sum(float(value) for value in draft.content.timings.values())
    return {
        say("Model"): draft.content.model_name,
        say("Weights SHA-256"): str(model.get("weights_sha256", "")),
        say("Adapters SHA-256"): str(model.get("adapters_sha256", "")) or say("none"),
        say("Preprocessing SHA-256"): str(made.get("preprocessing_sha256", "")) or say("not recorded"),
        say("Seed"): str(made.get("seed", say("not recorded"))),
        say("Images read"): ", ".join(inputs) or say("none"),
        say("Clinical context"): say("given")
        if any((made.get("clinical_context") or {}).values())
        else say("none"),
        say("Made (UTC)"): say(
            "{time}, in {seconds} s", time=utc(draft.created_at), seconds=f"{seconds:.1f}"
        ),
        say("Checks"): "; ".join(retell(str(issue.get("message", ""))) for issue in draft.content.issues)
        or say("no issue"),
    }


def _finding(finding: Mapping[str, Any]) -> dict[str, object]:
    return {
        say("Finding (AI)"): str(finding.get("name", "")),
        say("Decision"): term(str(finding.get("decision", ""))),
        say("Probability %"): round(100 * float(finding.get("probability", 0.0)), 1),
    }


def _as_json(draft: Draft) -> dict[str, Any]:
    """Return the record as JSON; the attention maps stay out, the viewer shows them."""
    content = asdict(draft.content)
    content["findings"] = [
        {name: value for name, value in finding.items() if name != "attention"}
        for finding in draft.content.findings
    ]
    return {"draft_id": draft.draft_id, "revision": draft.revision, **content}
