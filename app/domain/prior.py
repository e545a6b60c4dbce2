"""Earlier studies of a patient: which of them are worth a look beside the current one, and their life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.machine import advance

PRIOR_REASON = "fetched as an earlier study of a patient"
# examinations that show the same thing in another way are compared with each other
_FAMILIES: Sequence[frozenset[str]] = (
    frozenset({"CR", "DX", "RF", "RG"}),
    frozenset({"CT", "PT"}),
    frozenset({"MG"}),
)
_REGIONS: Mapping[str, frozenset[str]] = {
    "chest": frozenset({"chest", "thorax", "lung", "lungs", "rib", "ribs", "torax", "cxr"}),
    "abdomen": frozenset({"abdomen", "abdominal", "liver", "kidney", "kub", "pelvis"}),
    "head": frozenset({"head", "brain", "skull", "cranial", "neuro", "schaedel", "schädel"}),
    "spine": frozenset({"spine", "lspine", "cspine", "tspine", "lumbar", "cervical", "vertebral"}),
    "breast": frozenset({"breast", "mammo", "mammography"}),
    "extremity": frozenset(
        {"extremity", "leg", "knee", "ankle", "foot", "hand", "wrist", "arm", "elbow", "hip", "shoulder"}
    ),
}


class PriorState(StrEnum):
    """Where an earlier study stands."""

    WANTED = "WANTED"
    ATTACHED = "ATTACHED"
    FAILED = "FAILED"


class PriorCommand(StrEnum):
    """What can happen to it."""

    ARRIVE = "arrive"
    FAIL = "fail"
    ASK_AGAIN = "ask again"


PRIOR_TRANSITIONS: Mapping[tuple[PriorState, PriorCommand], PriorState] = {
    (PriorState.WANTED, PriorCommand.ARRIVE): PriorState.ATTACHED,
    (PriorState.WANTED, PriorCommand.FAIL): PriorState.FAILED,
    (PriorState.WANTED, PriorCommand.ASK_AGAIN): PriorState.WANTED,
    (PriorState.FAILED, PriorCommand.ASK_AGAIN): PriorState.WANTED,
    (PriorState.ATTACHED, PriorCommand.ASK_AGAIN): PriorState.ATTACHED,
    (PriorState.ATTACHED, PriorCommand.ARRIVE): PriorState.ATTACHED,
}


@dataclass(frozen=True)
class FoundStudy:
    """A study of the patient as an archive, or our own database, describes it; dates are DICOM DA."""

    study_uid: str
    study_date: str
    study_time: str
    description: str
    modalities: tuple[str, ...]
    instances: int | None
    body_part: str = ""


@dataclass(frozen=True)
class Prior:
    """An earlier study beside a current one.

    Attributes
    ----------
    rank
        0 for the most relevant.
    report_text
        The text of its signed report, where one came with it; empty otherwise.
    """

    study_uid: str
    prior_uid: str
    rank: int
    study_date: str
    modality: str
    description: str
    state: PriorState
    reason: str = ""
    report_text: str = ""
    attached_at: datetime | None = None

    def arrive(self, report_text: str, *, now: datetime) -> Prior:
        """Return it as attached."""
        state = advance(PRIOR_TRANSITIONS, self.state, PriorCommand.ARRIVE)
        return replace(self, state=state, reason="", report_text=report_text, attached_at=now)

    def fail(self, reason: str) -> Prior:
        """Return it as one that could not be had, and why."""
        return replace(self, state=advance(PRIOR_TRANSITIONS, self.state, PriorCommand.FAIL), reason=reason)

    def ask_again(self) -> Prior:
        """Return it as wanted, unless it is here."""
        return replace(self, state=advance(PRIOR_TRANSITIONS, self.state, PriorCommand.ASK_AGAIN))


@dataclass(frozen=True)
class CurrentStudy:
    """What relevance is measured against; `study_date` is a DICOM DA."""

    study_uid: str
    study_date: str
    study_time: str
    modality: str
    body_part: str
    description: str


def choose_priors(
    current: CurrentStudy, found: Sequence[FoundStudy], *, most: int, most_instances: int
) -> tuple[FoundStudy, ...]:
    """Return the earlier studies that are worth fetching, the most relevant first.

    The same region comes before another, the same kind of examination before another, the later before the
    earlier. A study of another known region is left out, and so is one that is later than the current one, or
    too large.
    """
    earlier = [
        study
        for study in {study.study_uid: study for study in found}.values()
        if study.study_uid != current.study_uid
        and _is_earlier(study, current)
        and _may_be_same_region(study, current)
        and (study.instances or 0) <= most_instances
    ]
    # three stable sorts: the last one counts most
    earlier.sort(key=lambda study: (study.study_date, study.study_time, study.study_uid), reverse=True)
    earlier.sort(key=lambda study: not _is_same_kind(study, current))
    earlier.sort(key=lambda study: not _is_same_region(study, current))
    return tuple(earlier[:most])


def why_relevant(current: CurrentStudy, prior: Prior) -> tuple[tuple[str, str], ...]:
    """Return why a prior is worth a look: ``region``, ``kind`` or ``first``, each with its value.

    A region or a kind of examination that is not known gives no reason.
    """
    seen = FoundStudy(
        prior.prior_uid, prior.study_date, "", prior.description, tuple(prior.modality.split("\\")), None
    )
    same = sorted(_regions(seen) & regions_of(current.body_part, current.description))
    reasons = [("region", region) for region in same[:1]]
    if _is_same_kind(seen, current):
        reasons.append(("kind", prior.modality.replace("\\", ", ")))
    if prior.rank == 0:
        reasons.append(("first", ""))
    return tuple(reasons)


def regions_of(*texts: str) -> frozenset[str]:
    """Return the regions that words of a description or a body part name."""
    words = {
        word for text in texts for word in "".join(c if c.isalpha() else " " for c in text.lower()).split()
    }
    return frozenset(region for region, names in _REGIONS.items() if words & names)


def is_same_family(one: str, other: str) -> bool:
    """Tell whether two modalities show the same thing in the same way: a CR and a DX are both radiographs."""
    return any({one, other} <= family for family in _FAMILIES)


def _is_earlier(study: FoundStudy, current: CurrentStudy) -> bool:
    if not (study.study_date and current.study_date):
        return bool(study.study_date)
    return (study.study_date, study.study_time) < (current.study_date, current.study_time or "24")


def _regions(study: FoundStudy) -> frozenset[str]:
    return regions_of(study.body_part, study.description)


def _is_same_region(study: FoundStudy, current: CurrentStudy) -> bool:
    return bool(_regions(study) & regions_of(current.body_part, current.description))


def _may_be_same_region(study: FoundStudy, current: CurrentStudy) -> bool:
    wanted, has = regions_of(current.body_part, current.description), _regions(study)
    return not wanted or not has or bool(wanted & has)


def _is_same_kind(study: FoundStudy, current: CurrentStudy) -> bool:
    if current.modality in study.modalities:
        return True
    return any(current.modality in family and family & set(study.modalities) for family in _FAMILIES)
