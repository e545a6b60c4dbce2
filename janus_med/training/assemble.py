"""Bring together what a run needs: tokenizer and model of a preset, images of a data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from janus_med.errors import Fatal
from janus_med.model import MedicalJanus
from janus_med.presets import build_janus, find_preset
from janus_med.tokenizer import load_tokenizer, token_ids, train_tokenizer
from janus_med.training.data import ImageStore, read_cases
from janus_med.training.lung_segmenter import open_segmenter
from janus_med.training.stages import Bench
from janus_med.training.texts import grammar_texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from janus_med.training.recipe import Recipe

TOKENIZER_TEXTS = 6000


def new_model(preset_name: str, seed: int, tokenizer: PreTrainedTokenizerFast) -> MedicalJanus:
    """Create a preset's model with random weights that depend on the seed alone."""
    preset = find_preset(preset_name)
    torch.manual_seed(seed)
    return MedicalJanus(build_janus(preset, token_ids(tokenizer)), preset)


def new_tokenizer(preset_name: str, seed: int, folder: Path | None = None) -> PreTrainedTokenizerFast:
    """Train the preset's tokenizer on the grammar; kept in ``folder`` and read from there the next time."""
    path = folder / "tokenizer.json" if folder is not None else None
    if path is not None and path.exists():
        return load_tokenizer(path)
    tokenizer = train_tokenizer(grammar_texts(seed, TOKENIZER_TEXTS), find_preset(preset_name).vocab_size)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.backend_tokenizer.save(str(path))
    return tokenizer


def open_images(
    data: Path, size: int, cache: Path, progress: Callable[[int, int], None] | None
) -> ImageStore:
    """Load the usable images of a data folder.

    Raises
    ------
    Fatal
        When there is no manifest or it has no labelled training film.
    """
    if not (data / "manifest.csv").is_file():
        raise Fatal(f"{data}: no manifest.csv; give the data folder with --data")
    cases = read_cases(data)
    if not any(case.part == "train" and case.normal for case in cases):
        raise Fatal(f"{data}: no training film labelled No Finding, which lesions could be inserted into")
    return ImageStore(cases, size, cache, progress, open_segmenter(data, cache))


def new_bench(
    preset_name: str,
    data: Path,
    folder: Path,
    recipe: Recipe,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> Bench:
    """Assemble a run from nothing but its arguments."""
    tokenizer = new_tokenizer(preset_name, seed, folder)
    store = open_images(data, find_preset(preset_name).image_size, folder, progress)
    return Bench(new_model(preset_name, seed, tokenizer), tokenizer, store, recipe, seed)
