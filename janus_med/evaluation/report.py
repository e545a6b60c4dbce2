"""Evaluation of a model folder: every figure as JSON and as the tables of the model card."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from janus_med.checkpoint import bundled_folder, verify_folder
from janus_med.engine import JanusMed
from janus_med.evaluation.card import write_card_file
from janus_med.evaluation.measure import (
    ask,
    calibration_errors,
    decisions,
    draft_fidelity,
    finding_aurocs,
    inserted_samples,
    localisation,
    real_samples,
    scope,
)
from janus_med.evaluation.metrics import Figure
from janus_med.evaluation.tables import figures_table, localisation_table
from janus_med.training.assemble import open_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from janus_med.training.data import ImageStore

MOST_DRAFTS = 60


def evaluate_folder(
    folder: Path | None,
    data: Path,
    out: Path,
    *,
    samples: int,
    write_card: bool,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Measure a model folder on the validation persons of a data folder.

    Parameters
    ----------
    folder
        None for the bundled model.
    data
        Folder with ``manifest.csv``.
    out
        Cache of preprocessed films; ``evaluation.json`` is written there.
    samples
        Films per brush family.
    write_card
        Whether to write the tables into the folder's ``MODEL_CARD.md``.
    seed
        Of lesions and bootstrap.
    progress
        Told while images are loaded.

    Returns
    -------
    str
        The tables, in Markdown.
    """
    chosen = folder or bundled_folder()
    manifest = verify_folder(chosen)
    engine = JanusMed.load(chosen, "cpu")
    store = open_images(data, engine.info.image_size, out, progress)
    figures = measure_all(engine, store, samples, seed)
    out.mkdir(parents=True, exist_ok=True)
    content = {"model": manifest.id, "seed": seed, "figures": _plain(figures)}
    (out / "evaluation.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    text = render(figures)
    if write_card:
        write_card_file(chosen, manifest, engine.model, store, text)
    return text


def measure_all(engine: JanusMed, store: ImageStore, samples: int, seed: int) -> dict[str, Any]:
    """Return every figure, grouped."""
    rng = np.random.default_rng(seed)
    model, grid = engine.model, engine.model.preset.grid
    films, subsets = real_samples(store, grid)
    figures: dict[str, Any] = {}
    said = ask(model, films)
    figures["real"] = {"all": finding_aurocs(said, rng)}
    for subset in sorted(set(subsets)):
        chosen = [film for film, name in zip(films, subsets, strict=True) if name == subset]
        if len(chosen) >= 20 and (rows := finding_aurocs(ask(model, chosen), rng)):
            figures["real"][subset] = rows
    figures["real_calibration"] = calibration_errors(said, rng)
    figures["real_decisions"] = decisions(model, said, rng)
    for brush in ("trained", "unseen"):
        inserted = ask(model, inserted_samples(store, grid, brush, samples, seed))
        figures[f"inserted_{brush}"] = finding_aurocs(inserted, rng)
        figures[f"localisation_{brush}"] = localisation(inserted, rng)
        figures[f"inserted_calibration_{brush}"] = calibration_errors(inserted, rng)
        figures[f"inserted_decisions_{brush}"] = decisions(model, inserted, rng)
    figures["scope"] = scope(model, store, seed)
    count = min(MOST_DRAFTS, samples // 4)
    drafts = films[:count] + inserted_samples(store, grid, "trained", count, seed + 1)
    figures["drafts"] = draft_fidelity(engine, drafts, rng)
    return figures


def render(figures: dict[str, Any]) -> str:
    """Return the tables of `measure_all` in Markdown."""
    real = {("real labels, " + name): rows for name, rows in figures["real"].items()}
    inserted = {f"inserted, {brush} brush": figures[f"inserted_{brush}"] for brush in ("trained", "unseen")}
    errors = {"real labels": figures["real_calibration"]} | {
        f"inserted, {brush} brush": figures[f"inserted_calibration_{brush}"]
        for brush in ("trained", "unseen")
    }
    decided = {"real labels": figures["real_decisions"]} | {
        f"inserted, {brush} brush": figures[f"inserted_decisions_{brush}"] for brush in ("trained", "unseen")
    }
    parts = [
        "### Findings: area under the ROC curve",
        "A constant or a random score has 0.50. Intervals are 95 %, bootstrapped over films; "
        "(n) counts positives.",
        figures_table(real | inserted, mean=True),
        "### Expected calibration error (15 bins)",
        figures_table(errors, mean=True),
        "### Decisions",
        "A finding is present, absent or deferred to the reader.",
        figures_table(decided),
        "### Where: attention maps on inserted lesions",
        "The place prior is the mean mask of that finding over the same films.",
        *(
            f"{brush.capitalize()} brush:\n\n" + localisation_table(figures[f"localisation_{brush}"])
            for brush in ("trained", "unseen")
        ),
        "### Scope and drafts",
        figures_table({"share": figures["scope"] | figures["drafts"]}),
    ]
    return "\n\n".join(parts) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Figure):
        return {key: None if number != number else number for key, number in asdict(value).items()}  # noqa: PLR0124
    return {key: _plain(inner) for key, inner in value.items()}
