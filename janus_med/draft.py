"""The draft of a study: frozen, unsigned, with everything a re-run needs. Its JSON is a contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from janus_med.overlay import AttentionGrid, Region
    from janus_med.reading import Change, Decision, ModelInfo, Polarity, Section

Status = Literal["drafted", "undrafted"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Issue:
    """Something about a draft that its reader must know.

    Attributes
    ----------
    kind
        A fixed word; see `janus_med.checks`.
    severity
        ``error`` contradicts itself or the image, ``warning`` wants a look, ``info`` explains.
    message
        For the reader.
    sentence
        Index of the sentence it is about, or None.
    """

    kind: str
    severity: Severity
    message: str
    sentence: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The issue of the `janus-med draft` contract."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class DraftFinding:
    """One of the fourteen findings with the place that speaks for it."""

    name: str
    probability: float
    decision: Decision
    region: Region | None = None
    more_regions: tuple[Region, ...] = ()
    attention: AttentionGrid | None = None
    change: Change | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding of the `janus-med draft` contract."""
        return {
            "name": self.name,
            "probability": round(self.probability, 6),
            "decision": self.decision,
            "region": self.region.to_json() if self.region else None,
            "more_regions": [region.to_json() for region in self.more_regions],
            "attention": self.attention.to_json() if self.attention else None,
            "change": self.change,
        }


@dataclass(frozen=True)
class DraftSentence:
    """One sentence of AI text; a negated or normal one never has a region.

    ``by_rule``: the grammar worded it, since the language model had left its finding out.
    """

    section: Section
    text: str
    findings: tuple[str, ...]
    polarity: Polarity
    confidence: float
    region: Region | None = None
    by_rule: bool = False

    def to_json(self) -> dict[str, Any]:
        """The sentence of the `janus-med draft` contract."""
        return {
            "section": self.section,
            "text": self.text,
            "findings": list(self.findings),
            "polarity": self.polarity,
            "confidence": round(self.confidence, 6),
            "region": self.region.to_json() if self.region else None,
        }


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds of each stage, summed over the images."""

    decode_s: float = 0.0
    preprocess_s: float = 0.0
    encode_s: float = 0.0
    generate_s: float = 0.0

    def to_json(self) -> dict[str, float]:
        """The timings of the `janus-med draft` contract."""
        return {name: round(getattr(self, name), 4) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Draft:
    """What the model says about one study, or why it says nothing.

    Attributes
    ----------
    study_uid
        StudyInstanceUID.
    status, reason
        ``undrafted`` always has a reason.
    model, seed, input_sop_instance_uids
        Together with the weights they reproduce the draft. Of an undrafted study: the images that were tried.
    unreadable
        One message for each frontal image that could not be decoded; each names its file.
    embedding
        (E,) float32 of length one, for retrieval; not part of the JSON. None of an undrafted study.
    """

    study_uid: str
    status: Status
    reason: str
    model: ModelInfo
    seed: int
    input_sop_instance_uids: tuple[str, ...] = ()
    findings: tuple[DraftFinding, ...] = ()
    sentences: tuple[DraftSentence, ...] = ()
    issues: tuple[Issue, ...] = ()
    unreadable: tuple[str, ...] = ()
    timings: Timings = field(default_factory=Timings)
    embedding: np.ndarray | None = field(default=None, compare=False, repr=False)

    def section(self, name: Section) -> str:
        """The text of one section."""
        return " ".join(sentence.text for sentence in self.sentences if sentence.section == name)

    def to_json(self) -> dict[str, Any]:
        """One entry of ``studies`` in the contract of `janus-med draft`.

        Returns
        -------
        dict
            Ready for `json.dumps`; numbers are plain Python, boxes are columns and rows of the source image.
        """
        return {
            "study_uid": self.study_uid,
            "status": self.status,
            "reason": self.reason,
            "model": {
                "id": self.model.id,
                "preset": self.model.preset,
                "weights_sha256": self.model.weights_sha256,
                "adapters_sha256": self.model.adapters_sha256,
            },
            "preprocessing_sha256": self.model.preprocessing_sha256,
            "seed": self.seed,
            "input_sop_instance_uids": list(self.input_sop_instance_uids),
            "findings": [finding.to_json() for finding in self.findings],
            "sentences": [sentence.to_json() for sentence in self.sentences],
            "report": {"findings": self.section("findings"), "impression": self.section("impression")},
            "issues": [issue.to_json() for issue in self.issues],
            "unreadable": list(self.unreadable),
            "timings": self.timings.to_json(),
        }
