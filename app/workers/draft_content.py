"""A draft of the model package as the store keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.draft import DraftContent
from app.domain.embedding import StudyEmbedding, name_space
from app.domain.order import NO_CONTEXT, ClinicalContext

if TYPE_CHECKING:
    from janus_med.draft import Draft


def as_content(draft: Draft, context: ClinicalContext = NO_CONTEXT) -> DraftContent:
    """Return a draft as the store keeps it; what a re-run needs becomes its provenance."""
    document = draft.to_json()
    return DraftContent(
        status=document["status"],
        reason=document["reason"],
        model=document["model"],
        findings=tuple(document["findings"]),
        sentences=tuple(document["sentences"]),
        report=document["report"],
        issues=tuple(document["issues"]),
        timings=document["timings"],
        provenance={
            "sop_instance_uids": document["input_sop_instance_uids"],
            "preprocessing_sha256": document["preprocessing_sha256"],
            "seed": document["seed"],
            "clinical_context": context.as_provenance(),
        },
    )


def embedding_of(draft: Draft) -> StudyEmbedding | None:
    """Return the embedding of a draft as the store keeps it; None when it has none."""
    if draft.embedding is None or draft.status != "drafted":
        return None
    model = {
        "weights_sha256": draft.model.weights_sha256,
        "adapters_sha256": draft.model.adapters_sha256,
    }
    return StudyEmbedding(
        name_space(model, draft.model.preprocessing_sha256), draft.embedding.astype("<f4").tobytes()
    )
