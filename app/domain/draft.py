"""What the model drafted for one study revision, as the application keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class DraftContent:
    """A draft as the drafting worker hands it over: a study of the JSON contract of `janus-med draft`.

    Attributes
    ----------
    status
        ``drafted`` or ``undrafted``; with the latter `reason` says why and the rest may be empty.
    model, findings, sentences, report, issues, timings
        JSON values of the contract (`docs/draft_json.md`).
    provenance
        Input SOP Instance UIDs, preprocessing digest and seed: enough to run it again.
    """

    status: str
    reason: str
    model: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...]
    sentences: tuple[Mapping[str, Any], ...]
    report: Mapping[str, Any]
    issues: tuple[Mapping[str, Any], ...]
    timings: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def is_drafted(self) -> bool:
        """Whether there is text to show."""
        return self.status == "drafted"

    @property
    def model_name(self) -> str:
        """The model's id with the first digits of its weights' digest, as shown beside AI text."""
        if not self.model:
            return ""
        return f"{self.model.get('id', 'unknown')} ({str(self.model.get('weights_sha256', ''))[:12]})"

    @property
    def present_findings(self) -> tuple[str, ...]:
        """Names of the findings that the model calls present."""
        return tuple(str(f["name"]) for f in self.findings if f.get("decision") == "present")


@dataclass(frozen=True)
class Draft:
    """A stored draft; there is one per study revision, and a later revision supersedes it."""

    draft_id: int
    study_uid: str
    revision: int
    content: DraftContent
    created_at: datetime
    superseded_at: datetime | None
