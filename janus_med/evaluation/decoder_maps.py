"""The language model's raw attention on the image while it names a finding: what an overlay could come from
without finding queries.
"""

from __future__ import annotations

from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.expert import ExpertFact, ExpertPlan, write_prompt
from janus_med.facts import label_sentence
from janus_med.report_text import split_sentences
from janus_med.training.corpus import write_report
from janus_med.training.samples import to_pixels
from janus_med.training.texts import make_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor
    from transformers import JanusForConditionalGeneration, PreTrainedTokenizerFast

    from janus_med.model import MedicalJanus

STEP = 8


@torch.no_grad()
def decoder_maps(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    films: Sequence[np.ndarray],
    findings: Sequence[str],
) -> np.ndarray:
    """Return the raw decoder attention behind one finding of each film.

    The model is given a prompt that states the finding without its place and the beginning of a report that
    ends with the sentence naming it. The map is the attention from the tokens of that sentence to the image
    tokens, averaged over tokens, heads and layers.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    films
        M films (S, S) float32 in [0, 1].
    findings
        M names.

    Returns
    -------
    ndarray
        (M, g, g) float32.
    """
    maps = []
    with _eager(model.janus):
        for start in range(0, len(films), STEP):
            part = slice(start, start + STEP)
            maps.append(_maps(model, tokenizer, np.stack(films[part]), findings[part]))
    return np.concatenate(maps)


def _maps(
    model: MedicalJanus, tokenizer: PreTrainedTokenizerFast, grey: np.ndarray, findings: Sequence[str]
) -> np.ndarray:
    turns, lengths = [], []
    for name in findings:
        plan = ExpertPlan((ExpertFact(name),))
        before, sentence = _until_named(plan, name)
        turns.append((write_prompt(plan), f"{before}{sentence}"))
        lengths.append(len(tokenizer(f" {sentence}", add_special_tokens=False).input_ids))
    batch = make_batch(tokenizer, turns, model.preset.image_tokens)
    output = model.janus(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        mm_encoder_outputs=model.image_embeddings(model.perceive(to_pixels(grey)).cross),
        output_attentions=True,
    )
    mean: Tensor = torch.stack([layer.float().mean(dim=1) for layer in output.attentions]).mean(
        dim=0
    )  # (B, L, L)
    image = batch.ids == model.janus.config.image_token_id
    grid = model.preset.grid
    rows = [
        mean[row, -1 - length : -1, image[row]].mean(dim=0).view(grid, grid).numpy()
        for row, length in enumerate(lengths)
    ]
    return np.stack(rows).astype(np.float32)


def _until_named(plan: ExpertPlan, name: str) -> tuple[str, str]:
    """Split a report of the plan: what comes before the sentence that names the finding, and the sentence."""
    report = write_report(plan, Random(0))  # noqa: S311 - wording, not secrets
    sentences = split_sentences(report)
    named = next((one for one in sentences if name in label_sentence(one)), sentences[0])
    return report[: report.index(named)], named


@contextmanager
def _eager(janus: JanusForConditionalGeneration) -> Iterator[None]:
    """Compute attention so that its shares can be seen, which the fused kernel does not allow."""
    language = janus.model.language_model
    before = language.config._attn_implementation
    language.set_attn_implementation("eager")
    try:
        yield
    finally:
        language.set_attn_implementation(before)
