"""Evaluation of a model folder: every section, the figures as JSON, the document and the model card."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from janus_med.checkpoint import bundled_folder, verify_folder
from janus_med.engine import JanusMed
from janus_med.evaluation.bootstrap import RESAMPLES, Figure
from janus_med.evaluation.card import write_card_file
from janus_med.evaluation.document import card_figures, describe_run, write_document
from janus_med.evaluation.drafts import examine_drafts
from janus_med.evaluation.faithful import examine_faithfulness
from janus_med.evaluation.further import examine_questions, examine_retrieval, examine_text
from janus_med.evaluation.inserted import examine_inserted
from janus_med.evaluation.measure import Exam
from janus_med.evaluation.phrases import examine_phrases
from janus_med.evaluation.places import examine_places
from janus_med.evaluation.real import examine_real
from janus_med.evaluation.reliability import examine_reliability
from janus_med.evaluation.scope import examine_scope
from janus_med.evaluation.sections import QUICK, Effort, Section
from janus_med.training.assemble import open_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

SECTIONS: tuple[Callable[[Exam], Section], ...] = (
    examine_real,
    examine_inserted,
    examine_places,
    examine_phrases,
    examine_faithfulness,
    examine_drafts,
    examine_reliability,
    examine_scope,
    examine_retrieval,
    examine_questions,
    examine_text,
)
"""The chapters in order; a further one takes an `Exam`, returns a `Section` and is added here."""

QUICK_RESAMPLES = 100


@dataclass(frozen=True)
class Request:
    """What to evaluate and where to write.

    Attributes
    ----------
    folder
        None for the bundled model.
    data
        Folder with ``manifest.csv``.
    out
        Cache of preprocessed films and features; ``evaluation.json`` is written there.
    samples
        Films per brush; None for the usual number.
    seed
        Of lesions and bootstrap.
    card
        Whether to write the short tables into the folder's ``MODEL_CARD.md``.
    document
        Where to write the document; None for nowhere.
    quick
        A few films of each kind: a test of the evaluation, not of a model.
    """

    folder: Path | None
    data: Path
    out: Path
    samples: int | None = None
    seed: int = 0
    card: bool = False
    document: Path | None = None
    quick: bool = False


def evaluate_folder(
    request: Request, now: datetime, progress: Callable[[int, int], None] | None = None
) -> str:
    """Measure a model folder on the validation persons of a data folder.

    Parameters
    ----------
    request
        What and where.
    now
        Aware, UTC: the date of the document.
    progress
        Told while images are loaded.

    Returns
    -------
    str
        The document, in Markdown.
    """
    started = time.perf_counter()
    folder = request.folder or bundled_folder()
    manifest = verify_folder(folder)
    exam = open_exam(request, folder, progress)
    sections = run_sections(exam)
    run = describe_run(manifest, exam, now, time.perf_counter() - started)
    text = write_document(run, sections)
    _write_json(request.out, manifest.id, exam, sections)
    if request.document is not None:
        request.document.write_text(text, encoding="utf-8")
    if request.card:
        write_card_file(folder, manifest, exam.model, exam.store, card_figures(sections))
    return text


def open_exam(request: Request, folder: Path, progress: Callable[[int, int], None] | None = None) -> Exam:
    """Load model and films."""
    engine = JanusMed.load(folder, "cpu")
    store = open_images(request.data, engine.info.image_size, request.out, progress)
    effort = QUICK if request.quick else Effort()
    if request.samples is not None:
        effort = replace(effort, inserted=request.samples)
    return Exam(
        engine,
        engine.tokenizer,
        store,
        request.data,
        request.out,
        effort,
        request.seed,
        QUICK_RESAMPLES if request.quick else RESAMPLES,
    )


def run_sections(exam: Exam) -> list[Section]:
    """Run every chapter."""
    return [section(exam) for section in SECTIONS]


def _write_json(out: Path, model: str, exam: Exam, sections: list[Section]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    for section in sections:
        figures |= {section.key: section.figures} if section.key == "real" else section.figures
    bars = [
        {"name": bar.name, "bar": bar.asked, "verdict": bar.verdict} | {"figure": _plain(bar.figure)}
        for section in sections
        for bar in section.bars
    ]
    content = {
        "model": model,
        "seed": exam.seed,
        "effort": asdict(exam.effort),
        "bars": bars,
        "figures": _plain(figures),
    }
    (out / "evaluation.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Figure):
        return {key: None if number != number else number for key, number in asdict(value).items()}  # noqa: PLR0124
    return {key: _plain(inner) for key, inner in value.items()}
