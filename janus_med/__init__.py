"""The model: DICOM pixels in, a draft with findings, sentences, regions and confidences out.

Importing the package is light; a name of the public API loads its module when it is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from janus_med.answer import Answer
    from janus_med.decoding import Decoder
    from janus_med.dicom_input import Intake, load_image, read_studies
    from janus_med.draft import Draft, DraftFinding, DraftSentence, Issue, Timings
    from janus_med.drafting import draft_study
    from janus_med.engine import JanusMed
    from janus_med.errors import (
        Fatal,
        IndexUnusable,
        JanusMedError,
        ModelUnavailable,
        Rejected,
        UnreadableInput,
    )
    from janus_med.modalities import ModalityRegistry, default_registry, register_modality
    from janus_med.overlay import AttentionGrid, Region
    from janus_med.preprocessing import preprocess, preprocess_grey, preprocessing_sha256
    from janus_med.reading import FINDINGS, FindingReading, ModelInfo, Reading, SentenceReading
    from janus_med.retrieval import StudyIndex
    from janus_med.study import Instance, SourceImage, Study

_HOMES = {
    "answer": ("Answer",),
    "decoding": ("Decoder",),
    "dicom_input": ("Intake", "load_image", "read_studies"),
    "draft": ("Draft", "DraftFinding", "DraftSentence", "Issue", "Timings"),
    "drafting": ("draft_study",),
    "engine": ("JanusMed",),
    "errors": ("Fatal", "IndexUnusable", "JanusMedError", "ModelUnavailable", "Rejected", "UnreadableInput"),
    "modalities": ("ModalityRegistry", "default_registry", "register_modality"),
    "overlay": ("AttentionGrid", "Region"),
    "preprocessing": ("preprocess", "preprocess_grey", "preprocessing_sha256"),
    "reading": ("FINDINGS", "FindingReading", "ModelInfo", "Reading", "SentenceReading"),
    "retrieval": ("StudyIndex",),
    "study": ("Instance", "SourceImage", "Study"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "FINDINGS",
    "Answer",
    "AttentionGrid",
    "Decoder",
    "Draft",
    "DraftFinding",
    "DraftSentence",
    "Fatal",
    "FindingReading",
    "IndexUnusable",
    "Instance",
    "Intake",
    "Issue",
    "JanusMed",
    "JanusMedError",
    "ModalityRegistry",
    "ModelInfo",
    "ModelUnavailable",
    "Reading",
    "Region",
    "Rejected",
    "SentenceReading",
    "SourceImage",
    "Study",
    "StudyIndex",
    "Timings",
    "UnreadableInput",
    "default_registry",
    "draft_study",
    "load_image",
    "preprocess",
    "preprocess_grey",
    "preprocessing_sha256",
    "read_studies",
    "register_modality",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
