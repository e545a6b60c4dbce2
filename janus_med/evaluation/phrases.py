"""Where a sentence points: text queries of the shared attention against inserted lesions, beside the finding
queries, which do not read the sentence.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.bootstrap import Estimate, estimate_mean, macro
from janus_med.evaluation.places import contrasts, hits
from janus_med.evaluation.sections import Section
from janus_med.evaluation.tables import measures_table
from janus_med.expert import describe_location
from janus_med.phrase_tokens import encode_sentences
from janus_med.reading import FINDINGS
from janus_med.training.losses import SHOWS
from janus_med.training.phrases import placed_findings, word_phrase
from janus_med.training.samples import to_pixels

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam, Said
    from janus_med.training.phrases import Claim

_TEXT = """Each lesion of the films above is put into a sentence of the grammar with its side and zone, and
the shared attention is asked for it. *Pointing*: the hottest patch shows the lesion; beside it the map of the
finding query, which knows the finding but not the sentence, and *chance*. *Right side*: of lesions on one
side, the share for which the sentence with the true side is found stronger (probability of its hottest patch)
than the same sentence with the other side; chance is 0.5.
"""
_NONE = "The model has no text queries."


def examine_phrases(exam: Exam) -> Section:
    """Measure pointing and sides of sentences for both brushes."""
    title = "Where a sentence points"
    if exam.model.text_queries is None:
        return Section("phrases", title, _NONE, {})
    parts, figures = [_TEXT], {}
    for brush, said in exam.brushes.items():
        rows = measure_phrases(exam, said)
        figures[brush] = {name: {key: one.figure for key, one in row.items()} for name, row in rows.items()}
        parts.append(f"{brush.capitalize()} brush:\n\n{measures_table(figures[brush])}")
        parts.append(_sum_up(rows))
    return Section("phrases", title, "\n\n".join(parts), figures)


def measure_phrases(exam: Exam, said: Said) -> dict[str, dict[str, Estimate]]:
    """Return the measures of each placed finding by name."""
    rng = Random(exam.seed)  # noqa: S311 - wording, not secrets
    asked: dict[str, list[tuple[int, str, str]]] = {}
    for row, sample in enumerate(said.films.samples):
        labels, masks = torch.from_numpy(sample.labels), torch.from_numpy(sample.masks)
        for name in placed_findings(labels, masks):
            asked.setdefault(name, []).append((row, *_word(name, sample.masks, rng)))
    return {name: _measure(exam, said, name, asked[name]) for name in FINDINGS if name in asked}


def _word(name: str, masks: np.ndarray, rng: Random) -> tuple[str, str]:
    """Return the sentence of a finding, and with the other side; the latter empty without a side."""
    mask = masks[FINDINGS.index(name)]
    fact = describe_location(name, mask)
    claims: tuple[Claim, ...] = ("placed", "other side") if fact.side in ("left", "right") else ("placed",)
    state = rng.getstate()
    texts = []
    for claim in claims:
        rng.setstate(state)  # the same words, another side
        texts.append(word_phrase(fact, mask, claim, rng).text)
    return texts[0], texts[1] if len(texts) > 1 else ""


def _measure(exam: Exam, said: Said, name: str, asked: list[tuple[int, str, str]]) -> dict[str, Estimate]:
    rows = np.array([row for row, _, _ in asked])
    index, weights = FINDINGS.index(name), said.weights[:, rows]
    masks = np.nan_to_num(said.masks[rows, index]) > SHOWS
    heats = phrase_maps(exam, said, rows, [true for _, true, _ in asked])
    values = {
        "pointing": estimate_mean(hits(heats, masks), weights),
        "finding query": estimate_mean(hits(said.maps[rows, index], masks), weights),
        "chance": estimate_mean(masks.mean(axis=(1, 2)), weights),
        "CNR": estimate_mean(contrasts(heats, masks), weights),
        "finding query CNR": estimate_mean(contrasts(said.maps[rows, index], masks), weights),
    }
    sided = [place for place, (_, _, other) in enumerate(asked) if other]
    if sided:
        others = phrase_maps(exam, said, rows[sided], [asked[place][2] for place in sided])
        right = heats[sided].max(axis=(1, 2)) > others.max(axis=(1, 2))
        values["right side"] = estimate_mean(right, weights[:, sided])
    return values


@torch.no_grad()
def phrase_maps(exam: Exam, said: Said, rows: np.ndarray, sentences: list[str]) -> np.ndarray:
    """Return the map (P, g, g) of one sentence each on films of ``said``."""
    pixels = to_pixels(np.stack([said.films.samples[row].grey for row in rows]))
    ids, mask = encode_sentences(exam.tokenizer, sentences)
    evidence = exam.model.locate(exam.model.encoder.encode(pixels), ids, mask)
    maps = evidence.sigmoid().view(-1, exam.grid, exam.grid)
    return np.asarray(maps.cpu().numpy())


def _sum_up(rows: dict[str, dict[str, Estimate]]) -> str:
    keys = dict.fromkeys(key for row in rows.values() for key in row)
    means = {key: macro([row[key] for row in rows.values() if key in row]).figure for key in keys}
    return "Mean over the findings: " + "; ".join(f"{key} {figure}" for key, figure in means.items()) + "."
